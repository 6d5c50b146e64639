"""New tensors: filled, counted, copied in shape, windows of signal processing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.folding import FOLD_LIMIT
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.operators.shape import static_sizes
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64
DOUBLE = ir.DataType.DOUBLE

_TERMS = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
}


def filled(op: OpBuilder, sizes: Sequence[int | Value] | Value, value: Operand) -> Value:
    """A tensor of the result's dtype that holds one value."""
    dims = static_sizes(op.result)
    if not isinstance(value, Value) and None not in dims and math.prod(dims) <= FOLD_LIMIT:  # type: ignore[arg-type]
        return op.const(np.full(dims, value), op.dtype)  # type: ignore[arg-type]
    if not isinstance(sizes, Value):
        parts = [size if dim is None else dim for size, dim in zip(sizes, dims, strict=True)]
        sizes = op.sizes(parts)
    scalar = op.cast(value, op.dtype)
    return op.one("Expand", scalar, sizes) if dims else scalar


@LOWERINGS("full")
def full(op: OpBuilder, size: Sequence[int | Value], value: Operand, **_: object) -> Value:
    return filled(op, size, value)


@LOWERINGS("zeros", "empty.memory_format", "empty_strided", "empty_permuted")
def zeros(op: OpBuilder, size: Sequence[int | Value], *_: object, **__: object) -> Value:
    return filled(op, size, 0)


@LOWERINGS("ones")
def ones(op: OpBuilder, size: Sequence[int | Value], **_: object) -> Value:
    return filled(op, size, 1)


@LOWERINGS("full_like", "fill.Scalar", "fill.Tensor")
def full_like(op: OpBuilder, x: Value, value: Operand, **_: object) -> Value:
    return filled(op, op.shape(x), value)


@LOWERINGS("zeros_like", "empty_like")
def zeros_like(op: OpBuilder, x: Value, **_: object) -> Value:
    return filled(op, op.shape(x), 0)


@LOWERINGS("ones_like")
def ones_like(op: OpBuilder, x: Value, **_: object) -> Value:
    return filled(op, op.shape(x), 1)


@LOWERINGS("new_full")
def new_full(
    op: OpBuilder, x: Value, size: Sequence[int | Value], value: Operand, **_: object
) -> Value:
    return filled(op, size, value)


@LOWERINGS("new_zeros", "new_empty", "new_empty_strided")
def new_zeros(
    op: OpBuilder, x: Value, size: Sequence[int | Value], *_: object, **__: object
) -> Value:
    return filled(op, size, 0)


@LOWERINGS("new_ones")
def new_ones(op: OpBuilder, x: Value, size: Sequence[int | Value], **_: object) -> Value:
    return filled(op, size, 1)


@LOWERINGS("arange")
def arange(op: OpBuilder, end: Operand, **_: object) -> Value:
    return arange_step(op, 0, end, 1)


@LOWERINGS("arange.start")
def arange_start(op: OpBuilder, start: Operand, end: Operand, **_: object) -> Value:
    return arange_step(op, start, end, 1)


@LOWERINGS("arange.start_step")
def arange_step(
    op: OpBuilder, start: Operand, end: Operand, step: Operand = 1, **_: object
) -> Value:
    exact = not dtypes.is_float(op.dtype)
    first, delta = (_truncated(op, x) if exact else x for x in (start, step))
    count = static_sizes(op.result)[0]
    fixed = isinstance(first, (int, float)) and isinstance(delta, (int, float))
    if fixed and count is not None and count <= FOLD_LIMIT:
        values = np.arange(count) * delta + first  # type: ignore[operator]
        return op.const(values, op.dtype)
    if all(_whole(x) for x in (start, end, step)) or op.dtype == INT64:
        limit = _truncated(op, end)
        return op.cast(
            op.one("Range", *(op.cast(x, INT64) for x in (first, limit, delta))), op.dtype
        )
    # As PyTorch: the count is computed in double, and so is every element of floats. Integers are
    # truncated before that.
    low, high, gap = (op.cast(x, DOUBLE) for x in (start, end, step))
    length = op.one("Max", op.cast(op.one("Ceil", (high - low) / gap), INT64), 0)
    return iota(op, length, start=first, step=delta)


