"""ONNX forms of the graph's functions on text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from fxexport.graph.texts import text_of
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value

__all__ = ["lower_text"]

# The opset that has StringConcat.
_JOINING = 20


def lower_text(op: OpBuilder, function: Callable[..., object], args: Sequence[object]) -> Value:
    """Writes one call of a function of `fxexport.graph.texts`."""
    return _joined(op, *args) if function is text_of else _chosen(op, *args)


def _joined(op: OpBuilder, *parts: object) -> Value:
    whole, *others = (_text(op, part) for part in parts)
    if others and op.opset < _JOINING:
        raise op.refuse(
            f"text is put together of a number and other text, for which ONNX has no operator "
            f"before opset {_JOINING}",
            f"export with opset={_JOINING} or newer",
        )
    for other in others:
        whole = _string(op, "StringConcat", whole, other)
    return whole


def _text(op: OpBuilder, part: object) -> Value:
    """A part as text, as Python writes it."""
    if isinstance(part, Value):
        if part.dtype == ir.DataType.STRING:
            return part
        if part.dtype == ir.DataType.BOOL:
            return _string(op, "Where", part, _constant(op, "True"), _constant(op, "False"))
        return _string(op, "Cast", part, to=int(ir.DataType.STRING))
    return _constant(op, str(part))


def _chosen(op: OpBuilder, index: object, *texts: object) -> Value:
    if all(isinstance(text, str) for text in texts):
        table = _constant(op, [str(text) for text in texts])
    else:
        rows = [_string(op, "Unsqueeze", _text(op, text), op.i64([0])) for text in texts]
        table = _string(op, "Concat", *rows, axis=0)
    assert isinstance(index, (int, Value))
    return _string(op, "Gather", table, op.cast(index, ir.DataType.INT64), axis=0)


def _string(op: OpBuilder, op_type: str, *inputs: Value, **attributes: int) -> Value:
    (value,) = op.write(op_type, inputs, attributes)
    value.type = ir.TensorType(ir.DataType.STRING)
    return value


def _constant(op: OpBuilder, text: str | list[str]) -> Value:
    shape = [] if isinstance(text, str) else [len(text)]
    texts = [text] if isinstance(text, str) else text
    tensor = ir.StringTensor([one.encode() for one in texts], shape=ir.Shape(shape))
    value: Value = op.write("Constant", [], {"value": tensor})[0]
    value.type, value.shape = ir.TensorType(ir.DataType.STRING), ir.Shape(shape)
    return value
