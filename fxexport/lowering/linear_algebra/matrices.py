"""Batches of matrices as the algorithms here take them: of rank 3, in blocks of columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from fxexport.lowering.arithmetic import element_count
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Dim, Value
from fxexport.lowering.loops import repeat

__all__ = [
    "BLOCK",
    "Blocks",
    "blocks_of",
    "broadcast",
    "cut",
    "diagonal",
    "flat",
    "head",
    "identities",
    "identity",
    "in_blocks",
    "least",
    "outer",
    "padded",
    "range_of",
    "taken",
    "turned",
    "unflat",
]

BLOCK = 16
"""Columns that are worked on one by one, before a product of matrices updates all others.

Fewer mean more products, more mean more work on single columns: 16 is best for 64 x 64.
"""

_UNROLLED = 2
"""So many blocks are written one after another, more as a loop.

A file grows by some 350 nodes a block; TensorRT compiles a graph without loops in another way.
"""

_FEW = 8
"""So many rows are multiplied element by element."""

Step = Callable[..., Sequence[Value]]


class Blocks:
    """How columns are cut into blocks.

    Attributes:
        size: columns of a block.
        count: how many, an int or int64[].
    """

    def __init__(self, size: int, count: int | Value) -> None:
        self.size = size
        self.count = count

    @property
    def few(self) -> bool:
        """Whether the blocks are written one after another."""
        return isinstance(self.count, int) and self.count <= _UNROLLED

    def total(self) -> int | Value:
        """Columns of all blocks, those that fill the last one included."""
        return self.count * self.size


def blocks_of(op: OpBuilder, size: int | Value) -> Blocks:
    """Blocks for so many columns: those of a small known number are one."""
    if isinstance(size, int):
        if size <= BLOCK:
            return Blocks(max(size, 1), min(size, 1))
        return Blocks(BLOCK, -(-size // BLOCK))
    return Blocks(BLOCK, op.one("Div", size + (BLOCK - 1), op.i64(BLOCK)))


def in_blocks(op: OpBuilder, blocks: Blocks, states: Sequence[Value], step: Step) -> list[Value]:
    """Changes some tensors block by block.

    Args:
        op: the builder.
        blocks: the blocks.
        states: the tensors.
        step: called as ``step(first, *states)`` with the number of a block's first column, an int
            or int64[]; returns the states after it.
    """
    if blocks.few:
        now = list(states)
        assert isinstance(blocks.count, int)
        for k in range(blocks.count):
            now = list(step(k * blocks.size, *now))
        return now
    return list(
        repeat(op, blocks.count, states, lambda k, *now: step(k * op.i64(blocks.size), *now))
    )


def flat(op: OpBuilder, x: Value, inner: int = 2) -> Value:
    """A tensor with one dimension in front of its last ones."""
    if x.rank == inner + 1:
        return x
    if x.rank == inner:
        return op.one("Unsqueeze", x, [0])
    outer = range(x.rank - inner)
    count = element_count(op, x, list(outer), ir.DataType.INT64)
    known = op.constant(count)
    first = count if known is None else int(known)
    sizes = [first, *(op.size(x, k) for k in range(x.rank - inner, x.rank))]
    result = op.reshape(x, sizes)
    result.shape = ir.Shape([size if isinstance(size, int) else None for size in sizes])
    return result


def unflat(op: OpBuilder, x: Value, like: Value, inner: int = 2) -> Value:
    """`flat` undone: a flat tensor's first dimension becomes those of another value.

    Args:
        op: the builder.
        x: the tensor, of rank `inner` + 1 or less.
        like: a tensor with the batch dimensions that `flat` has brought together, and two more.
        inner: how many dimensions of `x` are no batch.
    """
    outer = like.dims[:-2]
    if len(outer) == 1:
        return x
    if not outer:
        return op.one("Squeeze", x, [0])
    sizes: list[int | Value] = [op.size(like, k) for k in range(len(outer))]
    inside = [op.size(x, k) for k in range(1, inner + 1)]
    result = op.reshape(x, [*sizes, *inside])
    result.shape = ir.Shape([*outer, *x.dims[1:]])
    return result


def broadcast(op: OpBuilder, x: Value, like: Value) -> Value:
    """Matrices with the batch dimensions of both values, broadcast."""
    outer = like.dims[:-2]
    mine = x.dims[:-2]
    if outer == mine and (None not in outer or like is x):
        return x
    target = op.one("Concat", *_batch_and_ones(op, like), axis=0)
    result = op.one("Expand", x, target)
    rank = max(x.rank, like.rank)
    result.shape = ir.Shape([*_broadcast(mine, outer, rank - 2), *x.dims[-2:]])
    return result


def _batch_and_ones(op: OpBuilder, like: Value) -> list[Value]:
    sizes = [op.size1(like, k) for k in range(like.rank - 2)]
    return [*sizes, op.i64([1, 1])]


def _broadcast(a: Sequence[Dim], b: Sequence[Dim], rank: int) -> list[Dim]:
    first = [1] * (rank - len(a)) + list(a)
    second = [1] * (rank - len(b)) + list(b)
    return [
        y if x == 1 else x if y == 1 or x == y else (x if x is not None else y)
        for x, y in zip(first, second, strict=True)
    ]


def turned(op: OpBuilder, x: Value) -> Value:
    """The matrices transposed."""
    rank = x.rank
    return op.one("Transpose", x, perm=[*range(rank - 2), rank - 1, rank - 2])


def padded(op: OpBuilder, x: Value, axis: int, size: int | Value) -> Value:
    """Filled up with zeros behind the end of a dimension."""
    if isinstance(size, int) and x.dims[axis] == size:
        return x
    axis %= x.rank
    more = op.vector(size) - op.size1(x, axis)
    before: list[int] = [0] * (x.rank + axis)
    after = [0] * (x.rank - axis - 1)
    pads = [op.i64(before), more, *([op.i64(after)] if after else [])]
    result = op.one("Pad", x, op.one("Concat", *pads, axis=0), op.const(0, x.elem))
    dims = x.dims
    dims[axis] = size if isinstance(size, int) else None
    result.shape = ir.Shape(dims)
    return result


def head(op: OpBuilder, x: Value, axis: int, size: int) -> tuple[Value, Value]:
    """The first elements along a dimension, and the others."""
    axis %= x.rank
    dims = x.dims
    total = dims[axis]
    if total is not None:
        first, rest = op.several("Split", 2, x, [size, total - size], axis=axis)
    else:
        first = op.one("Slice", x, [0], [size], [axis])
        rest = op.one("Slice", x, [size], [2**62], [axis])
    first.type = rest.type = ir.TensorType(x.elem)
    first.shape = ir.Shape([*dims[:axis], size, *dims[axis + 1 :]])
    left = None if total is None else total - size
    rest.shape = ir.Shape([*dims[:axis], left, *dims[axis + 1 :]])
    return first, rest


def cut(op: OpBuilder, x: Value, axis: int, size: int | Value) -> Value:
    """The first elements along a dimension."""
    if isinstance(size, int) and x.dims[axis] == size:
        return x
    found = op.one("Slice", x, [0], op.vector(size), [axis])
    dims = x.dims
    dims[axis] = size if isinstance(size, int) else None
    found.shape = ir.Shape(dims)
    return found


def diagonal(op: OpBuilder, x: Value) -> Value:
    """Of matrices [B, r, c]: [B, s], with the smaller of both sizes."""
    size = least(op, op.size(x, 1), op.size(x, 2))
    where = op.one("Unsqueeze", range_of(op, size), [1])
    where = op.one("Expand", where, op.sizes([op.size(x, 0), 1, 1]))
    where.shape = ir.Shape([x.dims[0], size if isinstance(size, int) else None, 1])
    return op.one("Squeeze", op.one("GatherElements", x, where, axis=2), [2])


def least(op: OpBuilder, a: int | Value, b: int | Value) -> int | Value:
    """The smaller of two sizes."""
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    return op.one("Min", op.cast(a, ir.DataType.INT64), op.cast(b, ir.DataType.INT64))


def identity(op: OpBuilder, size: int | Value, dtype: ir.DataType) -> Value:
    """The identity matrix [n, n]."""
    if isinstance(size, int):
        return op.const(np.eye(size), dtype)
    numbers = range_of(op, size)
    return op.cast(op.one("Equal", numbers, op.one("Unsqueeze", numbers, [1])), dtype)


def identities(op: OpBuilder, like: Value) -> Value:
    """An identity matrix for each of the square matrices `like`, [B, n, n]."""
    result = op.one("Expand", identity(op, op.size(like, -1), like.elem), op.shape(like))
    result.shape = like.shape
    return result


def range_of(op: OpBuilder, size: int | Value, start: int = 0) -> Value:
    """The numbers below one; none are cut off of others.

    ONNX Runtime warns of each Slice outside of a loop whose result is used inside.
    """
    if isinstance(size, int):
        return op.i64(list(range(start, size)))
    found = op.one("Range", op.i64(start), size, op.i64(1))
    found.shape = ir.Shape([None])
    return found


def outer(column: Value, row: Value) -> Value:
    """The products of columns [B, k, 1] and rows [B, 1, n].

    ONNX Runtime multiplies each pair of matrices for itself: 64 of 8 x 64 take 8 us by MatMul, and
    6 by Mul; of 16 x 64 it is 9 and 12.
    """
    rows = column.dims[1]
    return column * row if rows is not None and rows <= _FEW else column @ row


def taken(op: OpBuilder, x: Value, where: Value) -> Value:
    """Elements of the last dimension, by an index [B, 1, k] for each batch."""
    rows = op.size(x, 1)
    if rows == 0:
        return x
    wide = where if rows == 1 else op.one("Expand", where, op.sizes([1, rows, 1]))
    wide.shape = ir.Shape([where.dims[0], x.dims[1], where.dims[2]])
    return op.one("GatherElements", x, wide, axis=2)