@LOWERINGS("prims::iota")
def iota(
    op: OpBuilder, length: Operand, *, start: Operand = 0, step: Operand = 1, **_: object
) -> Value:
    kind = DOUBLE if dtypes.is_float(op.dtype) else INT64
    steps = op.cast(op.one("Range", 0, op.cast(length, INT64), 1), kind)
    return op.cast(op.cast(start, kind) + steps * op.cast(step, kind), op.dtype)


def _truncated(op: OpBuilder, x: Operand) -> Operand:
    return op.cast(x, INT64) if isinstance(x, Value) else int(x)  # type: ignore[arg-type]


def _whole(x: Operand) -> bool:
    return not dtypes.is_float(x.elem) if isinstance(x, Value) else isinstance(x, int)


@LOWERINGS("linspace")
def linspace(op: OpBuilder, start: Operand, end: Operand, steps: int | Value, **_: object) -> Value:
    dtype = op.dtype if dtypes.is_float(op.dtype) else DOUBLE
    first, last = op.cast(start, dtype), op.cast(end, dtype)
    count = op.cast(steps, INT64)
    gaps = op.one("Max", count - 1, 1)
    delta = (last - first) / op.cast(gaps, dtype)
    index = op.one("Range", 0, count, 1)
    from_start = first + op.cast(index, dtype) * delta
    from_end = last - op.cast(count - 1 - index, dtype) * delta
    result = op.one("Where", index < count / 2, from_start, from_end)
    only = op.one("Equal", count, 1)
    return op.cast(op.one("Where", only, first, result), op.dtype)


@LOWERINGS("eye", "eye.m")
def eye(op: OpBuilder, rows: int | Value, columns: int | Value | None = None, **_: object) -> Value:
    down = op.one("Range", 0, op.cast(rows, INT64), 1)
    across = op.one("Range", 0, op.cast(rows if columns is None else columns, INT64), 1)
    return op.cast(op.one("Equal", op.one("Unsqueeze", down, [1]), across), op.dtype)


@LOWERINGS("tril_indices")
def tril_indices(
    op: OpBuilder, rows: int | Value, columns: int | Value, offset: int = 0, **_: object
) -> Value:
    return _triangle_indices(op, rows, columns, offset, "LessOrEqual")


@LOWERINGS("triu_indices")
def triu_indices(
    op: OpBuilder, rows: int | Value, columns: int | Value, offset: int = 0, **_: object
) -> Value:
    return _triangle_indices(op, rows, columns, offset, "GreaterOrEqual")


def _triangle_indices(
    op: OpBuilder, rows: int | Value, columns: int | Value, offset: int, rule: str
) -> Value:
    down = op.one("Unsqueeze", op.one("Range", 0, op.cast(rows, INT64), 1), [1])
    across = op.one("Range", 0, op.cast(columns, INT64), 1)
    return op.cast(op.one("NonZero", op.one(rule, across - down, offset)), op.dtype)


def cosine_window(
    op: OpBuilder, length: int | Value, terms: tuple[float, ...], periodic: bool
) -> Value:
    """a0 - a1 cos(t) + a2 cos(2t) over one turn; one element alone is 1."""
    count = op.cast(length, INT64)
    gaps = op.one("Max", count if periodic else count - 1, 1)
    steps = op.cast(op.one("Range", 0, count, 1), op.dtype)
    turn = steps * (2 * math.pi) / op.cast(gaps, op.dtype)
    window: Value | float = terms[0]
    for k, term in enumerate(terms[1:], 1):
        wave = op.one("Cos", turn * float(k)) * term
        window = window - wave if k % 2 else window + wave
    return op.one("Where", op.one("Equal", count, 1), op.const(1, op.dtype), window)


def _window(terms: tuple[float, ...]) -> Callable[..., Value]:
    def lowering(
        op: OpBuilder, length: int | Value, periodic: bool = True, *rest: float, **_: object
    ) -> Value:
        given = (rest[0], rest[1] if len(rest) > 1 else 0.46) if rest else terms
        return cosine_window(op, length, given, periodic)

    return lowering


for _name, _terms in _TERMS.items():
    LOWERINGS(f"{_name}_window", f"{_name}_window.periodic")(_window(_terms))
LOWERINGS("hamming_window.periodic_alpha", "hamming_window.periodic_alpha_beta")(
    _window(_TERMS["hamming"])
)
