"""The factors of elimination: P, L and U, and equations that are solved with them."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.elimination import Factors, eliminated
from fxexport.lowering.linear_algebra.matrices import (
    broadcast,
    cut,
    diagonal,
    flat,
    least,
    range_of,
    taken,
    turned,
    unflat,
)
from fxexport.lowering.linear_algebra.triangular import substituted
from fxexport.lowering.loops import repeat
from fxexport.lowering.registry import LoweringTable

__all__ = ["factors_of", "first_of", "lu_solved"]

LOWERINGS = LoweringTable()

INT32, INT64 = ir.DataType.INT32, ir.DataType.INT64
_NONE = 2**31 - 1


def factors_of(op: OpBuilder, factors: Factors, like: Value) -> tuple[Value, Value, Value]:
    """What PyTorch gives of factors: both in one, the pivots, and where U has a 0 first.

    Args:
        op: the builder.
        factors: the factors.
        like: the matrices, before their batch was made one dimension.
    """
    packed = unflat(op, turned(op, factors.columns), like)
    pivots = unflat(op, op.cast(factors.pivots, INT32), like, 1)
    info = first_of(op, op.one("Equal", diagonal(op, factors.columns), 0.0))
    return packed, pivots, unflat(op, info, like, 0)


def first_of(op: OpBuilder, bad: Value) -> Value:
    """The number of the first column that is true, from 1, or 0: int32[B] of bool[B, n]."""
    numbers = range_of(op, op.size(bad, 1)) + 1
    found = op.one("Where", bad, op.cast(numbers, INT64), op.i64(_NONE))
    # There is one to take even of no columns.
    found = op.one("Pad", found, [0, 0, 0, 1], op.i64(_NONE))
    found.shape = ir.Shape([None, None])
    first = op.one("ReduceMin", found, [1], keepdims=0)
    first.shape = ir.Shape([bad.dims[0]])
    return op.cast(op.one("Where", op.one("Equal", first, op.i64(_NONE)), op.i64(0), first), INT32)


@LOWERINGS("linalg_lu_factor_ex")
def lu_factor(
    op: OpBuilder, x: Value, *, pivot: bool = True, check_errors: bool = False
) -> tuple[Value, Value, Value]:
    _needs_pivots(op, pivot)
    return factors_of(op, eliminated(op, flat(op, x)), x)


@LOWERINGS("linalg_lu")
def lu(op: OpBuilder, x: Value, *, pivot: bool = True) -> tuple[Value, Value, Value]:
    _needs_pivots(op, pivot)
    factors = eliminated(op, flat(op, x))
    parts = _permutation(op, factors.order, x.elem), *_parts(op, turned(op, factors.columns))
    p, lower, upper = (unflat(op, part, x) for part in parts)
    return p, lower, upper


def _needs_pivots(op: OpBuilder, pivot: bool) -> None:
    if not pivot:
        raise op.refuse(
            "LU without pivoting, which PyTorch has on CUDA alone", "leave pivot=False out"
        )


@LOWERINGS("lu_unpack")
def lu_unpack(
    op: OpBuilder,
    packed: Value,
    pivots: Value,
    unpack_data: bool = True,
    unpack_pivots: bool = True,
) -> tuple[Value, Value, Value]:
    matrices = flat(op, packed)
    none = op.const([], packed.elem)
    p = lower = upper = none
    if unpack_pivots:
        order = _order(op, flat(op, pivots, 1), op.size(packed, -2))
        p = unflat(op, _permutation(op, order, packed.elem), packed)
    if unpack_data:
        lower, upper = (unflat(op, part, packed) for part in _parts(op, matrices))
    return p, lower, upper


def _permutation(op: OpBuilder, order: Value, dtype: ir.DataType) -> Value:
    """The matrix with a 1 in row `order[k]` of column k: [B, r, r] of int64[B, 1, r]."""
    rows = op.one("Unsqueeze", range_of(op, op.size(order, 2)), [1])
    return op.cast(op.one("Equal", rows, order), dtype)


def _parts(op: OpBuilder, packed: Value) -> tuple[Value, Value]:
    """The lower factor, with its ones, and the upper one."""
    rows, columns = op.size(packed, 1), op.size(packed, 2)
    size = least(op, rows, columns)
    lower = op.one("Trilu", cut(op, packed, 2, size), -1, upper=0)
    down, across = range_of(op, rows), range_of(op, size)
    own = op.one("Equal", op.one("Unsqueeze", down, [1]), across)
    lower = lower + op.cast(own, packed.elem)
    return lower, op.one("Trilu", cut(op, packed, 1, size), 0, upper=1)


def _order(op: OpBuilder, pivots: Value, rows: int | Value) -> Value:
    """The row that each one is after all swaps: int64[B, 1, r] of pivots [B, s]."""
    numbers = range_of(op, rows)
    swaps = op.cast(pivots, INT64) - 1
    sizes = op.one("Concat", op.size1(pivots, 0), op.vector(rows), axis=0)
    start = op.one("Expand", numbers, sizes)
    start.shape = ir.Shape([pivots.dims[0], numbers.dims[0]])

    def swapped(k: Value, order: Value) -> list[Value]:
        at = op.one("Unsqueeze", k, [0])
        where = op.one("Gather", swaps, at, axis=1)
        mine = op.one("Gather", order, at, axis=1)
        other = op.one("GatherElements", order, where, axis=1)
        order = op.one("Where", op.one("Equal", numbers, where), mine, order)
        return [op.one("Where", op.one("Equal", numbers, k), other, order)]

    steps = op.size(pivots, 1)
    (order,) = repeat(op, op.cast(steps, INT64), [start], swapped)
    return op.one("Unsqueeze", order, [1])


@LOWERINGS("linalg_lu_solve")
def lu_solve(
    op: OpBuilder,
    packed: Value,
    pivots: Value,
    b: Value,
    *,
    left: bool = True,
    adjoint: bool = False,
) -> Value:
    order = unflat(op, _order(op, flat(op, pivots, 1), op.size(packed, -1)), packed)
    packed, order, b = (
        broadcast(op, packed, b),
        broadcast(op, order, b),
        broadcast(op, b, packed),
    )
    right = flat(op, b)
    columns, order = turned(op, flat(op, packed)), flat(op, order)
    if left:
        found = lu_solved(op, columns, order, turned(op, right), adjoint=adjoint)
        return unflat(op, turned(op, found), b)
    return unflat(op, lu_solved(op, columns, order, right, adjoint=not adjoint), b)


def lu_solved(op: OpBuilder, columns: Value, order: Value, right: Value, *, adjoint: bool) -> Value:
    """Solves A x = b with the factors of A, or A' x = b.

    Args:
        op: the builder.
        columns: the factors, transposed: [B, n, n].
        order: the row of A that each of their rows is, int64[B, 1, n].
        right: the right sides, transposed: [B, m, n].
        adjoint: whether A is to be transposed.

    Returns:
        The solutions, transposed: [B, m, n].
    """
    if not adjoint:
        found = substituted(op, columns, taken(op, right, order), upper=False, unit=True)
        return substituted(op, columns, found, upper=True)
    rows = turned(op, columns)
    found = substituted(op, rows, right, upper=False)
    found = substituted(op, rows, found, upper=True, unit=True)
    numbers = range_of(op, op.size(order, 2))
    numbers = op.one("Expand", numbers, op.shape(order))
    numbers.shape = order.shape
    back = op.one("ScatterElements", order, order, numbers, axis=2)
    return taken(op, found, back)
