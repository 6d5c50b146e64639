"""Elimination with the largest pivot of each column, as LAPACK's getrf does it, by blocks.

Rows do not move. What moves is the list of their numbers: `order` has those that are no pivot rows
yet as LAPACK would have them in memory, then the pivot rows. So one of several largest elements is
chosen as there, and a step costs a few operators on single columns. The matrices are held
transposed, a column in a row, since ONNX Runtime broadcasts and cuts such rows fastest; after each
block they are rotated, so that the next block's columns are always the first ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.matrices import (
    Blocks,
    blocks_of,
    cut,
    head,
    in_blocks,
    least,
    outer,
    padded,
    range_of,
    taken,
    turned,
)
from fxexport.lowering.linear_algebra.triangular import unit_inverse

__all__ = ["Factors", "eliminated"]

INT64 = ir.DataType.INT64


@dataclass(frozen=True)
class Factors:
    """What elimination gives of matrices [B, r, c], with s = min(r, c).

    Attributes:
        columns: both factors in one, transposed: [B, c, r].
        order: the row of the matrix that is each row of the factors, int64[B, 1, r].
        pivots: with which row each row was swapped, one after another, int64[B, s], from 1.
        right: right sides with the lower factor solved for, transposed: [B, m, r].
    """

    columns: Value
    order: Value
    pivots: Value
    right: Value | None


@dataclass(frozen=True)
class _Block:
    """A block's columns after elimination.

    Attributes:
        factors: those of the lower factor, [B, k, r]: 1 in each one's own row.
        pivots: the diagonal of the upper one, [B, 1, k].
        chosen: the pivot rows, int64[B, 1, k].
        places: where in `order` each was found, int64[B, 1, k].
        order: the rows that are no pivot rows.
    """

    factors: Value
    pivots: Value
    chosen: Value
    places: Value
    order: Value


def eliminated(op: OpBuilder, x: Value, right: Value | None = None) -> Factors:
    """Factors matrices.

    Args:
        op: the builder.
        x: the matrices, [B, r, c].
        right: right sides, transposed: [B, m, r]; None for none.
    """
    rows, columns = op.size(x, 1), op.size(x, 2)
    steps = least(op, rows, columns)
    blocks = blocks_of(op, steps)
    turned_x = turned(op, x)
    if isinstance(steps, int) and blocks.count == 1:
        height, width = rows, columns
    else:
        height, width = _filled(op, rows, blocks.size), _filled(op, columns, blocks.size)
        turned_x = padded(op, padded(op, turned_x, 1, width), 2, height)
        right = None if right is None else padded(op, right, 2, height)
    matrix, order, pivots, right = _by_blocks(op, blocks, turned_x, right)
    if not (rows == columns and isinstance(rows, int)):
        # After all blocks of a square matrix the rotation is complete.
        matrix = _rotated(op, matrix, 1, width, blocks)
        order = _rotated(op, order, 2, height, blocks)
    where = cut(op, order, 2, rows)
    found = taken(op, cut(op, matrix, 1, columns), where)
    found.shape = ir.Shape([x.dims[0], x.dims[2], x.dims[1]])
    if right is not None:
        right = taken(op, right, where)
    return Factors(found, where, cut(op, pivots, 1, steps), right)


def _by_blocks(
    op: OpBuilder, blocks: Blocks, matrix: Value, right: Value | None
) -> tuple[Value, Value, Value, Value | None]:
    height = op.size(matrix, 2)
    numbers = range_of(op, height)
    batch = op.size1(matrix, 0)
    sizes = op.one("Concat", batch, op.i64([1, 1]), axis=0)
    order = op.one("Expand", numbers, sizes)
    order.shape = ir.Shape([matrix.dims[0], 1, matrix.dims[2]])
    live = op.cast(op.one("GreaterOrEqual", order, op.i64(0)), matrix.elem)
    total = blocks.total()
    pivots = op.one(
        "Expand", op.const([[0]], INT64), op.one("Concat", batch, op.vector(total), axis=0)
    )
    pivots.shape = ir.Shape([matrix.dims[0], total if isinstance(total, int) else None])

    size = blocks.size
    own = op.i64(list(range(1, size + 1)))
    others = op.one("Unsqueeze", range_of(op, op.size(matrix, 1) - size), [1])
    ones = op.one("Expand", op.const([[[1]]], matrix.elem), sizes)
    ones.shape = ir.Shape([matrix.dims[0], 1, 1])

    def step(first: int | Value, *states: Value) -> list[Value]:
        now, order, live, pivots, *rights = states
        begun = isinstance(first, Value) or first > 0  # there may be columns that are done with
        panel, rest = head(op, now, 1, size)
        left = panel * live if begun else panel
        block = _eliminated_block(op, left, order, ones)
        unit = op.cast(op.one("Equal", numbers, turned(op, block.chosen)), now.elem)  # [B, k, r]
        below = block.factors - unit
        inverse = unit_inverse(op, taken(op, below, block.chosen), upper=True)
        rows, beyond = head(op, taken(op, now, block.chosen) @ inverse, 1, size)
        packed = below + _with_diagonal(op, rows, block.pivots) @ unit
        if begun:
            packed = packed + (panel - left)
        width = op.size(rest, 1)
        if width != 0:
            if begun:
                ahead = others < (width - op.cast(first, INT64))
                beyond = op.one("Where", ahead, beyond, op.const(0, rest.elem))
            rest = rest - beyond @ below
        places = op.one("Squeeze", block.places, [1]) + own + first
        return [
            op.one("Concat", rest, packed, axis=1),
            op.one("Concat", block.order, block.chosen, axis=2),
            live - op.one("ReduceSum", unit, [1], keepdims=1),
            op.one("Concat", head(op, pivots, 1, size)[1], places, axis=1),
            *(y - taken(op, y, block.chosen) @ inverse @ below for y in rights),
        ]

    given = [matrix, order, live, pivots, *([] if right is None else [right])]
    matrix, order, _, pivots, *rights = in_blocks(op, blocks, given, step)
    return matrix, order, pivots, rights[0] if rights else None


def _eliminated_block(op: OpBuilder, panel: Value, order: Value, ones: Value) -> _Block:
    """Eliminates the columns of one block in each other.

    A pivot row becomes 0, so nothing has to be kept from it; as few operators as can be, and no
    Where, which takes ONNX Runtime five times as long as a product.

    Args:
        op: the builder.
        panel: the columns, [B, k, r], with 0 in rows that are pivot rows already.
        order: the rows, first those that are no pivot rows, int64[B, 1, r].
        ones: 1, for each matrix: [B, 1, 1].
    """
    count = panel.dims[1]
    assert count is not None
    rest: Value | None = panel
    factors, pivots, chosen, places = [], [], [], []
    for k in range(count):
        assert rest is not None
        column, rest = head(op, rest, 1, 1) if k < count - 1 else (rest, None)
        sizes = op.one("GatherElements", op.one("Abs", column), order, axis=2)
        # ArgMax stays at the first row where that is NaN, and passes over other NaNs. The first one
        # of the list is no pivot row yet, and of those that are the sizes are 0: none is found.
        best = op.one("ArgMax", sizes, axis=2, keepdims=1)
        row = op.one("GatherElements", order, best, axis=2)  # [B, 1, 1]
        first = op.one("Gather", order, [0], axis=2)
        order = head(op, op.one("ScatterElements", order, best, first, axis=2), 2, 1)[1]
        pivot = op.one("GatherElements", column, row, axis=2)
        filled = op.one("Where", op.one("Equal", pivot, 0.0), op.const(1, panel.elem), pivot)
        # Its own row is 1 even where the pivot is 0.
        factor = op.one("ScatterElements", column / filled, row, ones, axis=2)
        factors.append(factor)
        pivots.append(pivot)
        chosen.append(row)
        places.append(best)
        if rest is not None:
            rest = rest - outer(taken(op, rest, row), factor)
    return _Block(
        op.one("Concat", *factors, axis=1),
        op.one("Concat", *pivots, axis=2),
        op.one("Concat", *chosen, axis=2),
        op.one("Concat", *places, axis=2),
        order,
    )


def _with_diagonal(op: OpBuilder, rows: Value, pivots: Value) -> Value:
    """A block's rows of the upper factor, transposed, with exactly the pivots that were found."""
    size = rows.dims[1]
    assert size is not None
    return op.one("Trilu", rows, -1, upper=0) + op.const(np.eye(size), rows.elem) * pivots


def _filled(op: OpBuilder, size: int | Value, block: int) -> int | Value:
    """The next multiple of a block's size."""
    if isinstance(size, int):
        return -(-size // block) * block
    return op.one("Div", size + (block - 1), op.i64(block)) * block


def _rotated(op: OpBuilder, x: Value, axis: int, size: int | Value, blocks: Blocks) -> Value:
    """With the last columns, those that were worked on, in front."""
    total = blocks.total()
    if isinstance(size, int) and size == total:
        return x
    start = op.vector(size) - op.vector(total)
    last = op.one("Slice", x, start, [2**62], [axis])
    first = op.one("Slice", x, [0], start, [axis])
    last.shape = first.shape = ir.Shape([None if k == axis else d for k, d in enumerate(x.dims)])
    found = op.one("Concat", last, first, axis=axis)
    found.shape = x.shape
    return found
