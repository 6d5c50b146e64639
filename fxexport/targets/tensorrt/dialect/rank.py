"""Operators that TensorRT has for some ranks and dtypes only."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Attribute, Operand, Value
from fxexport.lowering.linear_algebra.equations import determinant

__all__ = ["FORMS"]

BOOL = ir.DataType.BOOL
INT32 = ir.DataType.INT32


def _one_axis(op_type: str) -> Form:
    """Softmax and its kin need two dimensions."""

    def form(op: OpBuilder, x: Value, *, axis: int = -1, **attributes: Attribute) -> Value | None:
        if x.shape is None or x.rank != 1:
            return None
        wide = op.one("Unsqueeze", x, [0])
        return op.one("Squeeze", op.plain(op_type, wide, axis=1, **attributes), [0])

    return form


def _arg(op_type: str) -> Form:
    """ArgMax and ArgMin need two dimensions, and floats."""

    def form(
        op: OpBuilder, x: Value, *, axis: int = 0, keepdims: int = 1, **attributes: Attribute
    ) -> Value | None:
        if x.shape is None or x.rank != 1:
            return None
        wide = op.one("Unsqueeze", x, [0])
        found: Value = op.plain(op_type, wide, axis=1, keepdims=1, **attributes)
        flat = op.one("Squeeze", found, [0])
        return flat if keepdims else op.one("Squeeze", flat, [0])

    return form


def _reduce_bool(op_type: str) -> Form:
    """Reductions of booleans go through integers."""

    def form(op: OpBuilder, x: Value, *args: Operand, **attributes: Attribute) -> Value | None:
        if x.dtype != BOOL:
            return None
        found: Value = op.plain(op_type, op.cast(x, INT32), *args, **attributes)
        return op.cast(found, BOOL)

    return form


def _matmul(op: OpBuilder, a: Value, b: Value) -> Value | None:
    """Integers are multiplied and summed: in floats they would lose digits."""
    if dtypes.is_float(a.elem) or a.shape is None or b.shape is None:
        return None
    rows = a if a.rank > 1 else op.one("Unsqueeze", a, [0])
    columns = b if b.rank > 1 else op.one("Unsqueeze", b, [1])
    left = op.one("Unsqueeze", rows, [rows.rank])  # [..., m, k, 1]
    right = op.one("Unsqueeze", columns, [columns.rank - 2])  # [..., 1, k, n]
    product = left * right
    total = op.one("ReduceSum", product, [-2], keepdims=0)
    rank = max(rows.rank, columns.rank)
    total.shape = ir.Shape([None] * rank)
    gone = [k for k, given in ((rank - 2, a), (rank - 1, b)) if given.rank == 1]
    return op.one("Squeeze", total, gone) if gone else total


def _onehot(
    op: OpBuilder, x: Value, depth: Operand, values: Operand, *, axis: int = -1
) -> Value | None:
    """The depth must be a constant; else classes are compared with a range."""
    if not isinstance(depth, Value) or op.constant(depth) is not None or x.shape is None:
        return None
    depth = op.one("Reshape", op.cast(depth, x.elem), op.i64([]))
    off_on = values if isinstance(values, Value) else op.i64(list(values))  # type: ignore[arg-type]
    classes = op.one("Range", op.const(0, x.elem), depth, op.const(1, x.elem))
    dim = axis % (x.rank + 1)
    wide = op.one("Unsqueeze", x, [dim])
    wide = op.one("Where", wide < op.const(0, x.elem), wide + depth, wide)
    after = x.rank - dim
    if after:
        classes = op.one("Unsqueeze", classes, list(range(1, 1 + after)))
    off, on = (op.one("Gather", off_on, op.i64(k), axis=0) for k in (0, 1))
    found = op.one("Equal", wide, classes)
    found.shape = ir.Shape([None] * (x.rank + 1))
    return op.one("Where", found, on, off)


def _det(op: OpBuilder, x: Value) -> Value | None:
    """By elimination, for matrices of a fixed size."""
    if x.shape is None or x.dims[-1] is None:
        return None
    return determinant(op, x)


FORMS: dict[str, Form] = {
    "Softmax": _one_axis("Softmax"),
    "LogSoftmax": _one_axis("LogSoftmax"),
    "Hardmax": _one_axis("Hardmax"),
    "ArgMax": _arg("ArgMax"),
    "ArgMin": _arg("ArgMin"),
    "ReduceMax": _reduce_bool("ReduceMax"),
    "ReduceMin": _reduce_bool("ReduceMin"),
    "MatMul": _matmul,
    "OneHot": _onehot,
    "Det": _det,
}
