"""ONNX forms of the graph's functions on sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeGuard

import onnx_ir as ir
import torch

from fxexport.graph import sequences
from fxexport.graph.sequences import SequenceVal
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.loops import body_input

__all__ = ["lower_sequence"]


def lower_sequence(op: OpBuilder, function: Callable[..., object], args: Sequence[object]) -> Value:
    """Writes one call of a function of `fxexport.graph.sequences`."""
    if isinstance(op.val, SequenceVal) and op.val.dtype == torch.bfloat16:
        raise op.refuse(
            "ONNX has no lists of bfloat16 tensors",
            "convert the items to float32 before they go into the list",
        )
    return _LOWERINGS[function](op, *args)


def _sequence(
    op: OpBuilder, op_type: str, *inputs: Value | None, dtype: ir.DataType, **attributes: int
) -> Value:
    """A node that yields a sequence; `dtype` is that of its items."""
    if op_type == "SequenceEmpty":
        attributes["dtype"] = int(dtype)
    (value,) = op.write(op_type, inputs, attributes)
    value.type = ir.SequenceType(ir.TensorType(dtype))
    return value


def _index(op: OpBuilder, index: Operand) -> Value:
    return op.cast(index, ir.DataType.INT64)


def _of(op: OpBuilder, dtype: torch.dtype, *items: Operand) -> Value:
    kind = dtypes.from_torch(dtype)
    if not items:
        return _sequence(op, "SequenceEmpty", dtype=kind)
    return _sequence(op, "SequenceConstruct", *(op.cast(x, kind) for x in items), dtype=kind)


def _length(op: OpBuilder, sequence: Value) -> Value:
    (value,) = op.write("SequenceLength", [sequence], {})
    value.type, value.shape = ir.TensorType(ir.DataType.INT64), ir.Shape([])
    return value


def _at(op: OpBuilder, sequence: Value, index: Operand) -> Value:
    (value,) = op.write("SequenceAt", [sequence, _index(op, index)], {})
    value.type = ir.TensorType(sequence.elem)
    return value


def _insert(op: OpBuilder, sequence: Value, item: Operand, index: Operand = None) -> Value:
    position = [] if index is None else [_index(op, index)]
    inputs = [sequence, op.cast(item, sequence.elem), *position]
    return _sequence(op, "SequenceInsert", *inputs, dtype=sequence.elem)


def _erase(op: OpBuilder, sequence: Value, index: Operand) -> Value:
    return _sequence(op, "SequenceErase", sequence, _index(op, index), dtype=sequence.elem)


def _cast(op: OpBuilder, sequence: Value, dtype: torch.dtype) -> Value:
    kind = dtypes.from_torch(dtype)
    return _extend(op, _sequence(op, "SequenceEmpty", dtype=kind), sequence)


def _extend(op: OpBuilder, sequence: Value, more: Value) -> Value:
    """ONNX appends one item at a time only: a Loop over the second sequence."""
    kind = sequence.elem
    step = body_input(op, f"{op.prefix}_step", ir.DataType.INT64, ir.Shape([]))
    going = body_input(op, f"{op.prefix}_going", ir.DataType.BOOL, ir.Shape([]))
    so_far = body_input(op, f"{op.prefix}_so_far", ir.SequenceType(ir.TensorType(kind)))

    def iteration() -> list[Value]:
        longer = _insert(op, so_far, _at(op, more, step))
        (on,) = op.write("Identity", [going], {})
        on.type, on.shape = going.type, going.shape
        return [on, longer]

    types: list[ir.TypeProtocol] = [
        ir.TensorType(ir.DataType.BOOL),
        ir.SequenceType(ir.TensorType(kind)),
    ]
    body = op.body(op.node_names(f"{op.prefix}_extend"), [step, going, so_far], types, iteration)
    count = _length(op, more)
    (value,) = op.write("Loop", [count, op.const(True, ir.DataType.BOOL), sequence], {"body": body})
    value.type = ir.SequenceType(ir.TensorType(kind))
    return value


def _rows(op: OpBuilder, rows: Value) -> Value:
    return _sequence(op, "SplitToSequence", rows, axis=0, keepdims=0, dtype=rows.elem)


def _join(op: OpBuilder, parts: Sequence[Operand], dim: int, stacked: bool) -> Value:
    kind = op.dtype
    if not any(_is_sequence(part) for part in parts):
        tensors = [op.cast(part, kind) for part in parts]
        if stacked:
            tensors = [op.one("Unsqueeze", x, [dim]) for x in tensors]
        return op.one("Concat", *tensors, axis=dim)
    first = next(k for k, part in enumerate(parts) if _is_sequence(part))
    whole = parts[first]
    assert isinstance(whole, Value)
    for part in reversed(parts[:first]):
        whole = _insert(op, whole, op.cast(part, kind), 0)
    for part in parts[first + 1 :]:
        whole = _extend(op, whole, part) if _is_sequence(part) else _insert(op, whole, part)
    (value,) = op.write("ConcatFromSequence", [whole], {"axis": dim, "new_axis": int(stacked)})
    value.type = ir.TensorType(kind)
    return value


def _is_sequence(value: Operand) -> TypeGuard[Value]:
    return isinstance(value, Value) and isinstance(value.type, ir.SequenceType)


_LOWERINGS: dict[Callable[..., object], Callable[..., Value]] = {
    sequences.sequence_of: _of,
    sequences.sequence_length: _length,
    sequences.sequence_at: _at,
    sequences.sequence_insert: _insert,
    sequences.sequence_erase: _erase,
    sequences.sequence_extend: _extend,
    sequences.sequence_cast: _cast,
    sequences.sequence_rows: _rows,
    sequences.sequence_join: _join,
}
