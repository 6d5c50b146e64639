"""Products of matrices, and Einstein sums."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from fxexport.lowering.arithmetic import element_count
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.operators.arithmetic import compute, is_one
from fxexport.lowering.operators.reduce import sum_
from fxexport.lowering.operators.shape import diagonal, transpose_to
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
INT32, INT64 = ir.DataType.INT32, ir.DataType.INT64


def product(op: OpBuilder, a: Value, b: Value) -> Value:
    """MatMul in a dtype that runtimes take."""
    wide = dtypes.widened(op.dtype)
    a, b = op.cast(a, wide), op.cast(b, wide)
    if a.rank > 1 and b.rank == 1:
        # ONNX Runtime (1.32) multiplies a transposed matrix and a vector as if it were not
        # transposed: its fusion of Transpose and MatMul takes the vector for a matrix.
        column = a @ op.one("Unsqueeze", b, [1])
        return op.cast(op.one("Squeeze", column, [-1]), op.dtype)
    return op.cast(a @ b, op.dtype)


@LOWERINGS("mm", "bmm", "matmul", "mv", "dot", "vdot")
def matmul(op: OpBuilder, a: Value, b: Value) -> Value:
    return product(op, a, b)


@LOWERINGS("linear")
def linear(op: OpBuilder, x: Value, weight: Value, bias: Value | None = None) -> Value:
    exact = not dtypes.is_float(op.dtype)  # Gemm takes floats only
    if x.rank == 2 and weight.rank == 2 and (bias is None or bias.rank == 1) and not exact:
        return op.one("Gemm", x, weight, bias, transB=1)
    turned = op.one("Transpose", weight, perm=[1, 0]) if weight.rank == 2 else weight
    if exact:
        result = product(op, x, turned)
        result.shape = ir.Shape([None] * op.result.dim())
        return result if bias is None else compute(op, [result, bias], lambda a, b: a + b)
    result = x @ turned
    return result if bias is None else result + bias


def _plus(op: OpBuilder, extra: Value, result: Value, beta: Operand, alpha: Operand) -> Value:
    if not is_one(alpha):
        result = result * op.cast(alpha, result.elem)
    if not isinstance(beta, Value) and beta == 0:
        return result  # PyTorch ignores the tensor, NaNs included
    extra = op.cast(extra, result.elem)
    return result + (extra if is_one(beta) else extra * op.cast(beta, result.elem))


@LOWERINGS("addmm")
def addmm(
    op: OpBuilder, extra: Value, a: Value, b: Value, *, beta: Operand = 1, alpha: Operand = 1
) -> Value:
    numbers = not isinstance(alpha, Value) and not isinstance(beta, Value)
    if dtypes.is_float(op.dtype) and numbers and beta != 0:
        return op.one("Gemm", a, b, extra, alpha=float(alpha), beta=float(beta))  # type: ignore[arg-type]
    return _plus(op, extra, product(op, a, b), beta, alpha)


@LOWERINGS("baddbmm", "addmv")
def baddbmm(
    op: OpBuilder, extra: Value, a: Value, b: Value, *, beta: Operand = 1, alpha: Operand = 1
) -> Value:
    if extra.rank == 0 and a.rank == 2 and not all(a.dims):
        raise op.refuse(
            "addmv of a tensor without dimensions, which PyTorch returns as it is for no rows",
            "write x + a @ b",
        )
    return _plus(op, extra, product(op, a, b), beta, alpha)


@LOWERINGS("addbmm")
def addbmm(
    op: OpBuilder, extra: Value, a: Value, b: Value, *, beta: Operand = 1, alpha: Operand = 1
) -> Value:
    wide = dtypes.widened(op.dtype)
    total = op.one("ReduceSum", op.cast(product(op, a, b), wide), [0], keepdims=0)
    return _plus(op, extra, op.cast(total, op.dtype), beta, alpha)


@LOWERINGS("addr")
def addr(
    op: OpBuilder, extra: Value, a: Value, b: Value, *, beta: Operand = 1, alpha: Operand = 1
) -> Value:
    wide = INT32 if op.dtype == ir.DataType.BOOL else dtypes.widened(op.dtype)
    a, b, extra = (op.cast(op.cast(x, op.dtype), wide) for x in (a, b, extra))
    outer = op.one("Unsqueeze", a, [1]) * op.one("Unsqueeze", b, [0])
    return op.cast(_plus(op, extra, outer, beta, alpha), op.dtype)


@LOWERINGS("outer", "ger")
def outer(op: OpBuilder, a: Value, b: Value) -> Value:
    columns, rows = op.one("Unsqueeze", a, [1]), op.one("Unsqueeze", b, [0])
    return compute(op, [columns, rows], lambda x, y: x * y)


@LOWERINGS("einsum")
def einsum(op: OpBuilder, equation: str, tensors: Sequence[Value], **_: object) -> Value:
    return sum_of_products(op, equation.replace(" ", ""), [op.cast(x, op.dtype) for x in tensors])


@LOWERINGS("bilinear")
def bilinear(op: OpBuilder, a: Value, b: Value, weight: Value, bias: Value | None = None) -> Value:
    result = sum_of_products(op, "...i,oij,...j->...o", [a, weight, b])
    return result if bias is None else result + bias


def sum_of_products(op: OpBuilder, equation: str, tensors: Sequence[Value]) -> Value:
    """Einsum, or products of matrices where a dimension may have no element.

    ONNX Runtime ends the process where its Einsum transposes a tensor without elements, and refuses
    an ellipsis that the result does not have.
    """
    terms, wanted = _parsed(equation, [x.rank for x in tensors])
    filled = all(dim for x in tensors for dim in x.dims)
    lost = any(letter.isdigit() and letter not in wanted for term in terms for letter in term)
    if filled and not lost:
        return op.one("Einsum", *tensors, equation=equation)
    parts = [_on_diagonals(op, _Part(x, term)) for x, term in zip(tensors, terms, strict=True)]
    found, *rest = parts
    for k, part in enumerate(rest):
        later = {letter for other in rest[k + 1 :] for letter in other.letters}
        found = _multiplied(op, found, part, {*wanted, *later})
    found = _summed(op, found, set(wanted))
    return transpose_to(op, found.value, [found.letters.index(letter) for letter in wanted])


@dataclass(frozen=True)
class _Part:
    """A tensor, and what each of its dimensions is called."""

    value: Value
    letters: Sequence[str]

    def axes(self, letters: Sequence[str]) -> list[int]:
        return [self.letters.index(letter) for letter in letters]


def _parsed(equation: str, ranks: Sequence[int]) -> tuple[list[list[str]], list[str]]:
    """The letters of each operand and of the result; numbers stand for those of an ellipsis."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    pairs = zip(terms, ranks, strict=True)
    more = [rank - len(term.replace("...", "")) if "." in term else 0 for term, rank in pairs]
    counted = [str(k) for k in reversed(range(max(more)))]

    def letters(term: str, count: int) -> list[str]:
        before, dots, after = term.partition("...")
        return [*before, *(counted[len(counted) - count :] if dots else ()), *after]

    found = [letters(term, count) for term, count in zip(terms, more, strict=True)]
    if arrow:
        return found, letters(right, len(counted))
    every = [letter for term in found for letter in term if letter not in counted]
    return found, counted + sorted(letter for letter in set(every) if every.count(letter) == 1)


