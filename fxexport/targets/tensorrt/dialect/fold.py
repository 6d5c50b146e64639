"""Folding columns back into images (`F.fold`): a transposed convolution with ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Operand, Value

__all__ = ["FORMS"]

FLOAT = ir.DataType.FLOAT


def _col2im(
    op: OpBuilder,
    x: Value,
    image_shape: Operand,
    block_shape: Operand,
    *,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Value | None:
    """Each channel's columns are spread over its image by a kernel of their own."""
    block = op.constant(block_shape) if isinstance(block_shape, Value) else block_shape
    depth = x.dims[1]
    if block is None or depth is None or x.elem in (ir.DataType.DOUBLE, ir.DataType.INT64):
        return None
    kernel = [int(size) for size in np.asarray(block)]
    count = len(kernel)
    positions = math.prod(kernel)
    dilations, strides = list(dilations or [1] * count), list(strides or [1] * count)
    pads = list(pads or [0] * (2 * count))
    image = image_shape if isinstance(image_shape, Value) else op.i64(list(image_shape))  # type: ignore[arg-type]
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    both = op.i64([pads[d] + pads[count + d] for d in range(count)])
    padded = image + both
    steps = op.i64(strides)
    windows = (padded - op.i64(spans)) / steps + 1
    shape = op.one("Concat", op.size1(x, 0), op.i64([depth]), windows, axis=0)
    spread = op.one("Reshape", op.cast(x, FLOAT), shape)
    spread.shape = ir.Shape([x.dims[0], depth, *[None] * count])
    channels = depth // positions
    ones = _one_hot_kernels(kernel, dilations, spans)
    ones = np.tile(ones, (channels, *[1] * (count + 1)))
    summed = op.one(
        "ConvTranspose",
        spread,
        op.const(ones, FLOAT),
        group=channels,
        strides=strides,
    )
    missing = padded - ((windows - 1) * steps + op.i64(spans))
    none = [0] * (count + 2)
    axes = list(range(2, count + 2))
    summed = op.one("Pad", summed, op.one("Concat", op.i64([*none, 0, 0]), missing, axis=0))
    begin = op.i64(pads[:count])
    found = op.one("Slice", summed, begin, begin + image, op.i64(axes))
    found.shape = ir.Shape([x.dims[0], channels, *[None] * count])
    return op.cast(found, x.elem)


def _one_hot_kernels(
    kernel: Sequence[int], dilations: Sequence[int], spans: Sequence[int]
) -> np.ndarray:
    """For each position of the kernel, a kernel with a one there: [positions, 1, *spans].

    Dilation is written out: TensorRT has no transposed convolution with strides and dilations.
    """
    positions = list(itertools.product(*map(range, kernel)))
    ones = np.zeros((len(positions), 1, *spans))
    for row, position in enumerate(positions):
        ones[(row, 0, *(k * d for k, d in zip(position, dilations, strict=True)))] = 1
    return ones


FORMS: dict[str, Form] = {"Col2Im": _col2im}
