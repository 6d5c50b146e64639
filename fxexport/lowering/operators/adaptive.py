"""Adaptive pooling, at sizes that may be symbolic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir

from fxexport.lowering.arithmetic import lacks_kernels
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.operators.pool import max_pool
from fxexport.lowering.operators.reduce import extreme, mean_over
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64


def _average(count: int) -> Callable[..., Value]:
    def lowering(op: OpBuilder, x: Value, output_size: Any) -> Value:
        sizes = _sizes(op, x, output_size, count)
        if all(isinstance(size, int) and size == 1 for size in sizes):
            axes = list(range(x.rank - count, x.rank))
            return mean_over(op, x, axes, True)
        kernel = _even(x, sizes)
        if kernel is not None and not lacks_kernels(op, x):
            wide = x if x.rank == count + 2 else op.one("Unsqueeze", x, [0])
            pooled = op.one("AveragePool", wide, kernel_shape=kernel, strides=kernel)
            return pooled if wide is x else op.one("Squeeze", pooled, [0])
        for k in range(count):
            x = _average_axis(op, x, x.rank - count + k, sizes[k])
        return x

    return lowering


def _sizes(op: OpBuilder, x: Value, output_size: Any, count: int) -> list[int | Value]:
    given = list(output_size) if isinstance(output_size, Sequence) else [output_size] * count
    return [
        op.size(x, x.rank - count + k) if size is None else size for k, size in enumerate(given)
    ]


def _even(x: Value, sizes: list[int | Value]) -> list[int] | None:
    """The window when all windows are alike."""
    kernel = []
    for dim, size in zip(x.dims[x.rank - len(sizes) :], sizes, strict=True):
        if dim is None or not isinstance(size, int) or size <= 0 or dim % size:
            return None
        kernel.append(dim // size)
    return kernel


def _windows(op: OpBuilder, x: Value, axis: int, size: int | Value) -> tuple[Value, Value]:
    """Which inputs (columns) belong to which outputs (rows), and how many to each."""
    length = op.cast(op.size(x, axis), INT64)
    count = op.cast(size, INT64)
    rows = op.one("Unsqueeze", op.one("Range", 0, count, 1), [1])
    columns = op.one("Range", 0, length, 1)
    # ONNX Runtime looks at the divisor where there is nothing to divide, too.
    divisor = op.one("Max", count, 1)
    start = rows * length / divisor
    end = ((rows + 1) * length + (divisor - 1)) / divisor
    return (columns >= start) & (columns < end), end - start


def _average_axis(op: OpBuilder, x: Value, axis: int, size: int | Value) -> Value:
    """Averages one dimension by a matrix that holds the windows."""
    belongs, lengths = _windows(op, x, axis, size)
    matrix = op.cast(belongs, x.elem) / op.cast(lengths, x.elem)
    rank = x.rank
    if axis == rank - 1:
        result = x @ op.one("Transpose", matrix, perm=[1, 0])
    elif axis == rank - 2:
        result = matrix @ x
    else:
        perm = [k for k in range(rank) if k != axis] + [axis]
        turned = op.one("Transpose", x, perm=perm)
        turned = turned @ op.one("Transpose", matrix, perm=[1, 0])
        result = op.one("Transpose", turned, perm=[perm.index(k) for k in range(rank)])
    dims = list(x.dims)
    dims[axis] = size if isinstance(size, int) else None
    result.shape = ir.Shape(dims)
    return result


for _count in (1, 2, 3):
    LOWERINGS(f"adaptive_avg_pool{_count}d", f"_adaptive_avg_pool{_count}d")(_average(_count))


def _maximum(count: int) -> Callable[..., tuple[Value, Value | None]]:
    def lowering(op: OpBuilder, x: Value, output_size: Any) -> tuple[Value, Value | None]:
        sizes = _sizes(op, x, output_size, count)
        kernel = _even(x, sizes)
        if kernel is not None:
            return max_pool(op, x, count, kernel, kernel, 0, 1, False, op.indices_used)
        if op.indices_used:
            return _maximum_and_place(op, x, sizes)
        for k in range(count):
            x = _maximum_axis(op, x, x.rank - count + k, sizes[k])
        return x, None

    return lowering


def _maximum_axis(op: OpBuilder, x: Value, axis: int, size: int | Value) -> Value:
    belongs, _ = _windows(op, x, axis, size)
    after = x.rank - 1 - axis
    if after:
        belongs = op.one("Unsqueeze", belongs, list(range(2, 2 + after)))
    wide = op.one("Unsqueeze", x, [axis])
    seen = op.one("Where", belongs, wide, op.const(float("-inf"), x.elem))
    result = extreme(op, "ReduceMax", seen, [axis + 1], False)
    dims = list(x.dims)
    dims[axis] = size if isinstance(size, int) else None
    result.shape = ir.Shape(dims)
    return result


def _maximum_and_place(
    op: OpBuilder, x: Value, sizes: Sequence[int | Value]
) -> tuple[Value, Value]:
    """The largest element of each window, and its place in the plane.

    One dimension after another, the last one first: of equal elements the first one counts, as to
    PyTorch, which goes through the rows; of NaN the last one.
    """
    first = x.rank - len(sizes)
    places: Value | None = None
    plane = op.i64(1)
    for axis in reversed(range(first, x.rank)):
        length = op.cast(op.size(x, axis), INT64)
        x, own = _place_in_axis(op, x, axis, sizes[axis - first])
        if places is None:
            places = own
        else:
            places = op.one("GatherElements", places, own, axis=axis) + own * plane
        plane = plane * length
    assert places is not None
    return x, places


def _place_in_axis(op: OpBuilder, x: Value, axis: int, size: int | Value) -> tuple[Value, Value]:
    """The largest elements along one dimension, and their places in it."""
    belongs, _ = _windows(op, x, axis, size)
    length = op.cast(op.size(x, axis), INT64)
    here = op.one("Range", 0, length, 1)
    after = list(range(1, x.rank - axis))
    starts = op.one("ArgMax", op.cast(belongs, ir.DataType.INT32), axis=1, keepdims=0)
    if after:
        belongs = op.one("Unsqueeze", belongs, [1 + k for k in after])
        here, starts = op.one("Unsqueeze", here, after), op.one("Unsqueeze", starts, after)
    wide = op.one("Unsqueeze", op.cast(x, dtypes.widened(x.elem)), [axis])
    lowest = op.const(float("-inf"), wide.elem)
    unknown = op.one("IsNaN", wide)
    seen = op.one("Where", op.one("And", belongs, op.one("Not", unknown)), wide, lowest)
    largest = op.one("ReduceMax", seen, [axis + 1], keepdims=0)
    found = op.one("ArgMax", seen, axis=axis + 1, keepdims=0)
    # A window of nothing but minus infinity: its first element.
    found = op.one("Where", op.one("Equal", largest, lowest), starts, found)
    last = op.one("Where", op.one("And", belongs, unknown), here, op.i64(-1))
    last = op.one("ReduceMax", last, [axis + 1], keepdims=0)
    found = op.one("Where", op.one("Less", last, op.i64(0)), found, last)
    dims = [*x.dims[:axis], size if isinstance(size, int) else None, *x.dims[axis + 1 :]]
    found.shape = ir.Shape(dims)
    result = op.one("GatherElements", x, found, axis=axis)
    result.shape = ir.Shape(dims)
    return result, found


for _count in (1, 2, 3):
    LOWERINGS(f"adaptive_max_pool{_count}d")(_maximum(_count))
