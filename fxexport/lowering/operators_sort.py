"""Sorting and what rests on it."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from fxexport.lowering import dtypes
from fxexport.lowering.builder import OpBuilder
from fxexport.lowering.registry import Table
from fxexport.lowering.values import Value

LOWERINGS = Table()
INT64 = ir.DataType.INT64


def top(
    op: OpBuilder, x: Value, count: Value, dim: int, largest: bool, in_order: bool = True
) -> tuple[Value, Value]:
    """TopK, which keeps the order of equal values, in a dtype that runtimes take."""
    dtype = x.elem
    wide = ir.DataType.INT32 if dtype == ir.DataType.BOOL else dtypes.widened(dtype)
    values, indices = op.TopK(
        op.cast(x, wide),
        count,
        axis=dim % x.rank,
        largest=int(largest),
        sorted=int(in_order),
        _outputs=2,
    )
    return op.cast(values, dtype), indices


@LOWERINGS("sort")
def sort(op: OpBuilder, x: Value, dim: int = -1, descending: bool = False) -> tuple[Value, Value]:
    if x.rank == 0:
        return op.one("Identity", x), op.i64(0)
    return top(op, x, op.size1(x, dim), dim, descending)


@LOWERINGS("sort.stable")
def sort_stable(
    op: OpBuilder, x: Value, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> tuple[Value, Value]:
    return sort(op, x, dim, descending)


@LOWERINGS("argsort", "argsort.stable")
def argsort(
    op: OpBuilder, x: Value, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Value:
    return sort(op, x, dim, descending)[1]


@LOWERINGS("topk")
def topk(
    op: OpBuilder,
    x: Value,
    k: int | Value,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
) -> tuple[Value, Value]:
    if x.rank == 0:
        return op.one("Identity", x), op.i64(0)
    return top(op, x, op.vector(k), dim, largest)


@LOWERINGS("kthvalue")
def kthvalue(
    op: OpBuilder, x: Value, k: int | Value, dim: int = -1, keepdim: bool = False
) -> tuple[Value, Value]:
    values, indices = sort(op, x, dim)
    if x.rank == 0:
        return values, indices
    place = op.vector(k) - 1
    return _pick(op, values, place, dim, keepdim), _pick(op, indices, place, dim, keepdim)


@LOWERINGS("median.dim")
def median_dim(op: OpBuilder, x: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
    values, indices = sort(op, x, dim)
    if x.rank == 0:
        return values, indices
    place = (op.size1(x, dim) - 1) / 2
    return _pick(op, values, place, dim, keepdim), _pick(op, indices, place, dim, keepdim)


@LOWERINGS("median")
def median(op: OpBuilder, x: Value) -> Value:
    return median_dim(op, op.one("Reshape", x, [-1]), 0)[0]


def _pick(op: OpBuilder, x: Value, place: Value, dim: int, keepdim: bool) -> Value:
    found = op.one("Gather", x, place, axis=dim % x.rank)
    return found if keepdim else op.one("Squeeze", found, [dim % x.rank])


def _unique(op: OpBuilder, x: Value, axis: int | None) -> tuple[Value, Value, Value]:
    dtype = x.elem
    wide = dtype if dtypes.is_float(dtype) else INT64
    found, _, inverse, counts = op.Unique(op.cast(x, wide), axis=axis, sorted=1, _outputs=4)
    found.shape = ir.Shape([None] * (1 if axis is None else x.rank))
    inverse.shape = counts.shape = ir.Shape([None])
    return op.cast(found, dtype), inverse, counts


@LOWERINGS("_unique2")
def unique(op: OpBuilder, x: Value, *_: Any, **__: Any) -> tuple[Value, Value, Value]:
    found, inverse, counts = _unique(op, x, None)
    return found, op.one("Reshape", inverse, op.shape(x)), counts


@LOWERINGS("_unique")
def unique_old(op: OpBuilder, x: Value, *_: Any, **__: Any) -> tuple[Value, Value]:
    found, inverse, _counts = unique(op, x)
    return found, inverse


@LOWERINGS("unique_dim")
def unique_dim(op: OpBuilder, x: Value, dim: int, *_: Any, **__: Any) -> tuple[Value, Value, Value]:
    return _unique(op, x, dim % x.rank)


@LOWERINGS("unique_consecutive")
def unique_consecutive(
    op: OpBuilder,
    x: Value,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> tuple[Value, Value, Value]:
    if dim is not None and x.rank != 1:
        raise op.refuse("unique_consecutive along a dimension", "flatten the tensor first")
    flat = op.one("Reshape", x, [-1])
    later, earlier = op.one("Slice", flat, [1], [2**62], [0]), op.one("Slice", flat, [0], [-1], [0])
    changed = ~op.one("Equal", later, earlier)
    first = op.one("Expand", op.const(True, ir.DataType.BOOL), op.one("Min", op.shape(flat), [1]))
    starts = op.one("Concat", first, changed, axis=0)
    found = op.one("Compress", flat, starts, axis=0)
    inverse = op.one("CumSum", op.cast(starts, INT64), 0) - 1
    places = op.one("Squeeze", op.one("NonZero", starts), [0])
    ends = op.one("Concat", op.one("Slice", places, [1], [2**62], [0]), op.shape(flat), axis=0)
    ends = op.one("Slice", ends, [0], op.shape(places), [0])
    return found, op.one("Reshape", inverse, op.shape(x)), ends - places


@LOWERINGS("bincount")
def bincount(op: OpBuilder, x: Value, weights: Value | None = None, minlength: int = 0) -> Value:
    x = op.cast(x, INT64)
    padded = op.one("Concat", x, [-1], axis=0)  # so that an empty tensor has a maximum
    length = op.one("Max", op.one("ReduceMax", padded, keepdims=1) + 1, [minlength])
    empty = op.one("Expand", op.const(0, op.dtype), length)
    if weights is None:
        updates = op.one("Expand", op.const(1, op.dtype), op.shape(x))
    else:
        updates = op.cast(weights, op.dtype)
    return op.one("ScatterElements", empty, x, updates, axis=0, reduction="add")
