"""Elimination with the largest pivot of each column, as LAPACK's getrf does it, by blocks.

Rows do not move. What moves is the list of their numbers: `order` has those that are no pivot rows
yet as LAPACK would have them in memory, then the pivot rows. So one of several largest elements is
chosen as there, and a step costs a few operators on single columns. The matrices are held
transposed, a column in a row, since ONNX Runtime broadcasts and cuts such rows fastest; after each
block they are rotated, so that the next block's columns are always the first ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.matrices import (
    Blocks,
    blocks_of,
    cut,
    head,
    in_blocks,
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
        packed: the columns of both factors, [B, k, r].
        factors: those of the lower one, 0 in pivot rows of this block and before.
        chosen: the pivot rows, int64[B, 1, k].
        places: where in `order` each was found, int64[B, 1, k].
        order: the rows that are no pivot rows.
        live: 0 for pivot rows, 1 for others, [B, 1, r].
    """

    packed: Value
    factors: Value
    chosen: Value
    places: Value
    order: Value
    live: Value


def eliminated(op: OpBuilder, x: Value, right: Value | None = None) -> Factors:
    """Factors matrices.

    Args:
        op: the builder.
        x: the matrices, [B, r, c].
        right: right sides, transposed: [B, m, r]; None for none.
    """
    rows, columns = op.size(x, 1), op.size(x, 2)
    steps = _smaller(op, rows, columns)
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
    order = op.one("Expand", numbers, op.one("Concat", batch, op.i64([1, 1]), axis=0))
    order.shape = ir.Shape([matrix.dims[0], 1, matrix.dims[2]])
    live = op.cast(op.one("GreaterOrEqual", order, op.i64(0)), matrix.elem)
    total = blocks.total()
    pivots = op.one(
        "Expand", op.i64([[0]]), op.one("Concat", batch, op.vector(total), axis=0)
    )  # rotates as well
    pivots.shape = ir.Shape([matrix.dims[0], total if isinstance(total, int) else None])

    own = op.i64(list(range(1, blocks.size + 1)))
    others = op.one("Unsqueeze", range_of(op, op.size(matrix, 1) - blocks.size), [1])

    def step(first: int | Value, *states: Value) -> list[Value]:
        now, order, live, pivots, *rights = states
        panel, rest = head(op, now, 1, blocks.size)
        block = _eliminated_block(op, panel, order, live, numbers)
        below = _inverse_of_upper(op, block)
        width = op.size(rest, 1)
        if width != 0:
            pivot_rows = taken(op, rest, block.chosen) @ below
            if isinstance(first, Value) or first > 0:  # behind are columns that are done with
                ahead = others < (width - op.cast(first, INT64))
                pivot_rows = op.one("Where", ahead, pivot_rows, op.const(0, rest.elem))
            rest = rest - pivot_rows @ block.factors
        places = op.one("Squeeze", block.places, [1]) + own + first
        pivots = op.one("Concat", head(op, pivots, 1, blocks.size)[1], places, axis=1)
        rights = [y - taken(op, y, block.chosen) @ below @ block.factors for y in rights]
        return [
            op.one("Concat", rest, block.packed, axis=1),
            op.one("Concat", block.order, block.chosen, axis=2),
            block.live,
            pivots,
            *rights,
        ]

    given = [matrix, order, live, pivots, *([] if right is None else [right])]
    matrix, order, _, pivots, *rights = in_blocks(op, blocks, given, step)
    return matrix, order, pivots, rights[0] if rights else None


def _eliminated_block(
    op: OpBuilder, panel: Value, order: Value, live: Value, numbers: Value
) -> _Block:
    """Eliminates the columns of one block in each other.

    Without Where, which takes ONNX Runtime five times as long as a product.
    """
    count = panel.dims[1]
    assert count is not None
    rest: Value | None = panel
    columns, below, factors, chosen, places = [], [], [], [], []
    for k in range(count):
        assert rest is not None
        column, rest = head(op, rest, 1, 1) if k < count - 1 else (rest, None)
        sizes = op.one("GatherElements", op.one("Abs", column * live), order, axis=2)
        # ArgMax stays at the first row where that is NaN, and passes over other NaNs. The first one
        # of the list is no pivot row yet, and of those that are the sizes are 0: none is found.
        best = op.one("ArgMax", sizes, axis=2, keepdims=1)
        row = op.one("GatherElements", order, best, axis=2)  # [B, 1, 1]
        first = op.one("Gather", order, [0], axis=2)
        order = head(op, op.one("ScatterElements", order, best, first, axis=2), 2, 1)[1]
        pivot = op.one("GatherElements", column, row, axis=2)
        filled = op.one("Where", op.one("Equal", pivot, 0.0), op.const(1, panel.elem), pivot)
        live = live - op.cast(op.one("Equal", numbers, row), panel.elem)
        # Not the quotient by a small pivot, which may be infinite in rows that are no longer live.
        below.append(column * live)
        factor = below[-1] / filled
        columns.append(column)
        factors.append(factor)
        chosen.append(row)
        places.append(best)
        if rest is not None:
            rest = rest - taken(op, rest, row) @ factor
    lower = op.one("Concat", *factors, axis=1)
    upper = op.one("Concat", *columns, axis=1) - op.one("Concat", *below, axis=1)
    return _Block(
        upper + lower,
        lower,
        op.one("Concat", *chosen, axis=2),
        op.one("Concat", *places, axis=2),
        order,
        live,
    )


def _inverse_of_upper(op: OpBuilder, block: _Block) -> Value:
    """Of the lower factor of a block's own rows, transposed."""
    corner = taken(op, block.factors, block.chosen)  # [B, k, k], 0 on the diagonal
    if corner.dims[1] == 1:
        return corner + op.const(1, corner.elem)
    return unit_inverse(op, corner, upper=True)


def _smaller(op: OpBuilder, a: int | Value, b: int | Value) -> int | Value:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    return op.one("Min", op.cast(a, INT64), op.cast(b, INT64))


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
