"""Small systems of linear equations, by elimination: ONNX has no operator for them."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value

__all__ = ["LARGEST", "eliminate"]

LARGEST = 32
"""Rows of the largest matrix: some 20 operators are written for each row."""


def eliminate(op: OpBuilder, a: Value, b: Value | None = None) -> tuple[Value, Value]:
    """Solves a x = b with the largest pivot of each column, as LAPACK does.

    Args:
        op: the builder.
        a: square matrices [..., n, n] of floats, n static.
        b: right sides [..., n, m], of the same batch; None for none.

    Returns:
        The solution (the identity without right sides), and the determinant of `a` [...].
    """
    rank, size = a.rank, a.dims[-1]
    assert size is not None
    whole = a if b is None else op.one("Concat", a, b, axis=rank - 1)
    row_numbers = op.const([[k] for k in range(size)], ir.DataType.INT64)  # [n, 1]
    product: Value | None = None
    for k in range(size):
        whole, moved = _pivoted(op, whole, k, size, row_numbers)
        row = _cut(op, whole, rank - 2, k, k + 1)
        pivot = _cut(op, row, rank - 1, k, k + 1)
        signed = op.one("Where", moved, -pivot, pivot)
        product = signed if product is None else product * signed
        # Of a matrix that cannot be inverted the determinant must still be 0.
        row = row / op.one("Where", op.one("Equal", pivot, 0.0), op.const(1, a.elem), pivot)
        column = _cut(op, whole, rank - 1, k, k + 1)
        own = op.one("Equal", row_numbers, op.i64(k))
        whole = op.one("Where", own, row, whole - column * row)
        whole.shape = ir.Shape([*a.dims[:-1], None])
    assert product is not None
    solution = whole if b is None else _cut(op, whole, rank - 1, size, 2**62)
    return solution, op.one("Squeeze", product, [rank - 2, rank - 1])


def _pivoted(
    op: OpBuilder, whole: Value, k: int, size: int, row_numbers: Value
) -> tuple[Value, Value]:
    """With row `k` and the one below with the largest k-th element swapped; whether it was not it.

    Returns:
        The matrices, and bool[..., 1, 1].
    """
    rank = whole.rank
    if k == size - 1:
        return whole, op.const([[False]], ir.DataType.BOOL)
    below = _cut(op, _cut(op, whole, rank - 1, k, k + 1), rank - 2, k, size)
    best = op.one("ArgMax", op.one("Abs", below), axis=rank - 2, keepdims=1) + k  # [..., 1, 1]
    moved = ~op.one("Equal", best, op.i64(k))
    order = op.one("Where", op.one("Equal", row_numbers, best), op.i64(k), row_numbers)
    order = op.one("Where", op.one("Equal", row_numbers, op.i64(k)), best, order)
    order = op.one("Expand", order, op.one("Shape", whole))
    swapped = op.one("GatherElements", whole, order, axis=rank - 2)
    swapped.shape = whole.shape
    return swapped, moved


def _cut(op: OpBuilder, x: Value, axis: int, start: int, end: int) -> Value:
    part = op.one("Slice", x, [start], [end], [axis])
    part.shape = ir.Shape([None] * x.rank)
    return part
