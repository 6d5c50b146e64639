"""Sorting and what rests on it."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.registry import Lowering, LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64


def top(
    op: OpBuilder, x: Value, count: Value, dim: int, largest: bool, in_order: bool = True
) -> tuple[Value, Value]:
    """TopK, which keeps the order of equal values, in a dtype that runtimes take."""
    dtype = x.elem
    wide = ir.DataType.INT32 if dtype == ir.DataType.BOOL else dtypes.widened(dtype)
    values, indices = op.several(
        "TopK",
        2,
        op.cast(x, wide),
        count,
        axis=dim % x.rank,
        largest=int(largest),
        sorted=int(in_order),
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
    position = op.vector(k) - 1
    return _pick(op, values, position, dim, keepdim), _pick(op, indices, position, dim, keepdim)


def _median_of(*, past_nan: bool) -> Lowering:
    """The lower median along a dimension: NaN where there is one, or passing over it."""

    def lowering(op: OpBuilder, x: Value, dim: int, keepdim: bool = False) -> tuple[Value, Value]:
        values, indices = sort(op, x, dim)
        if x.rank == 0:
            return values, indices
        last = op.size1(x, dim) - 1
        if not dtypes.is_float(x.elem) or not (op.exact or past_nan):
            position = last / 2
            median = _pick(op, values, position, dim, keepdim)
            return median, _pick(op, indices, position, dim, keepdim)
        # NaN sorts to the end, each in its place: the first one follows the numbers.
        missing = op.cast(op.one("IsNaN", values), INT64)
        missing = op.one("ReduceSum", missing, [dim % x.rank], keepdims=1)
        if past_nan:
            at = op.one("Max", last - missing, 0) / 2
        else:
            at = op.one("Where", missing > 0, last + 1 - missing, last / 2)
        found = [op.one("GatherElements", v, at, axis=dim % x.rank) for v in (values, indices)]
        if not keepdim:
            found = [op.one("Squeeze", v, [dim % x.rank]) for v in found]
        return found[0], found[1]

    return lowering


def _median_of_all(median_of: Lowering) -> Lowering:
    def lowering(op: OpBuilder, x: Value) -> Value:
        flat = op.one("Reshape", x, [-1])
        if dtypes.is_float(x.elem) and not all(x.dims):
            # Of nothing it is NaN: one is added where there is no other element.
            count = op.one("Max", op.i64([1]) - op.shape(flat), [0])
            nothing = op.one("Expand", op.const(float("nan"), x.elem), count)
            flat = op.one("Concat", flat, nothing, axis=0)
        found: Value = median_of(op, flat, 0)[0]
        return found

    return lowering


for _name, _past_nan in (("median", False), ("nanmedian", True)):
    _median = LOWERINGS(f"{_name}.dim")(_median_of(past_nan=_past_nan))
    LOWERINGS(_name)(_median_of_all(_median))


@LOWERINGS("mode")
def mode(op: OpBuilder, x: Value, dim: int = -1, keepdim: bool = False) -> tuple[Value, Value]:
    """The smallest of the most frequent values, and its last place.

    Of more than 16 elements PyTorch's place is any one: its sort keeps no order.
    """
    if x.rank == 0:
        return op.one("Identity", x), op.i64(0)
    dim %= x.rank
    values, places = sort(op, x, dim)
    wide = op.cast(values, ir.DataType.INT32 if x.elem == ir.DataType.BOOL
                   else dtypes.widened(x.elem))  # fmt: skip
    later, earlier = (op.one("Slice", wide, [k], [k - 1 or 2**62], [dim]) for k in (1, 0))
    changed = op.cast(~op.one("Equal", later, earlier), INT64)
    nothing = places * 0
    start = op.one("Slice", nothing, [0], [1], [dim])
    runs = op.one("CumSum", op.one("Concat", start, changed, axis=dim), dim)
    counts = op.one("ScatterElements", nothing, runs, nothing + 1, axis=dim, reduction="add")
    lengths = op.one("GatherElements", counts, runs, axis=dim)
    most, first = op.several("TopK", 2, lengths, op.i64([1]), axis=dim, largest=1, sorted=1)
    found = [op.one("GatherElements", v, at, axis=dim)
             for v, at in ((wide, first), (places, first + most - 1))]  # fmt: skip
    if not keepdim:
        found = [op.one("Squeeze", v, [dim]) for v in found]
    return op.cast(found[0], x.elem), found[1]


def _pick(op: OpBuilder, x: Value, position: Value, dim: int, keepdim: bool) -> Value:
    found = op.one("Gather", x, position, axis=dim % x.rank)
    return found if keepdim else op.one("Squeeze", found, [dim % x.rank])


def _unique(op: OpBuilder, x: Value, axis: int | None) -> tuple[Value, Value, Value]:
    dtype = x.elem
    # ONNX Runtime has no kernel for half precision, nor for most integers.
    exact = dtype in (ir.DataType.FLOAT, ir.DataType.DOUBLE)
    wide = dtype if exact else ir.DataType.FLOAT if dtypes.is_float(dtype) else INT64
    found, _, inverse, counts = op.several("Unique", 4, op.cast(x, wide), axis=axis, sorted=1)
    found.shape = ir.Shape([None] * (1 if axis is None else x.rank))
    inverse.shape = counts.shape = ir.Shape([None])
    return op.cast(found, dtype), inverse, counts


@LOWERINGS("_unique2")
def unique(op: OpBuilder, x: Value, *_: object, **__: object) -> tuple[Value, Value, Value]:
    by_runs = dtypes.is_float(x.elem) and op.exact
    found, inverse, counts = _unique_floats(op, x) if by_runs else _unique(op, x, None)
    return found, op.reshape_as(inverse, x), counts


def _unique_floats(op: OpBuilder, x: Value) -> tuple[Value, Value, Value]:
    """The runs of the sorted elements: each NaN is one of its own.

    ONNX Runtime's Unique compares with `<` and takes anything for equal to NaN. It is also slower
    (200,000 elements: 28 ms for 417 ms), unless few elements differ.
    """
    flat = op.one("Reshape", x, [-1])
    values, places = top(op, flat, op.shape(flat), 0, False)
    found, numbers, counts = _runs(op, values)
    return found, op.one("ScatterElements", numbers, places, numbers, axis=0), counts


@LOWERINGS("_unique")
def unique_old(op: OpBuilder, x: Value, *_: object, **__: object) -> tuple[Value, Value]:
    found, inverse, _counts = unique(op, x)
    return found, inverse


@LOWERINGS("unique_dim")
def unique_dim(
    op: OpBuilder, x: Value, dim: int, *_: object, **__: object
) -> tuple[Value, Value, Value]:
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
        return _runs(op, x, dim % x.rank)
    found, inverse, counts = _runs(op, op.one("Reshape", x, [-1]))
    return found, op.reshape_as(inverse, x), counts


def _runs(op: OpBuilder, x: Value, dim: int = 0) -> tuple[Value, Value, Value]:
    """Runs of equal elements, or slices along a dimension.

    Returns:
        What is in each run, which one each element is in, how long each is.
    """
    later, earlier = op.one("Slice", x, [1], [2**62], [dim]), op.one("Slice", x, [0], [-1], [dim])
    changed = ~op.one("Equal", later, earlier)
    others = [k for k in range(x.rank) if k != dim]
    if others:
        found = op.one("ReduceMax", op.cast(changed, ir.DataType.INT32), others, keepdims=0)
        changed = op.cast(found, ir.DataType.BOOL)
    number = op.size1(x, dim)
    first = op.one("Expand", op.const(True, ir.DataType.BOOL), op.one("Min", number, [1]))
    starts = op.one("Concat", first, changed, axis=0)
    found = op.one("Compress", x, starts, axis=dim)
    inverse = op.one("CumSum", op.cast(starts, INT64), 0) - 1
    positions = op.one("Squeeze", op.one("NonZero", starts), [0])
    ends = op.one("Concat", op.one("Slice", positions, [1], [2**62], [0]), number, axis=0)
    ends = op.one("Slice", ends, [0], op.shape(positions), [0])
    return found, inverse, ends - positions


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
