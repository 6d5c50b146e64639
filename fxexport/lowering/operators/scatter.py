"""Writing by index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.operators.arithmetic import compute
from fxexport.lowering.operators.indexing import Subscript, index_dtype, kept_inside, mask_of
from fxexport.lowering.operators.shape import END, transpose_to
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64
BOOL = ir.DataType.BOOL
# What reductions are computed in where ONNX Runtime has no kernel for the dtype itself.
_WIDE = {
    BOOL: ir.DataType.INT32,
    ir.DataType.FLOAT16: ir.DataType.FLOAT,
    ir.DataType.BFLOAT16: ir.DataType.FLOAT,
}


@LOWERINGS("index_put", "_unsafe_index_put", "_index_put_impl")
def index_put(
    op: OpBuilder,
    x: Value,
    indices: Sequence[Value | None],
    values: Value,
    accumulate: bool = False,
    unsafe: bool = False,
) -> Value:
    given = [entry for entry in indices if entry is not None]
    values = op.cast(values, x.elem)
    if not given:
        wide = op.one("Expand", values, op.shape(x))
        return x + wide if accumulate else wide
    single = values.rank == 0 or all(dim == 1 for dim in values.dims)
    if len(given) == 1 and given[0].elem == BOOL and single and not accumulate:
        return _fill_mask(op, x, indices, values)
    subscript = Subscript(op, x, indices)
    shape = subscript.shape()
    rest = [op.size1(x, d) for d in subscript.rest]
    parts = [*rest[: subscript.position], shape, *rest[subscript.position :]]
    target = parts[0] if len(parts) == 1 else op.one("Concat", *parts, axis=0)
    perm = subscript.placing()
    more = values.rank - len(perm)
    if more > 0:
        values = op.one("Squeeze", values, list(range(more)))
    updates = op.one("Expand", values, target)
    updates.shape = ir.Shape([None] * len(perm))
    updates = transpose_to(op, updates, [perm.index(k) for k in range(len(perm))])
    kind = _WIDE.get(x.elem, x.elem) if accumulate else x.elem
    written = op.one(
        "ScatterND",
        op.cast(subscript.front(x), kind),
        subscript.stacked(),
        op.cast(updates, kind),
        reduction="add" if accumulate else None,
    )
    return subscript.back(op.cast(written, x.elem))


@LOWERINGS("_unsafe_masked_index_put_accumulate")
def masked_index_put(
    op: OpBuilder, x: Value, mask: Value, indices: Sequence[Value | None], values: Value
) -> Value:
    wide, inside, _ = kept_inside(op, x, indices, -1)
    added = op.one("Where", mask, values, op.const(0, values.elem))
    written = index_put(op, wide, inside, added, accumulate=True)
    if wide is x:
        return written
    axes = list(range(x.rank))
    return op.one("Slice", written, [0] * x.rank, op.shape(x), axes)


def _fill_mask(op: OpBuilder, x: Value, indices: Sequence[Value | None], values: Value) -> Value:
    before = next(k for k, entry in enumerate(indices) if entry is not None)
    mask = indices[before]
    assert mask is not None
    after = x.rank - before - mask.rank
    if after:
        mask = op.one("Unsqueeze", mask, list(range(mask.rank, mask.rank + after)))
    value = values if values.rank == 0 else op.one("Reshape", values, op.i64([]))
    return op.one("Where", mask, value, x)


def _scatter(
    op: OpBuilder, x: Value, dim: int, index: Value, updates: Value, reduction: str | None
) -> Value:
    if x.rank == 0:
        x1, index1 = (op.one("Reshape", v, [1]) for v in (x, index))
        wide = _scatter(op, x1, 0, index1, op.one("Reshape", updates, [1]), reduction)
        return op.one("Reshape", wide, op.i64([]))
    if index.rank == 0:
        index = op.one("Unsqueeze", index, [0])
        updates = op.one("Unsqueeze", updates, [0])
    dtype = x.elem
    kind = _WIDE.get(dtype, dtype) if reduction is not None else dtype
    x, updates = op.cast(x, kind), op.cast(updates, kind)
    result = op.one(
        "ScatterElements",
        x,
        index_dtype(op, index),
        updates,
        axis=dim % x.rank,
        reduction=reduction,
    )
    return op.cast(result, dtype)


def _fitting(op: OpBuilder, source: Value, index: Value) -> Value:
    """The part of the source that the index uses."""
    if source.rank == 0 or (source.dims == index.dims and None not in index.dims):
        return source
    axes = list(range(source.rank))
    return op.one("Slice", source, [0] * source.rank, op.shape(index), axes)


@LOWERINGS("scatter.src")
def scatter_src(op: OpBuilder, x: Value, dim: int, index: Value, src: Value) -> Value:
    return _scatter(op, x, dim, index, _fitting(op, src, index), None)


@LOWERINGS("scatter.value")
def scatter_value(op: OpBuilder, x: Value, dim: int, index: Value, value: Operand) -> Value:
    updates = op.one("Expand", op.cast(value, x.elem), op.shape(index))
    return _scatter(op, x, dim, index, updates, None)


@LOWERINGS("scatter.reduce", "scatter.value_reduce")
def scatter_old_reduce(
    op: OpBuilder, x: Value, dim: int, index: Value, src: Operand, *, reduce: str
) -> Value:
    kind = {"add": "add", "multiply": "mul"}[reduce]
    if isinstance(src, Value) and not src.is_number:
        updates = _fitting(op, src, index)
    else:
        updates = op.one("Expand", op.cast(src, x.elem), op.shape(index))
    return _scatter(op, x, dim, index, updates, kind)


@LOWERINGS("scatter_add")
def scatter_add(op: OpBuilder, x: Value, dim: int, index: Value, src: Value) -> Value:
    return _scatter(op, x, dim, index, _fitting(op, src, index), "add")


@LOWERINGS("scatter_reduce.two")
def scatter_reduce(
    op: OpBuilder,
    x: Value,
    dim: int,
    index: Value,
    src: Value,
    reduce: str,
    include_self: bool = True,
) -> Value:
    src = _fitting(op, src, index)
    if reduce == "mean":
        return _scatter_mean(op, x, dim, index, src, include_self)
    kind = {"sum": "add", "prod": "mul", "amax": "max", "amin": "min"}[reduce]
    if not include_self:
        neutral = op.one("Expand", _neutral(op, kind, x.elem), op.shape(index))
        x = _scatter(op, x, dim, index, neutral, None)
    result = _scatter(op, x, dim, index, src, kind)
    if reduce not in ("amax", "amin") or not dtypes.is_float(x.elem) or not op.exact:
        return result
    # ONNX Runtime passes over NaN there: a sum of marks says where one has gone.
    marks = (op.cast(op.one("IsNaN", v), ir.DataType.INT32) for v in (x, src))
    marked = _scatter(op, next(marks), dim, index, next(marks), "add") > 0
    return op.one("Where", marked, op.const(np.nan, x.elem), result)


def _scatter_mean(
    op: OpBuilder, x: Value, dim: int, index: Value, src: Value, include_self: bool
) -> Value:
    from fxexport.lowering.arithmetic import floor_divide

    one, zero = op.const(1, x.elem), op.const(0, x.elem)
    count = op.one("Expand", one, op.shape(x))
    if not include_self:
        none = op.one("Expand", zero, op.shape(index))
        x, count = (_scatter(op, v, dim, index, none, None) for v in (x, count))
    total = _scatter(op, x, dim, index, src, "add")
    count = _scatter(op, count, dim, index, op.one("Expand", one, op.shape(index)), "add")
    if x.elem.is_floating_point():
        return total / count
    return floor_divide(op, total, count)


def _neutral(op: OpBuilder, kind: str, dtype: ir.DataType) -> Value:
    if kind in ("add", "mul"):
        return op.const(0 if kind == "add" else 1, dtype)
    if dtype.is_floating_point():
        return op.const(-np.inf if kind == "max" else np.inf, dtype)
    if dtype == BOOL:
        return op.const(kind == "min", dtype)
    limits = np.iinfo(dtype.numpy())
    return op.const(limits.min if kind == "max" else limits.max, dtype)


@LOWERINGS("masked_scatter")
def masked_scatter(op: OpBuilder, x: Value, mask: Value, source: Value) -> Value:
    mask = op.one("Expand", mask_of(op, mask), op.shape(x))
    flat = op.one("Reshape", mask, [-1])
    source_index = op.one("CumSum", op.cast(flat, INT64), 0) - 1
    source_index = op.one("Max", source_index, 0)
    # One more element, so that a source that nothing asks for may be empty.
    values = op.one("Concat", op.one("Reshape", source, [-1]), op.const([0], x.elem), axis=0)
    chosen = op.reshape_as(op.one("Gather", values, source_index, axis=0), x)
    return op.one("Where", mask, chosen, x)


def _along(op: OpBuilder, indices: Value, dim: int, like: Value) -> Value:
    """A vector of indices along one dimension, repeated over the shape of `like`."""
    shape = [1] * like.rank
    shape[dim] = -1
    return op.one("Expand", op.one("Reshape", op.cast(indices, INT64), shape), op.shape(like))


@LOWERINGS("index_add")
def index_add(
    op: OpBuilder, x: Value, dim: int, index: Value, source: Value, *, alpha: Operand = 1
) -> Value:
    if not (isinstance(alpha, (int, float)) and alpha == 1):
        source = compute(op, [source, alpha], lambda a, b: a * b)
    return _written_along(op, x, dim, index, source, "add")


@LOWERINGS("index_copy")
def index_copy(op: OpBuilder, x: Value, dim: int, index: Value, source: Value) -> Value:
    return _written_along(op, x, dim, index, source, None)


def _written_along(
    op: OpBuilder, x: Value, dim: int, index: Value, source: Value, reduction: str | None
) -> Value:
    """Writes slices of a source to places along a dimension; a number has one dimension of 1."""
    if x.rank == 0:
        wide, source = (op.one("Reshape", v, [1]) for v in (x, source))
        result = _written_along(op, wide, 0, index, source, reduction)
        return op.one("Reshape", result, op.i64([]))
    dim %= x.rank
    if reduction is not None and not x.dims[dim] and op.exact:
        # PyTorch adds nothing to nothing, and does not look at the indices then.
        count = op.one("Min", op.size1(x, dim), [1]) * op.size1(source, dim)
        source = op.one("Slice", source, [0], count, [dim])
        index = op.one("Slice", op.one("Reshape", index, [-1]), [0], count, [0])
    return _scatter(op, x, dim, _along(op, index, dim, source), source, reduction)


@LOWERINGS("index_fill.int_Scalar", "index_fill.int_Tensor")
def index_fill(op: OpBuilder, x: Value, dim: int, index: Value, value: Operand) -> Value:
    if x.rank == 0:
        wide = index_fill(op, op.one("Reshape", x, [1]), 0, index, value)
        return op.one("Reshape", wide, op.i64([]))
    dim %= x.rank
    if index.rank == 0:
        index = op.one("Unsqueeze", index, [0])
    sizes: list[int | Value] = [op.size(x, k) for k in range(x.rank)]
    sizes[dim] = op.size(index, 0)
    updates = op.one("Expand", op.cast(value, x.elem), op.sizes(sizes))
    updates.shape = ir.Shape([None] * x.rank)
    return _scatter(op, x, dim, _along(op, index, dim, updates), updates, None)


@LOWERINGS("select_scatter")
def select_scatter(op: OpBuilder, x: Value, src: Value, dim: int, index: Operand) -> Value:
    dim %= x.rank
    row = op.one("Unsqueeze", op.cast(src, x.elem), [dim])
    return _scatter(op, x, dim, _along(op, op.vector(index), dim, row), row, None)


@LOWERINGS("slice_scatter")
def slice_scatter(
    op: OpBuilder,
    x: Value,
    src: Value,
    dim: int = 0,
    start: Operand = None,
    end: Operand = None,
    step: Operand = 1,
) -> Value:
    dim %= x.rank
    start = 0 if start is None else start
    end = END if end is None else end
    positions = op.one("Range", 0, op.cast(op.size(x, dim), INT64), 1)
    positions = op.one("Slice", positions, op.vector(start), op.vector(end), [0], op.vector(step))
    src = op.cast(src, x.elem)
    return _scatter(op, x, dim, _along(op, positions, dim, src), src, None)


@LOWERINGS("diagonal_scatter")
def diagonal_scatter(
    op: OpBuilder, x: Value, src: Value, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Value:
    dim1, dim2 = dim1 % x.rank, dim2 % x.rank
    shape: list[Any] = [1] * x.rank
    rows, columns = list(shape), list(shape)
    rows[dim1], columns[dim2] = -1, -1
    down = op.one("Range", 0, op.cast(op.size(x, dim1), INT64), 1)
    across = op.one("Range", 0, op.cast(op.size(x, dim2), INT64), 1)
    down, across = op.one("Reshape", down, rows), op.one("Reshape", across, columns)
    on = op.one("Equal", across - down, offset)
    # Each element of the diagonal reads its own element of the source, all others any.
    source_index = op.one("Max", (down - max(-offset, 0)), 0)
    length = op.size1(src, src.rank - 1)
    last = op.one("Max", length - 1, [0])
    size = op.size(src, src.rank - 1)
    if not isinstance(size, int) or not size:
        # A diagonal without elements has none to read: there is one more.
        sizes = [*(op.size(src, dim) for dim in range(src.rank - 1)), 1]
        filler = op.one("Expand", op.const(0, src.elem), op.sizes(sizes))
        src = op.one("Concat", src, filler, axis=src.rank - 1)
    source_index = op.one("Min", source_index, last)
    rest = [d for d in range(x.rank) if d not in (dim1, dim2)]
    flat = op.one("Gather", src, op.one("Reshape", source_index, [-1]), axis=src.rank - 1)
    order = [*rest, dim1]
    back = transpose_to(op, flat, [order.index(d) for d in sorted(order)])
    return op.one("Where", on, op.one("Unsqueeze", back, [dim2]), x)
