"""Products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fxexport.lowering import dtypes
from fxexport.lowering.builder import OpBuilder, Operand
from fxexport.lowering.elimination import LARGEST, eliminate
from fxexport.lowering.operators_arithmetic import is_one
from fxexport.lowering.registry import Table
from fxexport.lowering.values import Value

LOWERINGS = Table()


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
    if x.rank == 2 and weight.rank == 2 and (bias is None or bias.rank == 1):
        return op.one("Gemm", x, weight, bias, transB=1)
    turned = op.one("Transpose", weight, perm=[1, 0]) if weight.rank == 2 else weight
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
    return _plus(op, extra, product(op, a, b), beta, alpha)


@LOWERINGS("addbmm")
def addbmm(
    op: OpBuilder, extra: Value, a: Value, b: Value, *, beta: Operand = 1, alpha: Operand = 1
) -> Value:
    total = op.one("ReduceSum", product(op, a, b), [0], keepdims=0)
    return _plus(op, extra, total, beta, alpha)


@LOWERINGS("addr")
def addr(
    op: OpBuilder, extra: Value, a: Value, b: Value, *, beta: Operand = 1, alpha: Operand = 1
) -> Value:
    a, b = op.cast(a, op.dtype), op.cast(b, op.dtype)
    outer = op.one("Unsqueeze", a, [1]) * op.one("Unsqueeze", b, [0])
    return _plus(op, extra, outer, beta, alpha)


@LOWERINGS("outer", "ger")
def outer(op: OpBuilder, a: Value, b: Value) -> Value:
    a, b = op.cast(a, op.dtype), op.cast(b, op.dtype)
    return op.one("Unsqueeze", a, [1]) * op.one("Unsqueeze", b, [0])


@LOWERINGS("einsum")
def einsum(op: OpBuilder, equation: str, tensors: Sequence[Value], **_: Any) -> Value:
    equation = equation.replace(" ", "")
    return op.one("Einsum", *(op.cast(x, op.dtype) for x in tensors), equation=equation)


@LOWERINGS("bilinear")
def bilinear(op: OpBuilder, a: Value, b: Value, weight: Value, bias: Value | None = None) -> Value:
    result = op.one("Einsum", a, weight, b, equation="...i,oij,...j->...o")
    return result if bias is None else result + bias


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


@LOWERINGS("linalg_det", "_linalg_det", "det")
def det(op: OpBuilder, x: Value) -> Value | tuple[Value, None, None]:
    several = isinstance(op.val, (tuple, list))
    if several and op.indices_used:
        raise op.refuse("the LU factors of a determinant", "use torch.linalg.det only")
    found = op.one("Det", x)
    return (found, None, None) if several else found


@LOWERINGS("linalg_inv_ex")
def inverse(op: OpBuilder, x: Value, check_errors: bool = False) -> tuple[Value, None]:
    if op.indices_used:
        raise op.refuse("whether a matrix has an inverse", "look at its determinant")
    size = _small(op, x)
    unit = op.const(np.eye(size), x.elem)
    if x.rank > 2:
        unit = op.one("Expand", unit, op.shape(x))
    return eliminate(op, x, unit)[0], None


@LOWERINGS("_linalg_solve_ex")
def solve(
    op: OpBuilder, a: Value, b: Value, *, left: bool = True, check_errors: bool = False
) -> tuple[Value, None, None, None]:
    if op.indices_used:
        raise op.refuse("whether equations have a solution", "look at the determinant")
    _small(op, a)
    vector = b.rank == a.rank - 1
    if not left or b.rank not in (a.rank, a.rank - 1) or (b.rank == a.rank - 1 and b.rank > 1):
        raise op.refuse("equations of this form", "give both sides the same leading dimensions")
    right = op.one("Unsqueeze", b, [1]) if vector else b
    found = eliminate(op, a, right)[0]
    return op.one("Squeeze", found, [1]) if vector else found, None, None, None


def _small(op: OpBuilder, x: Value) -> int:
    size = x.dims[-1]
    if size is None or size > LARGEST or size == 0:
        raise op.refuse(f"equations of a size that is not fixed, or above {LARGEST}")
    return size
