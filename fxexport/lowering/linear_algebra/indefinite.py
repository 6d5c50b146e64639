"""Factors of symmetric matrices that need not be positive definite: LDL', after Bunch and Kaufman.

Each step takes one row and column, or two where a single pivot would be small, as LAPACK's sytf2
does; the matrices of a batch are at columns of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.factors import first_of
from fxexport.lowering.linear_algebra.matrices import (
    broadcast,
    diagonal,
    flat,
    range_of,
    turned,
    unflat,
)
from fxexport.lowering.loops import repeat
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()

INT32, INT64 = ir.DataType.INT32, ir.DataType.INT64
_ALPHA = (1 + math.sqrt(17)) / 8


@LOWERINGS("linalg_ldl_factor_ex")
def ldl_factor(
    op: OpBuilder, x: Value, *, hermitian: bool = False, check_errors: bool = False
) -> tuple[Value, Value, Value]:
    """Both factors in one, the rows that were swapped, and the first pivot that is 0."""
    lower = op.one("Trilu", flat(op, x), 0, upper=0)
    size = op.cast(op.size(x, -1), INT64)
    numbers = range_of(op, op.size(x, -1))
    strict = op.one("Trilu", lower, -1, upper=0)
    start = op.one(
        "Expand", op.const([[0]], INT64), op.one("Concat", op.size1(lower, 0), op.i64([1]), axis=0)
    )
    start.shape = ir.Shape([lower.dims[0], 1])
    pivots = op.one("Expand", op.i64(0), op.one("Shape", lower, start=0, end=2))
    pivots.shape = ir.Shape(lower.dims[:2])

    def step(_: Value, rest: Value, found: Value, pivots: Value, at: Value) -> list[Value]:
        return _one_step(op, _Step(numbers, size, rest, found, pivots, at))

    whole = lower + turned(op, strict)
    _, found, pivots, _ = repeat(op, size, [whole, lower, pivots, start], step)
    ones = pivots > op.i64(0)
    info = first_of(op, ones & op.one("Equal", diagonal(op, found), 0.0))
    return (
        unflat(op, found, x),
        unflat(op, op.cast(pivots, INT32), x, 1),
        unflat(op, info, x, 0),
    )


@dataclass(frozen=True)
class _Step:
    """What a step begins with.

    Attributes:
        numbers: int64[n].
        size: n, int64[].
        rest: what is left of the matrices, 0 in rows and columns that are done: [B, n, n].
        found: the factors, [B, n, n].
        pivots: int64[B, n].
        at: the column that each matrix is at, int64[B, 1]; n or more where it is done.
    """

    numbers: Value
    size: Value
    rest: Value
    found: Value
    pivots: Value
    at: Value


def _one_step(op: OpBuilder, now: _Step) -> list[Value]:
    numbers, at = now.numbers, now.at
    last = now.size - 1
    zero, one = op.const(0, now.rest.elem), op.const(1, now.rest.elem)
    own = op.one("Min", at, last)
    after = op.one("Min", at + 1, last)
    other, two = _choice(op, now, own)
    target = op.one("Where", two, after, own)
    # Rows and columns `target` and `other` change places.
    order = op.one("Where", op.one("Equal", numbers, target), other, numbers)
    order = op.one("Where", op.one("Equal", numbers, other), target, order)
    order = op.one("Unsqueeze", order, [2])
    rest = op.one("GatherND", now.rest, order, batch_dims=1)
    rest.shape = now.rest.shape
    rest = op.one("GatherND", turned(op, rest), order, batch_dims=1)
    rest.shape = now.rest.shape
    first, second = _row(op, rest, own), _row(op, rest, after)  # [B, n]
    a, b = _element(op, first, own), _element(op, first, after)
    c = _element(op, second, after)
    # A single pivot.
    filled = op.one("Where", op.one("Equal", a, zero), one, a)
    single = first / filled
    # Two of them: the inverse of [[a, b], [b, c]].
    safe = op.one("Where", two, b, one)
    left, right = c / safe, a / safe
    scale = one / (op.one("Where", two, left * right, op.const(2, zero.elem)) - one) / safe
    pair = scale * (left * first - second), scale * (right * second - first)
    done = op.one("Where", two, at + 1, at)
    behind = numbers > done  # [B, n]
    factor = op.one("Where", behind, op.one("Where", two, pair[0], single), zero)
    next_factor = op.one("Where", behind & two, pair[1], zero)
    product = _outer(op, factor, first) + _outer(op, next_factor, second)
    inside = op.one("Unsqueeze", behind, [2]) & op.one("Unsqueeze", behind, [1])
    rest = op.one("Where", inside, rest - product, zero)
    # What is stored: the pivots, and the factors below them.
    column = op.one("Where", behind, factor, first)
    next_column = op.one("Where", behind, next_factor, second)
    found = _stored(op, now.found, op.one("Equal", numbers, at), column)
    is_next = op.one("Equal", numbers, at + 1) & two
    found = _stored(op, found, is_next, next_column)
    found = op.one("Trilu", found, 0, upper=0)
    place = op.one("Where", two, -(other + 1), other + 1)
    pivots = op.one("Where", op.one("Equal", numbers, at) | is_next, place, now.pivots)
    return [rest, found, pivots, done + 1]


def _choice(op: OpBuilder, now: _Step, own: Value) -> tuple[Value, Value]:
    """The row to swap with, int64[B, 1], and whether two pivots are taken, bool[B, 1]."""
    numbers = now.numbers
    none = op.const(-1, now.rest.elem)
    row = op.one("Abs", _row(op, now.rest, own))
    here = _element(op, row, own)
    below = op.one("Where", numbers > own, row, none)
    best = op.one("ArgMax", below, axis=1, keepdims=1)
    best = op.one("Max", best, own)  # of the last row there is none below
    most = op.one("Max", op.one("ReduceMax", below, [1], keepdims=1), op.const(0, none.elem))
    there = op.one("Abs", _row(op, now.rest, best))
    others = op.one("Where", op.one("Equal", numbers, best), none, there)
    widest = op.one("ReduceMax", others, [1], keepdims=1)
    stays = here >= most * _ALPHA
    # colmax / rowmax: the row of `best` has colmax as well, so it is above 0 where this counts.
    filled = op.one("Where", widest > 0.0, widest, op.const(1, none.elem))
    stays = stays | (here >= most * _ALPHA * (most / filled))
    alone = _element(op, there, best) >= widest * _ALPHA
    other = op.one("Where", stays, own, best)
    return other, ~(stays | alone)


def _row(op: OpBuilder, x: Value, where: Value) -> Value:
    """One row of each matrix: [B, n] of [B, n, n], by int64[B, 1]."""
    found = op.one("GatherND", x, where, batch_dims=1)
    found.shape = ir.Shape([x.dims[0], x.dims[2]])
    return found


def _element(op: OpBuilder, row: Value, where: Value) -> Value:
    return op.one("GatherElements", row, where, axis=1)


def _outer(op: OpBuilder, a: Value, b: Value) -> Value:
    return op.one("Unsqueeze", a, [2]) * op.one("Unsqueeze", b, [1])


def _stored(op: OpBuilder, x: Value, where: Value, column: Value) -> Value:
    """With a column set: where bool[B, n] is true."""
    return op.one("Where", op.one("Unsqueeze", where, [1]), op.one("Unsqueeze", column, [2]), x)


@LOWERINGS("linalg_ldl_solve")
def ldl_solve(
    op: OpBuilder, packed: Value, pivots: Value, b: Value, *, hermitian: bool = False
) -> Value:
    """Solves with L, the pivots, and L', swapping rows on the way as they were swapped."""
    where = op.one("Unsqueeze", pivots, [pivots.rank - 1])
    packed, where, b = broadcast(op, packed, b), broadcast(op, where, b), broadcast(op, b, packed)
    right, matrices = flat(op, b), flat(op, packed)
    swaps = op.one("Squeeze", op.cast(flat(op, where), INT64), [1])  # [B, n]
    size = op.cast(op.size(packed, -1), INT64)
    numbers = range_of(op, op.size(packed, -1))
    pairs = swaps < op.i64(0)
    counted = op.one("CumSum", op.cast(pairs, INT64), op.i64(1))
    begins = pairs & op.one("Equal", counted % 2, op.i64(1))  # the first of two pivots
    other = op.one("Abs", swaps) - 1
    mine = op.one("Where", begins, numbers + 1, numbers)
    other = op.one("Where", pairs & ~begins, numbers, other)  # swapped with the first
    strict = op.one("Trilu", matrices, -1, upper=0)
    down = op.one("Unsqueeze", numbers, [1])
    inner = op.one("Unsqueeze", begins, [1]) & op.one("Equal", down, numbers + 1)
    lower = op.one("Where", inner, op.const(0, b.elem), strict)
    between = op.one("ReduceSum", op.one("Where", inner, strict, op.const(0, b.elem)), [1],
                     keepdims=0)  # fmt: skip

    def swapped(k: Value, x: Value) -> Value:
        at = op.one("Unsqueeze", k, [0])
        first, second = (op.one("Gather", v, at, axis=1) for v in (mine, other))  # [B, 1]
        order = op.one("Where", op.one("Equal", numbers, first), second, numbers)
        order = op.one("Where", op.one("Equal", numbers, second), first, order)
        found = op.one("GatherND", x, op.one("Unsqueeze", order, [2]), batch_dims=1)
        found.shape = x.shape
        return found

    def forward(k: Value, x: Value) -> list[Value]:
        x = swapped(k, x)
        at = op.one("Unsqueeze", k, [0])
        return [x - op.one("Gather", lower, at, axis=2) @ op.one("Gather", x, at, axis=1)]

    def back(k: Value, x: Value) -> list[Value]:
        k = size - 1 - k
        at = op.one("Unsqueeze", k, [0])
        less = turned(op, op.one("Gather", lower, at, axis=2)) @ x  # [B, 1, m]
        x = op.one("Where", op.one("Equal", down, k), x - less, x)
        return [swapped(k, x)]

    (found,) = repeat(op, size, [right], forward)
    found = _by_pivots(op, found, diagonal(op, matrices), between, begins)
    (found,) = repeat(op, size, [found], back)
    return unflat(op, found, b)