def _on_diagonals(op: OpBuilder, part: _Part) -> _Part:
    """A part with one dimension a letter: what has two is read along its diagonal."""
    value, letters = part.value, list(part.letters)
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first = letters.index(letter)
            second = letters.index(letter, first + 1)
            value = diagonal(op, value, 0, first, second)
            letters = [one for k, one in enumerate(letters) if k not in (first, second)] + [letter]
    return _Part(value, letters)


def _summed(op: OpBuilder, part: _Part, kept: Collection[str]) -> _Part:
    """A part without the dimensions that nothing else needs."""
    axes = [k for k, letter in enumerate(part.letters) if letter not in kept]
    if not axes:
        return part
    rest = [letter for letter in part.letters if letter in kept]
    return _Part(sum_(op, part.value, axes), rest)


def _without_ones(op: OpBuilder, part: _Part, other: _Part, kept: Collection[str]) -> _Part:
    """A part without dimensions of 1 that meet others of the other part: there its sum counts."""

    def size(of: _Part, letter: str) -> int | None:
        return of.value.dims[of.letters.index(letter)]

    shared = [letter for letter in part.letters if letter in other.letters and letter not in kept]
    gone = [one for one in shared if size(part, one) == 1 and size(other, one) != 1]
    if not gone:
        return part
    value = op.one("Squeeze", part.value, part.axes(gone))
    return _Part(value, [letter for letter in part.letters if letter not in gone])


