"""Eigenvalues and eigenvectors of symmetric matrices."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.any_rank import (
    count_up,
    taken,
    unit,
    wide,
)
from fxexport.lowering.linear_algebra.jacobi import orthogonal_rows
from fxexport.lowering.linear_algebra.matrices import turned
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


@LOWERINGS("_linalg_eigh")
def eigh(op: OpBuilder, x: Value, UPLO: str = "L", compute_v: bool = True) -> tuple[Value, Value]:
    """Ascending eigenvalues, and eigenvectors as columns; none is an empty tensor.

    With its norm added twice to the diagonal, a matrix has eigenvalues from once to three times
    it, and is the product of orthogonal rows and their lengths: rows of eigenvectors.
    """
    size = op.size1(x, -1)
    given = wide(op, x)
    if None in x.dims[-2:]:
        # Both sizes as one: TensorRT's builder crashes on two that are equal.
        batch = op.one("Shape", x, start=0, end=x.rank - 2)
        given = op.one("Reshape", given, op.one("Concat", batch, size, size, axis=0), allowzero=1)
        given.shape = x.shape
    across = count_up(op, size)
    down = op.one("Unsqueeze", across, [1])
    read = across <= down if UPLO.upper() == "L" else across >= down
    a = op.one("Where", read, given, turned(op, given))
    a.shape = x.shape
    norm = op.one(
        "ReduceMax", op.one("ReduceSum", op.one("Abs", a), [-1], keepdims=1), [-2], keepdims=1
    )
    norm = op.one("Where", op.one("Equal", norm, 0.0), op.const(1, a.elem), norm)
    small = a / norm
    small.shape = x.shape
    (rows,) = orthogonal_rows(op, small + unit(op, size, size, a.elem) * 2.0, x.elem)
    rows = rows / op.one("ReduceL2", rows, [-1], keepdims=1)
    rows.shape = x.shape
    # Of these vectors the matrix itself says the eigenvalues: nothing that was added is left.
    values = op.one("ReduceSum", (rows @ small) * rows, [-1], keepdims=0)
    values.shape = ir.Shape(x.dims[:-1])
    values, order = op.several("TopK", 2, values, size, axis=-1, largest=0, sorted=1)
    values.shape = order.shape = ir.Shape(x.dims[:-1])
    values = op.cast(values * op.one("Squeeze", norm, [-1]), x.elem)
    if not compute_v or 1 not in op.used:
        return values, op.const([], x.elem)
    return values, op.cast(taken(op, turned(op, rows), order), x.elem)
