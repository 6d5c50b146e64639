"""Cholesky's factors, by blocks, and equations that are solved with them."""

from __future__ import annotations

import math

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.factors import first_of
from fxexport.lowering.linear_algebra.matrices import (
    blocks_of,
    cut,
    flat,
    head,
    identities,
    in_blocks,
    outer,
    padded,
    range_of,
    turned,
    unflat,
)
from fxexport.lowering.linear_algebra.triangular import solved, substituted
from fxexport.lowering.loops import repeat
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


@LOWERINGS("linalg_cholesky_ex")
def cholesky_ex(
    op: OpBuilder, x: Value, *, upper: bool = False, check_errors: bool = False
) -> tuple[Value, Value]:
    """The factor, and the order of the first minor that is not positive; 0 where all are."""
    matrices = flat(op, x)
    # Only the triangle that is asked for is looked at.
    given = matrices if upper else turned(op, matrices)
    found, pivots = _upper_factor(op, given)
    info = first_of(op, ~(pivots > 0.0))
    found = _as_left(op, found, given, pivots, info)
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
        # Without a root the row becomes 0, so that what follows stays finite.
        filled = op.one("Where", pivot > 0.0, pivot, op.const(math.inf, panel.elem))
        root = op.one("Sqrt", filled)
        row = row / root
        found.append(row)
        pivots.append(pivot)
        if rest is not None:
            below = op.one("Gather", turned(op, row), where, axis=1)
            rest = rest - outer(below, row)
    taken_of = op.one("Concat", *pivots, axis=2)
    return op.one("Concat", *found, axis=1), op.one("Squeeze", taken_of, [1])


def _as_left(op: OpBuilder, found: Value, given: Value, pivots: Value, info: Value) -> Value:
    """The factor as LAPACK leaves it: behind a minor that is not positive it is what was given.

    Args:
        op: the builder.
        found: the upper factor, [B, n, n].
        given: the matrices.
        pivots: what the roots on the diagonal were taken of, [B, n].
        info: the order of that minor, int32[B]; 0 for none.
    """
    failed = op.one("Unsqueeze", info, [1, 2])  # [B, 1, 1]
    rows = op.cast(range_of(op, op.size(given, 1)) + 1, info.elem)
    below = op.one("Unsqueeze", rows, [1])

    def corrected(_: Value, now: Value) -> list[Value]:
        there = failed > op.const(0, info.elem)
        behind = there & ((below > failed) | (op.one("Equal", below, failed) & (rows > below)))
        now = op.one("Where", behind, op.one("Trilu", given, 0, upper=1), now)
        own = op.one("Equal", below, failed) & op.one("Equal", rows, failed)
        return [op.one("Where", own, op.one("Unsqueeze", pivots, [1]), now)]

    # A loop of one iteration, or none: few matrices fail, and this takes as long as a block.
    bad = op.cast(op.one("Not", op.one("Equal", info, op.const(0, info.elem))), ir.DataType.INT64)
    some = op.one("Concat", bad, op.i64([0]), axis=0)
    return repeat(op, op.one("ReduceMax", some, [0], keepdims=0), [found], corrected)[0]


@LOWERINGS("cholesky_solve")
def cholesky_solve(op: OpBuilder, b: Value, factor: Value, upper: bool = False) -> Value:
    """Of R'R x = b the solution, or of LL' x = b."""
    first = solved(op, factor, b, upper=upper, transpose=upper)
    return solved(op, factor, first, upper=upper, transpose=not upper)


@LOWERINGS("cholesky_inverse")
def cholesky_inverse(op: OpBuilder, factor: Value, upper: bool = False) -> Value:
    """The inverse of R'R, or of LL'."""
    matrices = flat(op, factor)
    # With T for R' or L: W = T^-1, and the inverse is W'W.
    columns = matrices if upper else turned(op, matrices)
    found = substituted(op, columns, identities(op, matrices), upper=False)  # W'
    return unflat(op, found @ turned(op, found), factor)
