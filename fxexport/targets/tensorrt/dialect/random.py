"""Random numbers: TensorRT draws uniform and normal ones, in float32 and float16."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Attribute, Value

__all__ = ["FORMS"]

FLOAT, DOUBLE, INT64 = ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.INT64


def _in_single(op_type: str) -> Form:
    """float64 is float32 for TensorRT in any case."""

    def form(
        op: OpBuilder, like: Value, *, dtype: int = 0, **attributes: Attribute
    ) -> Value | None:
        if (ir.DataType(dtype) if dtype else like.dtype) != DOUBLE:
            return None
        drawn: Value = op.plain(op_type, like, dtype=int(FLOAT), **attributes)
        drawn.shape = like.shape
        return op.cast(drawn, DOUBLE)

    return form


def _multinomial(
    op: OpBuilder, logits: Value, *, sample_size: int = 1, dtype: int = int(ir.DataType.INT32)
) -> Value:
    """A uniform number is looked up among the running sums of the probabilities."""
    sums = op.one("CumSum", op.one("Softmax", op.cast(logits, FLOAT), axis=1), op.i64(1))
    size = op.one("Concat", op.size1(logits, 0), op.i64([sample_size]), axis=0)
    unit = op.one("RandomUniformLike", op.one("Expand", op.const(0, FLOAT), size), dtype=int(FLOAT))
    total = op.one("Slice", sums, [-1], [2**62], [1])
    level = op.one("Unsqueeze", unit * total, [2])
    below = op.one("Unsqueeze", sums, [1]) <= level  # [rows, samples, classes]
    below.shape = ir.Shape([None, sample_size, None])
    place = op.one("ReduceSum", op.cast(below, INT64), [2], keepdims=0)
    # Rounding must not lead beyond the last class that has a probability.
    last = op.one("ArgMax", sums, axis=1, keepdims=1)
    return op.cast(op.one("Min", place, last), ir.DataType(dtype))


FORMS: dict[str, Form] = {
    "RandomUniformLike": _in_single("RandomUniformLike"),
    "RandomNormalLike": _in_single("RandomNormalLike"),
    "Multinomial": _multinomial,
}
