"""Finding elements: TensorRT for RTX has no NonZero, and neither has Compress."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Value

__all__ = ["FORMS", "indices_of_true"]

INT64 = ir.DataType.INT64
BOOL = ir.DataType.BOOL


def indices_of_true(op: OpBuilder, mask: Value) -> Value:
    """Where a vector of booleans is true, in order.

    Every true element is written to the index that its running count says, every false one to an
    index beyond the end; the slice up to the count is left.
    """
    number = op.cast(mask, INT64)
    size = op.size1(mask, 0)
    length = op.one("Squeeze", size, [0])
    rank = op.one("CumSum", number, op.i64(0)) - 1
    target = op.one("Where", mask, rank, length)
    count = _read(op, op.one("ReduceSum", number, [0], keepdims=1))
    buffer = op.one("Expand", op.i64(0), size + 1)
    buffer.shape = ir.Shape([None])
    order = op.one("Range", op.i64(0), length, op.i64(1))
    packed = op.one("ScatterElements", buffer, target, order, axis=0)
    found = op.one("Slice", packed, [0], count, [0])
    found.shape = ir.Shape([None])
    return found


def _read(op: OpBuilder, count: Value) -> Value:
    """The same number, in a form that TensorRT does not trace to the inputs.

    What a size is computed from it would compute on the host, and refuses where that begins at an
    input without dynamic sizes ("Network input v is a shape tensor and must have type Int32"). It
    stops at a TopK.
    """
    return op.plain_several("TopK", 2, count, op.i64([1]), axis=0)[0]


def _nonzero(op: OpBuilder, x: Value) -> Value | None:
    if x.shape is None or x.rank == 0:
        return None
    flat = x if x.rank == 1 else op.one("Reshape", x, [-1])
    mask = flat if flat.dtype == BOOL else ~op.one("Equal", flat, op.const(0, flat.elem))
    mask.shape = ir.Shape([None]) if x.rank > 1 else mask.shape
    found = indices_of_true(op, mask)
    if x.rank == 1:
        return op.one("Unsqueeze", found, [0])
    rows = []
    left = found
    for axis in reversed(range(x.rank)):
        if not axis:
            rows.append(op.one("Unsqueeze", left, [0]))
            break
        size = op.one("Max", op.size1(x, axis), op.i64([1]))  # nothing is divided by zero
        rows.append(op.one("Unsqueeze", op.one("Mod", left, size), [0]))
        left = op.one("Div", left, size)
    stacked = op.one("Concat", *reversed(rows), axis=0)
    stacked.shape = ir.Shape([x.rank, None])
    return stacked


def _compress(op: OpBuilder, x: Value, mask: Value, *, axis: int | None = None) -> Value:
    if axis is None:
        x, axis = op.one("Reshape", x, [-1]), 0
    return op.one("Gather", x, indices_of_true(op, mask), axis=axis)


FORMS: dict[str, Form] = {"NonZero": _nonzero, "Compress": _compress}
