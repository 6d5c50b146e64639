"""Deformable convolution: the pixels under each kernel position are read, then multiplied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Value
from fxexport.targets.tensorrt.dialect.sampling import channels_last, corners, outer, positions

__all__ = ["FORMS"]

INT64, FLOAT = ir.DataType.INT64, ir.DataType.FLOAT


@dataclass
class _Convolution:
    """The sizes of one deformable convolution; `out` are height and width of its result."""

    kernel: Sequence[int]
    strides: Sequence[int]
    pads: Sequence[int]
    dilations: Sequence[int]
    groups: int
    offset_groups: int
    channels: int
    out: list[int | Value]

    @property
    def taps(self) -> int:
        """Positions in the kernel."""
        return self.kernel[0] * self.kernel[1]


def _deform_conv(
    op: OpBuilder,
    x: Value,
    weight: Value,
    offset: Value,
    bias: Value | None = None,
    mask: Value | None = None,
    *,
    kernel_shape: Sequence[int] | None = None,
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    offset_group: int = 1,
) -> Value | None:
    kernel = weight.dims[2:] if kernel_shape is None else list(kernel_shape)
    features, channels = weight.dims[0], weight.dims[1]
    if x.shape is None or len(kernel) != 2 or None in (*kernel, features, channels):
        return None
    assert features is not None and channels is not None
    sizes = _Convolution(
        [int(k) for k in kernel if k is not None],
        strides,
        pads,
        dilations,
        group,
        offset_group,
        channels * group,
        [op.size(offset, 2), op.size(offset, 3)],
    )
    columns = _columns(op, x, offset, mask, sizes)  # [N, groups, channels * taps, pixels]
    table = op.one("Reshape", weight, op.i64([group, features // group, channels * sizes.taps]))
    product = table @ op.cast(columns, x.elem)
    result = op.reshape(product, [op.size(x, 0), features, *sizes.out])
    result.shape = ir.Shape([x.dims[0], features, offset.dims[2], offset.dims[3]])
    if bias is not None:
        result = result + op.one("Unsqueeze", bias, [1, 2])
    return result


def _columns(
    op: OpBuilder, x: Value, offset: Value, mask: Value | None, sizes: _Convolution
) -> Value:
    """For each position of the kernel and each pixel of the result, what is read there."""
    groups, taps = sizes.offset_groups, sizes.taps
    wide = FLOAT if x.elem in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16) else x.elem
    count, height, width = (op.size(x, d) for d in (0, 2, 3))
    shifts = op.reshape(op.cast(offset, wide), [count, groups, taps, 2, *sizes.out])
    shifts.shape = ir.Shape([None, groups, taps, 2, None, None])
    vertical, horizontal = (
        corners(op, _at(op, shifts, axis, sizes), op.vector(size), clamp=False)
        for axis, size in ((0, height), (1, width))
    )
    part = sizes.channels // groups
    split = op.reshape(x, [-1, part, height, width])
    split.shape = ir.Shape([None, part, x.dims[2], x.dims[3]])
    rows = channels_last(op, split)  # [N * offset groups * H * W, channels of a group]
    total_groups = op.vector(count) * groups
    image = positions(op, op.one("Squeeze", total_groups, [0]), INT64)
    image = op.reshape(image, [count, groups, 1, 1, 1])
    image.shape = ir.Shape([None, groups, 1, 1, 1])
    base = image * op.vector(height)
    total: Value | None = None
    for y, weight_y in vertical:
        line = (base + y) * op.vector(width)
        for k, weight_x in horizontal:
            read = op.cast(op.one("Gather", rows, line + k, axis=0), wide)
            read = read * op.one("Unsqueeze", weight_y * weight_x, [5])
            total = read if total is None else total + read
    assert total is not None
    if mask is not None:
        scale = op.reshape(op.cast(mask, wide), [count, groups, taps, *sizes.out, 1])
        scale.shape = ir.Shape([None, groups, taps, None, None, 1])
        total = total * scale
    total.shape = ir.Shape([None, groups, taps, None, None, part])
    turned = op.one("Transpose", total, perm=[0, 1, 5, 2, 3, 4])
    pixels = op.vector(sizes.out[0]) * op.vector(sizes.out[1])
    depth = sizes.channels // sizes.groups * taps
    columns = op.reshape(turned, [count, sizes.groups, depth, op.one("Squeeze", pixels, [0])])
    columns.shape = ir.Shape([None, sizes.groups, depth, None])
    return columns


def _at(op: OpBuilder, shifts: Value, axis: int, sizes: _Convolution) -> Value:
    """Where the kernel's taps lie along one axis: [N, offset groups, taps, H, W]."""
    dtype = shifts.elem
    steps = [divmod(position, sizes.kernel[1])[axis] for position in range(sizes.taps)]
    inner = [step * sizes.dilations[axis] - sizes.pads[axis] for step in steps]
    pixels = positions(op, sizes.out[axis], dtype) * float(sizes.strides[axis])
    regular = outer(op, pixels, 3 + axis, 5) + outer(op, op.const(inner, dtype), 2, 5)
    return op.one("Gather", shifts, op.i64(axis), axis=3) + regular


FORMS: dict[str, Form] = {"DeformConv": _deform_conv}
