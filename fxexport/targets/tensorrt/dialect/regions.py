"""Pooling of regions of interest: RoiAlign by reading its samples, or by weights of the pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Value
from fxexport.lowering.loops import body_input
from fxexport.targets.tensorrt.dialect.sampling import channels_last, corners, outer, positions

__all__ = ["FORMS"]

INT64, FLOAT = ir.DataType.INT64, ir.DataType.FLOAT


def _roi_align(
    op: OpBuilder,
    x: Value,
    rois: Value,
    images: Value,
    *,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
    coordinate_transformation_mode: str = "half_pixel",
) -> Value | None:
    if mode != "avg" or x.shape is None:
        return None
    wide = FLOAT if x.elem in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16) else x.elem
    corner = [
        op.one("Gather", op.cast(rois, wide), op.i64(k), axis=1) * float(spatial_scale)
        for k in range(4)
    ]
    aligned = coordinate_transformation_mode == "half_pixel"
    if aligned:
        corner = [value - 0.5 for value in corner]
    axes = []
    for axis, bins, first in ((2, output_height, 1), (3, output_width, 0)):
        start, size = corner[first], corner[first + 2] - corner[first]
        if not aligned:
            size = op.one("Max", size, 1.0)
        length = op.one("Squeeze", op.size1(x, axis), [0])
        axes.append(_Axis(op, start, size / float(bins), bins, length))
    if sampling_ratio > 0:
        pooled = _by_samples(op, x, images, axes, sampling_ratio)
    else:
        pooled = _by_weights(op, x, images, axes)
    pooled = op.cast(pooled, x.elem)
    pooled.shape = ir.Shape([None, x.dims[1], output_height, output_width])
    return pooled


@dataclass
class _Axis:
    """One dimension of the regions: where they start, their bins, and the pixels there."""

    op: OpBuilder
    start: Value  # [regions]
    bin: Value  # [regions], size of a bin
    bins: int
    length: Value  # pixels

    def samples(self, count: int) -> Value:
        """Where samples lie: [regions, bins * count]."""
        op, dtype = self.op, self.start.elem
        bins = outer(op, positions(op, self.bins, dtype), 1, 3)
        inner = outer(op, positions(op, count, dtype) + 0.5, 2, 3)
        start, width = (outer(op, v, 0, 3) for v in (self.start, self.bin))
        at = start + bins * width + inner * width / float(count)
        at = op.one("Reshape", at, op.i64([-1, self.bins * count]))
        at.shape = ir.Shape([None, self.bins * count])
        return at

    def weights(self) -> Value:
        """What each pixel adds to each bin where the bin's size sets the number of samples.

        Samples of a bin are more than half a pixel apart, unless there is one, so that at most
        four of them are near a pixel; two more are looked at, since rounding may shift them.

        Returns:
            [regions, bins, pixels].
        """
        op, dtype = self.op, self.start.elem
        zero, one = op.const(0, dtype), op.const(1, dtype)
        start, width = (outer(op, v, 0, 3) for v in (self.start, self.bin))
        number = op.one("Ceil", width)  # samples in a bin
        divisor = op.one("Max", number, one)
        pixel = outer(op, positions(op, self.length, dtype), 2, 3)
        bins = outer(op, positions(op, self.bins, dtype), 1, 3)
        corner = start + bins * width
        several = number > one
        apart = op.one("Where", several, width / divisor, one)
        near = op.one("Where", several, op.one("Floor", (pixel - corner) / apart - 0.5), zero)
        length = op.cast(self.length, dtype)
        total: Value | None = None
        for step in range(-2, 4):
            which = near + float(step)
            at = corner + (which + 0.5) * width / divisor
            valid = (which >= zero) & (which < number)
            valid = valid & (at >= op.const(-1, dtype)) & (at <= length)
            clamped = op.one("Min", op.one("Max", at, zero), length - one)
            weight = op.one("Max", one - op.one("Abs", clamped - pixel), zero)
            weight = op.one("Where", valid, weight, zero)
            total = weight if total is None else total + weight
        assert total is not None
        return total / divisor


def _by_samples(op: OpBuilder, x: Value, images: Value, axes: list[_Axis], count: int) -> Value:
    """A fixed number of samples in each bin: each is read from its four pixels."""
    rows = channels_last(op, x)  # [N*H*W, C]
    height, width = (axis.length for axis in axes)
    vertical, horizontal = (
        corners(op, axis.samples(count), axis.length, clamp=True) for axis in axes
    )
    base = outer(op, images, 0, 3) * height  # [regions, 1, 1]
    total: Value | None = None
    for y, weight_y in vertical:
        line = (base + op.one("Unsqueeze", y, [2])) * width
        for k, weight_x in horizontal:
            index = line + op.one("Unsqueeze", k, [1])
            read = op.cast(op.one("Gather", rows, index, axis=0), weight_y.elem)
            weight = op.one("Unsqueeze", weight_y, [2]) * op.one("Unsqueeze", weight_x, [1])
            part = read * op.one("Unsqueeze", weight, [3])
            total = part if total is None else total + part
    assert total is not None
    bins = [axes[0].bins, count, axes[1].bins, count]
    split = op.one("Reshape", total, op.sizes([-1, *bins, op.size(x, 1)]))
    split.shape = ir.Shape([None, *bins, x.dims[1]])
    mean = op.one("ReduceMean", split, [2, 4], keepdims=0)
    return op.one("Transpose", mean, perm=[0, 3, 1, 2])


def _by_weights(op: OpBuilder, x: Value, images: Value, axes: list[_Axis]) -> Value:
    """As many samples as the bins' sizes say: a matrix product for each region, in a loop."""
    rows, columns = (axis.weights() for axis in axes)

    def region(image: Value, row: Value, column: Value) -> Value:
        turned = op.one("Transpose", op.one("Unsqueeze", column, [0]), perm=[0, 2, 1])
        return op.one("Unsqueeze", row, [0]) @ (op.cast(image, row.elem) @ turned)

    return _each_region(op, x, images, axes, (rows, columns), region, rows.elem)


