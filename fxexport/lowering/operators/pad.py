"""Padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()

Pads = Sequence[int | Value]


def _pads(op: OpBuilder, x: Value, pad: Pads) -> Value:
    """PyTorch's pairs, last dimension first, as ONNX's starts and ends."""
    count = len(pad) // 2
    lead = [0] * (x.rank - count)
    starts = [pad[2 * k] for k in reversed(range(count))]
    ends = [pad[2 * k + 1] for k in reversed(range(count))]
    return op.sizes([*lead, *starts, *lead, *ends])


@LOWERINGS("constant_pad_nd")
def constant_pad(op: OpBuilder, x: Value, pad: Pads, value: Operand = 0) -> Value:
    if all(isinstance(p, int) and p == 0 for p in pad):
        return op.one("Identity", x)
    wide = ir.DataType.INT32 if x.elem in (ir.DataType.INT16, ir.DataType.UINT16) else x.elem
    fill = op.cast(op.cast(0 if value is None else value, x.elem), wide)
    return op.cast(op.one("Pad", op.cast(x, wide), _pads(op, x, pad), fill), x.elem)


def _mode(mode: str) -> Callable[[OpBuilder, Value, Pads], Value]:
    def lowering(op: OpBuilder, x: Value, pad: Pads) -> Value:
        if mode == "edge" and not all(isinstance(p, int) and p >= 0 for p in pad):
            return _replicated(op, x, pad)
        return op.one("Pad", x, _pads(op, x, pad), mode=mode)

    return lowering


def _replicated(op: OpBuilder, x: Value, pad: Pads) -> Value:
    """Replication with padding that may cut: PyTorch repeats an edge that is cut off as well."""
    for k in range(len(pad) // 2):
        axis = x.rank - 1 - k
        size = op.size1(x, axis)
        before, after = op.vector(pad[2 * k]), op.vector(pad[2 * k + 1])
        length = op.one("Squeeze", size + before + after, [0])
        index = op.one("Range", 0, length, 1) - before
        index = op.one("Min", op.one("Max", index, 0), size - 1)
        x = op.one("Gather", x, index, axis=axis)
    return x


for _count in (1, 2, 3):
    LOWERINGS(f"reflection_pad{_count}d")(_mode("reflect"))
    LOWERINGS(f"replication_pad{_count}d")(_mode("edge"))


@LOWERINGS("pad", "_pad_enum")
def pad(
    op: OpBuilder, x: Value, pad: Pads, mode: str | int = "constant", value: Operand = None
) -> Value:
    if isinstance(mode, int):
        mode = ("constant", "reflect", "replicate", "circular")[mode]
    if mode == "constant":
        return constant_pad(op, x, pad, value)
    if mode == "circular" and op.opset < 19:
        raise op.refuse("circular padding", "export with opset 19 or later")
    onnx_mode = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    return _mode(onnx_mode)(op, x, pad)
