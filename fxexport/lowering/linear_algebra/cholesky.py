"""Cholesky's factors, by blocks, and equations that are solved with them."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.factors import first_of
from fxexport.lowering.linear_algebra.matrices import (
    blocks_of,
    cut,
    flat,
    head,
    identity,
    in_blocks,
    padded,
    range_of,
    turned,
    unflat,
)
from fxexport.lowering.linear_algebra.triangular import solved, substituted
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


@LOWERINGS("linalg_cholesky_ex")
def cholesky_ex(
    op: OpBuilder, x: Value, *, upper: bool = False, check_errors: bool = False
) -> tuple[Value, Value]:
    """The factor, and the order of the first minor that is not positive; 0 where all are."""
    matrices = flat(op, x)
    # Only the triangle that is asked for is looked at.
    found, pivots = _upper_factor(op, matrices if upper else turned(op, matrices))
    info = first_of(op, ~(pivots > 0.0))
    return unflat(op, found if upper else turned(op, found), x), unflat(op, info, x, 0)


def _upper_factor(op: OpBuilder, x: Value) -> tuple[Value, Value]:
    """R of R'R, and what the square roots on its diagonal were taken of.

    After each block of rows the matrix is rotated: the next block's rows are the first ones, and
    what was worked on is at the end.

    Args:
        op: the builder.
        x: the matrices, [B, n, n], of which the upper triangle is looked at.
    """
    size = op.size(x, 1)
    blocks = blocks_of(op, size)
    total = size if blocks.count == 1 else blocks.total()
    wide = padded(op, padded(op, x, 1, total), 2, total)
    width = blocks.size
    end = op.cast(total, ir.DataType.INT64)
    behind = range_of(op, total, width)
    inside = op.i64(list(range(width)))
    pivots = op.one("ReduceSum", op.one("Slice", wide, [0], [1], [1]), [1], keepdims=0)  # [B, n]
    pivots.shape = ir.Shape([wide.dims[0], wide.dims[2]])

    def step(first: int | Value, now: Value, pivots: Value) -> list[Value]:
        panel, rest = head(op, now, 1, width)
        rows, own = _factored_rows(op, panel, inside + first)
        rows = op.one("Trilu", rows, first, upper=1)
        if not (isinstance(total, int) and total == width):
            # The columns of the rows that are left, in their order.
            order = op.one("Mod", behind + first, end)
            below = op.one("Gather", turned(op, rows), order, axis=1)
            rest = rest - below @ rows
        pivots = op.one("Concat", head(op, pivots, 1, width)[1], own, axis=1)
        return [op.one("Concat", rest, rows, axis=1), pivots]

    found, pivots = in_blocks(op, blocks, [wide, pivots], step)
    found = cut(op, cut(op, found, 1, size), 2, size)
    return found, cut(op, pivots, 1, size)


def _factored_rows(op: OpBuilder, panel: Value, where: Value) -> tuple[Value, Value]:
    """Rows of the factor, [B, k, n], and what the roots were taken of, [B, k].

    Args:
        op: the builder.
        panel: the rows before.
        where: the number of each row, int64[k].
    """
    count = panel.dims[1]
    assert count is not None
    rest: Value | None = panel
    found, pivots = [], []
    for k in range(count):
        assert rest is not None
        row, rest = head(op, rest, 1, 1) if k < count - 1 else (rest, None)
        at, where = head(op, where, 0, 1) if k < count - 1 else (where, where)
        pivot = op.one("Gather", row, at, axis=2)
        # As LAPACK, which leaves a row as it is where there is no root.
        root = op.one("Sqrt", op.one("Where", pivot > 0.0, pivot, op.const(1, panel.elem)))
        row = row / root
        found.append(row)
        pivots.append(pivot)
        if rest is not None:
            below = op.one("Gather", turned(op, row), where, axis=1)
            rest = rest - below @ row
    taken_of = op.one("Concat", *pivots, axis=2)
    return op.one("Concat", *found, axis=1), op.one("Squeeze", taken_of, [1])


@LOWERINGS("cholesky_solve")
def cholesky_solve(op: OpBuilder, b: Value, factor: Value, upper: bool = False) -> Value:
    """Of R'R x = b the solution, or of LL' x = b."""
    first = solved(op, factor, b, upper=upper, transpose=upper)
    return solved(op, factor, first, upper=upper, transpose=not upper)


@LOWERINGS("cholesky_inverse")
def cholesky_inverse(op: OpBuilder, factor: Value, upper: bool = False) -> Value:
    """The inverse of R'R, or of LL'."""
    matrices = flat(op, factor)
    unit = op.one("Expand", identity(op, op.size(factor, -1), factor.elem), op.shape(matrices))
    unit.shape = matrices.shape
    # With T for R' or L: W = T^-1, and the inverse is W'W.
    columns = matrices if upper else turned(op, matrices)
    found = substituted(op, columns, unit, upper=False)  # W'
    return unflat(op, found @ turned(op, found), factor)