def _by_pivots(op: OpBuilder, x: Value, pivots: Value, between: Value, begins: Value) -> Value:
    """Solves with the single pivots and the pairs [[a, b], [b, c]] of them.

    Args:
        op: the builder.
        x: the right sides, [B, n, m].
        pivots: the diagonal, [B, n].
        between: what is below it, 0 for single ones.
        begins: whether a pivot is the first of two.
    """
    ends = _shifted(op, op.cast(begins, x.elem), 1, 1) > 0.0
    above = _shifted(op, between, 1, 1)
    one = op.const(1, x.elem)
    off = op.one("Where", begins, between, op.one("Where", ends, above, one))
    a = op.one("Where", ends, _shifted(op, pivots, 1, 1), pivots) / off
    c = op.one("Where", begins, _shifted(op, pivots, -1, 1), pivots) / off
    paired = begins | ends
    scale = op.one("Where", paired, a * c, op.const(2, x.elem)) - one

    def wide(v: Value) -> Value:
        return op.one("Unsqueeze", v, [2])

    upper = x / wide(off)
    first = wide(c) * upper - _shifted(op, upper, -1, 1)
    second = wide(a) * upper - _shifted(op, upper, 1, 1)
    both = op.one("Where", wide(begins), first, second) / wide(scale)
    return op.one("Where", wide(paired), both, x / wide(pivots))


def _shifted(op: OpBuilder, x: Value, by: int, axis: int) -> Value:
    """Moved down along a dimension, or up, with 0 where nothing comes from."""
    ahead = [1 if k == axis and by > 0 else 0 for k in range(x.rank)]
    behind = [1 if k == axis and by < 0 else 0 for k in range(x.rank)]
    wide = op.one("Pad", x, [*ahead, *behind], op.const(0, x.elem))
    start, end = (0, -1) if by > 0 else (1, 2**62)
    found = op.one("Slice", wide, [start], [end], [axis])
    found.shape = x.shape
    return found
