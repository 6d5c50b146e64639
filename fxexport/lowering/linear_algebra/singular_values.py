"""Singular values and vectors."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.any_rank import (
    in_batch,
    leading,
    part,
    smaller,
    taken,
    unit,
    wide,
)
from fxexport.lowering.linear_algebra.jacobi import orthogonal_rows
from fxexport.lowering.linear_algebra.matrices import turned
from fxexport.lowering.linear_algebra.reflections import orthonormal, reflected, upper
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


@LOWERINGS("_linalg_svd")
def svd(
    op: OpBuilder,
    x: Value,
    full_matrices: bool = False,
    compute_uv: bool = True,
    *,
    driver: str | None = None,
) -> tuple[Value, Value, Value]:
    """U, the descending singular values, and V transposed; empty ones without vectors.

    The rows of R, of QR factors, are made orthogonal: J R = S V^T, and so U = Q J^T.
    """
    number = smaller(op, x)
    packed, taus = reflected(op, wide(op, x))
    r = upper(op, packed, number)
    largest = op.one("ReduceMax", op.one("Abs", r), [-2, -1], keepdims=1)
    some = op.one("Equal", largest, 0.0)
    largest = op.one("Where", some, op.const(1, r.elem), largest)
    scaled = r / largest
    scaled.shape = r.shape
    if not compute_uv or not op.used & {0, 2}:
        (rows,) = orthogonal_rows(op, scaled, x.elem)
        values, _ = _descending(op, rows, largest, number)
        nothing = op.const([], x.elem)
        return nothing, op.cast(values, x.elem), nothing
    turns = in_batch(op, unit(op, number, number, r.elem), r)
    rows, turns = orthogonal_rows(op, scaled, x.elem, [turns])
    values, order = _descending(op, rows, largest, number)
    turns = taken(op, turned(op, turns), order)
    height, width = [op.size1(x, k) if full_matrices else number for k in (-2, -1)]
    right = _directions(op, taken(op, turned(op, rows), order), number, width)
    left = orthonormal(op, packed, taus, height)
    if full_matrices:
        rest = part(op, left, -1, number, height)
        left = op.one("Concat", leading(op, left, -1, number) @ turns, rest, axis=x.rank - 1)
    else:
        left = left @ turns
    return op.cast(left, x.elem), op.cast(values, x.elem), op.cast(turned(op, right), x.elem)


def _descending(op: OpBuilder, rows: Value, scale: Value, number: Value) -> tuple[Value, Value]:
    """The lengths of rows from the longest on, and the rows' order."""
    lengths = op.one("ReduceL2", rows, [-1], keepdims=0)
    values, order = op.several("TopK", 2, lengths, number, axis=-1, largest=1, sorted=1)
    values.shape = order.shape = ir.Shape(rows.dims[:-1])
    return values * op.one("Squeeze", scale, [-1]), order


def _directions(op: OpBuilder, given: Value, number: Value, width: Value) -> Value:
    """Orthonormal columns in the directions of orthogonal ones, and others behind them.

    Columns of nearly or quite zero have none: QR factors give one orthogonal to the rest.
    """
    packed, taus = reflected(op, given)
    made = orthonormal(op, packed, taus, width)
    triangle = upper(op, packed, number)  # nearly diagonal, of either sign
    unity = unit(op, number, number, given.elem)
    diagonal = op.one("ReduceSum", triangle * unity, [-2], keepdims=1)
    signs = op.one("Where", diagonal < 0.0, op.const(-1, given.elem), op.const(1, given.elem))
    signs.shape = ir.Shape([*given.dims[:-2], 1, given.dims[-1]])
    if made.dims[-1] is not None and made.dims[-1] == signs.dims[-1]:
        return made * signs
    first = leading(op, made, -1, number) * signs
    return op.one("Concat", first, part(op, made, -1, number, width), axis=given.rank - 1)