def _each_region(
    op: OpBuilder,
    x: Value,
    images: Value,
    axes: list[_Axis],
    tables: tuple[Value, Value],
    region: Callable[[Value, Value, Value], Value],
    dtype: ir.DataType,
) -> Value:
    """A loop over the regions: `region` pools an image [C, H, W] by its rows of the two tables."""
    label = op.node_names(f"{op.prefix}_regions")
    iteration, going = (
        body_input(op, f"{label}_{name}", kind, ir.Shape([]))
        for name, kind in (("trip", INT64), ("going", ir.DataType.BOOL))
    )

    def write() -> list[Value]:
        image = op.one("Gather", x, op.one("Gather", images, iteration, axis=0), axis=0)
        row, column = (op.one("Gather", table, iteration, axis=0) for table in tables)
        return [op.write("Identity", [going], {})[0], region(image, row, column)]

    kinds = [ir.TensorType(ir.DataType.BOOL), ir.TensorType(dtype)]
    body = op.body(f"{label}_body", [iteration, going], kinds, write)
    count = op.one("Squeeze", op.size1(images, 0), [0])
    (pooled,) = op.write(
        "Loop", [count, op.const(True, ir.DataType.BOOL)], {"body": body}, 1, name=f"{label}_Loop"
    )
    pooled.type = ir.TensorType(dtype)
    pooled.shape = ir.Shape([None] * 4)
    # Without an iteration, what is collected has no size.
    shape = [op.size(images, 0), op.size(x, 1), axes[0].bins, axes[1].bins]
    return op.reshape(pooled, shape)


def _roi_pool(
    op: OpBuilder, x: Value, rois: Value, *, pooled_shape: list[int], spatial_scale: float = 1.0
) -> Value | None:
    """The largest pixel of each bin."""
    if x.shape is None:
        return None
    wide = FLOAT if x.elem in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16) else x.elem
    images = op.cast(op.one("Gather", rois, op.i64(0), axis=1), INT64)
    corner = [
        _rounded(op, op.one("Gather", op.cast(rois, wide), op.i64(k), axis=1), spatial_scale)
        for k in range(1, 5)
    ]
    axes, masks = [], []
    for axis, bins, first in ((2, pooled_shape[0], 1), (3, pooled_shape[1], 0)):
        length = op.one("Squeeze", op.size1(x, axis), [0])
        size = op.one("Max", corner[first + 2] - corner[first] + 1.0, 1.0)
        axes.append(_Axis(op, corner[first], size / float(bins), bins, length))
        masks.append(_covered(op, axes[-1]))
    lowest = op.const(-math.inf, x.elem)

    def region(image: Value, row: Value, column: Value) -> Value:
        wide_image = op.one("Unsqueeze", image, [2])  # [C, H, 1, W]
        lines = op.one("Where", column, wide_image, lowest)  # [C, H, bins, W]
        lines.shape = ir.Shape([None] * 4)
        lines = op.one("ReduceMax", lines, [3], keepdims=0)
        stacked = op.one("Unsqueeze", lines, [1])  # [C, 1, H, bins]
        cells = op.one("Where", op.one("Unsqueeze", row, [2]), stacked, lowest)
        cells.shape = ir.Shape([None] * 4)
        return op.one("ReduceMax", cells, [2], keepdims=0)

    pooled = _each_region(op, x, images, axes, (masks[0], masks[1]), region, x.elem)
    empty = op.one("Equal", pooled, lowest)
    pooled = op.one("Where", empty, op.const(0, x.elem), pooled)
    pooled.shape = ir.Shape([None, x.dims[1], *pooled_shape])
    return pooled


def _rounded(op: OpBuilder, x: Value, scale: float) -> Value:
    """To the nearest integer, halves away from zero."""
    scaled = x * float(scale)
    return op.one("Sign", scaled) * op.one("Floor", op.one("Abs", scaled) + 0.5)


def _covered(op: OpBuilder, axis: _Axis) -> Value:
    """Which pixels lie in which bin: bool[regions, bins, pixels]."""
    dtype = axis.start.elem
    start, width = (outer(op, v, 0, 3) for v in (axis.start, axis.bin))
    bins = outer(op, positions(op, axis.bins, dtype), 1, 3)
    pixel = outer(op, positions(op, axis.length, dtype), 2, 3)
    low = op.one("Floor", bins * width) + start
    high = op.one("Ceil", (bins + 1.0) * width) + start
    return (pixel >= low) & (pixel < high)


FORMS: dict[str, Form] = {"RoiAlign": _roi_align, "MaxRoiPool": _roi_pool}
