"""New tensors: filled, counted, copied in shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from fxexport.lowering import dtypes
from fxexport.lowering.builder import OpBuilder, Operand
from fxexport.lowering.folding import FOLD_LIMIT
from fxexport.lowering.operators_shape import static_sizes
from fxexport.lowering.registry import Table
from fxexport.lowering.values import Value

LOWERINGS = Table()
INT64 = ir.DataType.INT64
DOUBLE = ir.DataType.DOUBLE


def filled(op: OpBuilder, sizes: Sequence[int | Value] | Value, value: Operand) -> Value:
    """A tensor of the result's dtype that holds one value."""
    dims = static_sizes(op.val)
    if not isinstance(value, Value) and None not in dims and math.prod(dims) <= FOLD_LIMIT:  # type: ignore[arg-type]
        return op.const(np.full(dims, value), op.dtype)  # type: ignore[arg-type]
    if not isinstance(sizes, Value):
        parts = [size if dim is None else dim for size, dim in zip(sizes, dims, strict=True)]
        sizes = op.sizes(parts)
    scalar = op.cast(value, op.dtype)
    return op.one("Expand", scalar, sizes) if dims else scalar


@LOWERINGS("full")
def full(op: OpBuilder, size: Sequence[int | Value], value: Operand, **_: Any) -> Value:
    return filled(op, size, value)


@LOWERINGS("zeros", "empty.memory_format", "empty_strided", "empty_permuted")
def zeros(op: OpBuilder, size: Sequence[int | Value], *_: Any, **__: Any) -> Value:
    return filled(op, size, 0)


@LOWERINGS("ones")
def ones(op: OpBuilder, size: Sequence[int | Value], **_: Any) -> Value:
    return filled(op, size, 1)


@LOWERINGS("full_like", "fill.Scalar", "fill.Tensor")
def full_like(op: OpBuilder, x: Value, value: Operand, **_: Any) -> Value:
    return filled(op, op.shape(x), value)


@LOWERINGS("zeros_like", "empty_like")
def zeros_like(op: OpBuilder, x: Value, **_: Any) -> Value:
    return filled(op, op.shape(x), 0)


@LOWERINGS("ones_like")
def ones_like(op: OpBuilder, x: Value, **_: Any) -> Value:
    return filled(op, op.shape(x), 1)


@LOWERINGS("new_full")
def new_full(
    op: OpBuilder, x: Value, size: Sequence[int | Value], value: Operand, **_: Any
) -> Value:
    return filled(op, size, value)


@LOWERINGS("new_zeros", "new_empty", "new_empty_strided")
def new_zeros(op: OpBuilder, x: Value, size: Sequence[int | Value], *_: Any, **__: Any) -> Value:
    return filled(op, size, 0)


@LOWERINGS("new_ones")
def new_ones(op: OpBuilder, x: Value, size: Sequence[int | Value], **_: Any) -> Value:
    return filled(op, size, 1)


@LOWERINGS("arange")
def arange(op: OpBuilder, end: Operand, **_: Any) -> Value:
    return arange_step(op, 0, end, 1)


@LOWERINGS("arange.start")
def arange_start(op: OpBuilder, start: Operand, end: Operand, **_: Any) -> Value:
    return arange_step(op, start, end, 1)


@LOWERINGS("arange.start_step", "prims::iota")
def arange_step(op: OpBuilder, start: Operand, end: Operand, step: Operand = 1, **_: Any) -> Value:
    operands = (start, end, step)
    count = static_sizes(op.val)[0]
    fixed = isinstance(start, (int, float)) and isinstance(step, (int, float))
    if fixed and count is not None and count <= FOLD_LIMIT:
        values = np.arange(count) * step + start  # type: ignore[operator]
        return op.const(values, op.dtype)
    if all(_whole(x) for x in operands):
        return op.cast(op.one("Range", *(op.cast(x, INT64) for x in operands)), op.dtype)
    # As PyTorch: the count and every element are computed in double.
    first, last, delta = (op.cast(x, DOUBLE) for x in operands)
    length = op.one("Max", op.cast(op.one("Ceil", (last - first) / delta), INT64), 0)
    steps = op.cast(op.one("Range", 0, length, 1), DOUBLE)
    return op.cast(first + steps * delta, op.dtype)


def _whole(x: Operand) -> bool:
    return not dtypes.is_float(x.elem) if isinstance(x, Value) else isinstance(x, int)


@LOWERINGS("linspace")
def linspace(op: OpBuilder, start: Operand, end: Operand, steps: int | Value, **_: Any) -> Value:
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
def eye(op: OpBuilder, rows: int | Value, columns: int | Value | None = None, **_: Any) -> Value:
    down = op.one("Range", 0, op.cast(rows, INT64), 1)
    across = op.one("Range", 0, op.cast(rows if columns is None else columns, INT64), 1)
    return op.cast(op.one("Equal", op.one("Unsqueeze", down, [1]), across), op.dtype)


@LOWERINGS("tril_indices")
def tril_indices(
    op: OpBuilder, rows: int | Value, columns: int | Value, offset: int = 0, **_: Any
) -> Value:
    return _triangle_indices(op, rows, columns, offset, "LessOrEqual")


@LOWERINGS("triu_indices")
def triu_indices(
    op: OpBuilder, rows: int | Value, columns: int | Value, offset: int = 0, **_: Any
) -> Value:
    return _triangle_indices(op, rows, columns, offset, "GreaterOrEqual")


def _triangle_indices(
    op: OpBuilder, rows: int | Value, columns: int | Value, offset: int, rule: str
) -> Value:
    down = op.one("Unsqueeze", op.one("Range", 0, op.cast(rows, INT64), 1), [1])
    across = op.one("Range", 0, op.cast(columns, INT64), 1)
    return op.cast(op.one("NonZero", op.one(rule, across - down, offset)), op.dtype)
