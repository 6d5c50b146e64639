"""Max pooling with indices or dilation: the windows' elements side by side, and their largest."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Attribute, Value

__all__ = ["FORMS"]

INT64 = ir.DataType.INT64


def _max_pool(
    op: OpBuilder,
    x: Value,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    _outputs: int = 1,
    **more: Attribute,
) -> tuple[Value, ...] | Value | None:
    count = len(kernel_shape)
    dilations = dilations or [1] * count
    if _outputs == 1 and all(step == 1 for step in dilations):
        return None
    if more.get("ceil_mode") or more.get("storage_order") or x.shape is None:
        return None
    strides, pads = strides or [1] * count, pads or [0] * (2 * count)
    window = _Window(op, x, kernel_shape, strides, pads, dilations)
    stacked = op.one("Concat", *window.elements(), axis=0)
    stacked.shape = ir.Shape([len(window.offsets), *[None] * x.rank])
    values = op.one("ReduceMax", stacked, [0], keepdims=0)
    if _outputs == 1:
        return values
    which: Value = op.one("ArgMax", stacked, axis=0, keepdims=0)
    which.shape = ir.Shape([None] * x.rank)
    return values, window.global_indices(which)


class _Window:
    """The elements that a pooling window covers, one tensor a position within it."""

    def __init__(
        self,
        op: OpBuilder,
        x: Value,
        kernel: Sequence[int],
        strides: Sequence[int],
        pads: Sequence[int],
        dilations: Sequence[int],
    ) -> None:
        self.op, self.x = op, x
        self.count = len(kernel)
        self.first = x.rank - self.count
        self.strides, self.pads = strides, pads
        steps = [range(0, k * d, d) for k, d in zip(kernel, dilations, strict=True)]
        self.offsets = list(itertools.product(*steps))
        padded = x
        if any(pads):
            lead = [0] * self.first
            full = [*lead, *pads[: self.count], *lead, *pads[self.count :]]
            padded = op.one("Pad", x, full, op.const(-math.inf, x.elem), mode="constant")
            padded.shape = ir.Shape([None] * x.rank)
        self.padded = padded
        self.lengths = [
            (op.size1(padded, self.first + k) - (dilations[k] * (kernel[k] - 1) + 1)) / strides[k]
            + 1
            for k in range(self.count)
        ]

    def elements(self) -> list[Value]:
        """For each position in the window, that element of every window."""
        op = self.op
        axes = list(range(self.first, self.x.rank))
        found = []
        for offset in self.offsets:
            ends = [
                (length - 1) * stride + (at + 1)
                for length, stride, at in zip(self.lengths, self.strides, offset, strict=True)
            ]
            end = ends[0] if len(ends) == 1 else op.one("Concat", *ends, axis=0)
            part = op.one("Slice", self.padded, list(offset), end, axes, list(self.strides))
            part.shape = ir.Shape([None] * self.x.rank)
            found.append(op.one("Unsqueeze", part, [0]))
        return found

    def global_indices(self, which: Value) -> Value:
        """Indices over the whole tensor, from the number of the position in the window."""
        op, x = self.op, self.x
        table = op.const(self.offsets, INT64)  # [positions, dims]
        flat: Value | None = None
        for k in range(self.first):
            flat = self._append(flat, self._positions(k, op.size1(x, k)), op.size1(x, k))
        for k in range(self.count):
            axis = self.first + k
            start = self._positions(axis, self.lengths[k]) * self.strides[k] - self.pads[k]
            inside = op.one("Gather", op.one("Gather", table, op.i64(k), axis=1), which, axis=0)
            flat = self._append(flat, start + inside, op.size1(x, axis))
        assert flat is not None
        return flat

    def _positions(self, axis: int, length: Value) -> Value:
        """0, 1, ... along one axis of the result."""
        op = self.op
        line = op.one("Range", op.i64(0), op.one("Squeeze", length, [0]), op.i64(1))
        rest = self.x.rank - 1 - axis
        return op.one("Unsqueeze", line, list(range(1, 1 + rest))) if rest else line

    @staticmethod
    def _append(flat: Value | None, position: Value, size: Value) -> Value:
        return position if flat is None else flat * size + position


FORMS: dict[str, Form] = {"MaxPool": _max_pool}
