"""Equations of triangular matrices, by blocks."""

from __future__ import annotations

import math

import numpy as np

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.matrices import (
    blocks_of,
    broadcast,
    cut,
    diagonal,
    flat,
    in_blocks,
    padded,
    turned,
    unflat,
)
from fxexport.lowering.registry import LoweringTable

__all__ = ["solved", "substituted", "unit_inverse"]

LOWERINGS = LoweringTable()


def unit_inverse(op: OpBuilder, strict: Value, upper: bool) -> Value:
    """The inverses of I + N for small N that are 0 on the diagonal and on one side of it.

    Blocks on the diagonal are inverted, then those of twice their size:
    the inverse of [[A, 0], [C, D]] is [[A', 0], [-D' C A', D']].
    """
    size = strict.dims[-1]
    assert size is not None
    numbers = np.arange(size)
    found: Value | None = None
    step = 1
    while step < size:
        wide = numbers // (2 * step)
        mask = (wide[:, None] == wide) & (numbers[:, None] // step != numbers // step)
        mask = np.triu(mask) if upper else np.tril(mask)
        between = strict * op.const(mask.astype(float), strict.elem)
        if found is None:
            found = op.const(np.eye(size), strict.elem) - between
        else:
            found = found - found @ between @ found
        step *= 2
    return op.const(np.eye(size), strict.elem) if found is None else found


def substituted(
    op: OpBuilder, columns: Value, right: Value, *, upper: bool, unit: bool = False
) -> Value:
    """Solves T x = b.

    Args:
        op: the builder.
        columns: the triangular matrices, transposed: [B, n, n], with the columns of T as rows.
            What is on the other side of the diagonal is not looked at.
        right: the right sides, transposed: [B, m, n].
        upper: whether T is upper triangular.
        unit: whether T has ones on the diagonal, whatever is there.

    Returns:
        The solutions, transposed: [B, m, n]. Where an element of the diagonal is 0, that row is
        infinite, and those that depend on it are NaN.
    """
    size = op.size(columns, 1)
    strict = op.one("Trilu", columns, -1 if upper else 1, upper=0 if upper else 1)
    pivots = None if unit else diagonal(op, columns)
    if pivots is not None:
        filled = op.one("Where", op.one("Equal", pivots, 0.0), op.const(1, right.elem), pivots)
        strict = strict / op.one("Unsqueeze", filled, [2])
    found = _unit_substituted(op, strict, right, upper, size)
    if pivots is None:
        return found
    return found / op.one("Unsqueeze", _with_what_fails(op, pivots, upper), [1])


def _with_what_fails(op: OpBuilder, pivots: Value, upper: bool) -> Value:
    """A diagonal with NaN in the rows that are computed from one where it is 0."""
    zero = op.cast(op.one("Equal", pivots, 0.0), pivots.elem)
    before = op.one("CumSum", zero, op.i64(1), exclusive=1, reverse=1 if upper else 0)
    return op.one("Where", before > 0.0, op.const(math.nan, pivots.elem), pivots)


def _unit_substituted(
    op: OpBuilder, strict: Value, right: Value, upper: bool, size: int | Value
) -> Value:
    """`substituted` for ones on the diagonal, with zeros there and on the other side."""
    if size in (0, 1):
        return right
    blocks = blocks_of(op, size)
    if blocks.count == 1:
        return right @ unit_inverse(op, strict, upper=not upper)
    total = blocks.total()
    wide = padded(op, padded(op, strict, 1, total), 2, total)
    inside = op.i64(list(range(blocks.size)))

    def step(first: int | Value, x: Value) -> list[Value]:
        if upper:
            first = total - blocks.size - first if isinstance(total, int) else total - first
            first = first if isinstance(total, int) else first - blocks.size
        where = inside + first
        rows = op.one("Gather", wide, where, axis=1)
        corner = op.one("Gather", rows, where, axis=2)
        own = op.one("Gather", x, where, axis=2)
        # In the block itself x - x N is x again, as (I + N) x is what is given.
        return [x - own @ unit_inverse(op, corner, upper=not upper) @ rows]

    (found,) = in_blocks(op, blocks, [padded(op, right, 2, total)], step)
    return cut(op, found, 2, size)


def solved(
    op: OpBuilder,
    a: Value,
    b: Value,
    *,
    upper: bool,
    left: bool = True,
    unit: bool = False,
    transpose: bool = False,
) -> Value:
    """Solves A x = b, or x A = b, for triangular A of any batch, broadcast; see `substituted`.

    Args:
        op: the builder.
        a: the matrices [..., n, n].
        b: the right sides [..., n, m], or [..., m, n] where they are on the left of A.
        upper: whether A is upper triangular as it is given.
        left: whether A is on the left of x.
        unit: whether A has ones on the diagonal, whatever is there.
        transpose: whether A is to be transposed.
    """
    a, b = broadcast(op, a, b), broadcast(op, b, a)
    matrix, right = flat(op, a), flat(op, b)
    # x A = b is A' x' = b': what is solved is A, or A transposed.
    flipped = left == transpose
    columns = matrix if flipped else turned(op, matrix)
    if left:
        right = turned(op, right)
    found = substituted(op, columns, right, upper=upper != flipped, unit=unit)
    return unflat(op, turned(op, found) if left else found, b)


@LOWERINGS("linalg_solve_triangular")
def solve_triangular(
    op: OpBuilder,
    a: Value,
    b: Value,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> Value:
    return solved(op, a, b, upper=upper, left=left, unit=unitriangular)


@LOWERINGS("triangular_solve")
def old_triangular_solve(
    op: OpBuilder,
    b: Value,
    a: Value,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> tuple[Value, Value]:
    """The solution, and the matrices as they were used."""
    found = solved(op, a, b, upper=upper, unit=unitriangular, transpose=transpose)
    return found, broadcast(op, a, b)
