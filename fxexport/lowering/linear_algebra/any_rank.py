"""Matrices with any dimensions in front: places, parts, and the dtype to compute in."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.linear_algebra.matrices import range_of

__all__ = [
    "count_up",
    "in_batch",
    "leading",
    "part",
    "part_at",
    "smaller",
    "taken",
    "unit",
    "wide",
]


def wide(op: OpBuilder, x: Value) -> Value:
    """The matrices in the dtype to compute in: float64 where the runtime has it."""
    return op.cast(x, ir.DataType.DOUBLE) if op.exact else x


def smaller(op: OpBuilder, x: Value) -> Value:
    """The smaller of the two sizes of matrices, int64[1]."""
    return op.one("Min", op.size1(x, -2), op.size1(x, -1))


def count_up(op: OpBuilder, number: Value) -> Value:
    """``0, 1, ..., number - 1``, of a number int64[1]."""
    known = op.constant(number)
    return range_of(op, op.one("Squeeze", number, [0]) if known is None else int(known[0]))


def part(op: OpBuilder, x: Value, axis: int, start: Operand, end: Operand) -> Value:
    """Matrices from one row or column (axis -2 or -1) to before another, int64[1] each."""
    axis += x.rank
    result = op.one("Slice", x, start, end, [axis])
    result.shape = ir.Shape([None if k == axis else dim for k, dim in enumerate(x.dims)])
    return result


def part_at(op: OpBuilder, x: Value, axis: int, place: Value) -> Value:
    """One row or column (axis -2 or -1), at a place int64[1]; its dimension stays, as 1."""
    return op.one("Gather", x, place, axis=axis + x.rank)


def leading(op: OpBuilder, x: Value, axis: int, number: Value) -> Value:
    """The first rows or columns, of a number int64[1]."""
    known = op.constant(number)
    if known is not None and x.dims[axis] == int(known[0]):
        return x
    result = part(op, x, axis, [0], number)
    if known is not None and x.dims[axis] is not None:
        sizes = list(x.dims)
        sizes[axis] = min(int(known[0]), int(x.dims[axis] or 0))
        result.shape = ir.Shape(sizes)
    return result


def unit(op: OpBuilder, rows: Value, columns: Value, dtype: ir.DataType) -> Value:
    """A matrix with ones on the diagonal, of sizes int64[1]."""
    down = op.one("Unsqueeze", count_up(op, rows), [1])
    return op.cast(op.one("Equal", down, count_up(op, columns)), dtype)


def in_batch(op: OpBuilder, matrix: Value, like: Value) -> Value:
    """One matrix for each of the matrices `like`, whose sizes may be others."""
    if like.rank == 2:
        return matrix
    sizes = op.one(
        "Concat", op.one("Shape", like, start=0, end=like.rank - 2), op.shape(matrix), axis=0
    )
    result = op.one("Expand", matrix, sizes)
    result.shape = ir.Shape([*like.dims[:-2], *matrix.dims])
    return result


def taken(op: OpBuilder, x: Value, order: Value) -> Value:
    """The columns of matrices in an order of their own, int64[..., columns]."""
    places = op.one("Expand", op.one("Unsqueeze", order, [-2]), op.shape(x))
    result = op.one("GatherElements", x, places, axis=x.rank - 1)
    result.shape = ir.Shape(x.dims)
    return result