def _multiplied(op: OpBuilder, a: _Part, b: _Part, kept: Collection[str]) -> _Part:
    """Two parts as one, summed over what they share and nothing else needs."""
    a, b = _without_ones(op, a, b, kept), _without_ones(op, b, a, kept)
    a = _summed(op, a, {*kept, *b.letters})
    b = _summed(op, b, {*kept, *a.letters})
    shared = [letter for letter in a.letters if letter in b.letters]
    batch = [letter for letter in shared if letter in kept]
    over = [letter for letter in shared if letter not in kept]
    left = [letter for letter in a.letters if letter not in shared]
    right = [letter for letter in b.letters if letter not in shared]
    letters = [*batch, *left, *right]
    # Those of an ellipsis may be 1 in one of them: MatMul does not broadcast what it sums.
    loose = [letter for letter in over if letter.isdigit()]
    a, b = _as_wide(op, a, b, loose), _as_wide(op, b, a, loose)
    first = transpose_to(op, a.value, a.axes([*batch, *left, *over]))
    second = transpose_to(op, b.value, b.axes([*batch, *over, *right]))
    if not over:
        lower = len(batch) + len(left)
        if right:
            first = op.one("Unsqueeze", first, [lower + k for k in range(len(right))])
        if left:
            second = op.one("Unsqueeze", second, [len(batch) + k for k in range(len(left))])
        return _Part(first * second, letters)
    count = len(batch)
    first = _as_matrices(op, first, count, len(left))
    second = _as_matrices(op, second, count, len(over))
    found = product(op, first, second)
    if len(left) == len(right) == 1:
        return _Part(found, letters)
    # Of a batch dimension that is 1 in one of them, the product has the other's size.
    sizes: list[int | Value] = [op.size(found, k) for k in range(count)]
    sizes += [op.size(a.value, k) for k in a.axes(left)]
    sizes += [op.size(b.value, k) for k in b.axes(right)]
    result = op.reshape(found, sizes)
    result.shape = ir.Shape([size if isinstance(size, int) else None for size in sizes])
    return _Part(result, letters)


def _as_wide(op: OpBuilder, part: _Part, other: _Part, letters: Sequence[str]) -> _Part:
    """A part whose dimensions of some letters are as large as the other's, where they are 1."""

    def size(letter: str) -> int | Value:
        if letter not in letters:
            return 1  # in Expand, the larger of both
        return op.size(other.value, other.letters.index(letter))

    sizes = [size(letter) for letter in part.letters]
    if all(x == 1 or x == own for x, own in zip(sizes, part.value.dims, strict=True)):
        return part
    return _Part(op.one("Expand", part.value, op.sizes(sizes)), part.letters)


def _as_matrices(op: OpBuilder, x: Value, batch: int, rows: int) -> Value:
    """Two dimensions of all behind the batch; the first of so many of them."""
    middle = batch + rows
    if rows == 1 and x.rank == middle + 1:
        return x
    sizes: list[int | Value] = [op.size(x, k) for k in range(batch)]
    for axes in (range(batch, middle), range(middle, x.rank)):
        size = element_count(op, x, list(axes), INT64)
        known = op.constant(size)
        sizes.append(size if known is None else int(known))
    result = op.reshape(x, sizes)
    result.shape = ir.Shape([size if isinstance(size, int) else None for size in sizes])
    return result


@LOWERINGS("_cdist_forward", "cdist")
def cdist(op: OpBuilder, a: Value, b: Value, p: float = 2.0, mode: Any = None) -> Value:
    gap = op.one("Abs", op.one("Unsqueeze", a, [a.rank - 1]) - op.one("Unsqueeze", b, [b.rank - 2]))
    if p == 2:
        return op.one("ReduceL2", gap, [-1], keepdims=0)
    if p == 1:
        return op.one("ReduceSum", gap, [-1], keepdims=0)
    if p == float("inf"):
        return op.one("ReduceMax", gap, [-1], keepdims=0)
    if p == 0:
        apart = op.cast(~op.one("Equal", gap, 0.0), gap.elem)
        return op.one("ReduceSum", apart, [-1], keepdims=0)
    total = op.one("ReduceSum", op.one("Pow", gap, float(p)), [-1], keepdims=0)
    return op.one("Pow", total, 1.0 / p)


@LOWERINGS("linalg_cross", "cross")
def cross(op: OpBuilder, a: Value, b: Value, dim: int | None = -1) -> Value:
    a, b = op.cast(a, op.dtype), op.cast(b, op.dtype)
    axis = (next(k for k, d in enumerate(a.dims) if d == 3) if dim is None else dim) % a.rank

    def turned(x: Value, order: list[int]) -> Value:
        return op.one("Gather", x, op.i64(order), axis=axis)

    first = turned(a, [1, 2, 0]) * turned(b, [2, 0, 1])
    return first - turned(a, [2, 0, 1]) * turned(b, [1, 2, 0])
