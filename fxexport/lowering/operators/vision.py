"""Torchvision's operators on boxes, and deformable convolution; torchvision is not needed."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()

_ALL_BOXES = 2**31 - 1


@LOWERINGS("torchvision::nms")
def _nms(op: OpBuilder, boxes: Value, scores: Value, iou_threshold: float) -> Value:
    """Non-maximum suppression: the kept boxes' indices, the highest score first.

    Both take the lower index first where scores are equal. A box that is turned inside out overlaps
    nothing in torchvision, where ONNX would turn it round; here it is made a box without area.
    """
    if iou_threshold < 0:
        raise op.refuse("nms with a negative iou_threshold keeps one box; it has no ONNX form")
    order = None
    if scores.elem == ir.DataType.DOUBLE:
        # Only float32 has a kernel. Scores that differ in float64 alone must not become equal.
        count = op.size1(scores, 0)
        order = op.several("TopK", 2, scores, count, axis=0)[1]
        boxes = op.one("Gather", boxes, order, axis=0)
        box_numbers = op.one("Range", 0, op.one("Squeeze", count, [0]), 1)
        scores = -op.cast(box_numbers, ir.DataType.FLOAT)
    boxes, scores = op.cast(boxes, ir.DataType.FLOAT), op.cast(scores, ir.DataType.FLOAT)
    low = op.one("Slice", boxes, [0], [2], [1])
    high = op.one("Max", low, op.one("Slice", boxes, [2], [4], [1]))
    wide = op.one("Unsqueeze", scores, [0, 1])
    wide.limits = [1, 1, scores.limit(0)]
    found = op.one(
        "NonMaxSuppression",
        op.one("Unsqueeze", op.one("Concat", low, high, axis=1), [0]),
        wide,
        op.i64([_ALL_BOXES]),
        op.const([min(iou_threshold, 1.0)], ir.DataType.FLOAT),
    )
    found.shape = ir.Shape([None, 3])
    kept = op.one("Gather", found, op.i64(2), axis=1)  # columns: batch, class, box
    return kept if order is None else op.one("Gather", order, kept, axis=0)


@LOWERINGS("fxexport::batched_nms")
def _batched_nms(
    op: OpBuilder, boxes: Value, scores: Value, idxs: Value, iou_threshold: float
) -> Value:
    """`torchvision.ops.batched_nms`, recorded whole for targets that have a form for it."""
    if iou_threshold < 0:
        raise op.refuse("nms with a negative iou_threshold keeps one box; it has no ONNX form")
    found = op.whole("BatchedNms", boxes, scores, idxs, iou_threshold=min(iou_threshold, 1.0))
    if found is None:
        raise op.refuse("batched_nms as one operator", "export for the target it was captured for")
    return found


def _image_of(op: OpBuilder, rois: Value) -> Value:
    """The first column of boxes: the image that each lies in."""
    return op.cast(op.one("Gather", rois, op.i64(0), axis=1), ir.DataType.INT64)


def _align(
    op: OpBuilder,
    x: Value,
    rois: Value,
    spatial_scale: float,
    height: Operand,
    width: Operand,
    sampling_ratio: int,
    aligned: bool,
) -> Value:
    if not (isinstance(height, int) and isinstance(width, int)):
        raise op.refuse("roi_align to a size that is known only when the model runs")
    pooled = op.one(
        "RoiAlign",
        x,
        op.one("Slice", rois, [1], [5], [1]),
        _image_of(op, rois),
        output_height=height,
        output_width=width,
        sampling_ratio=max(sampling_ratio, 0),
        spatial_scale=spatial_scale,
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
    )
    pooled.shape = ir.Shape([None, x.dims[1], height, width])
    return pooled


@LOWERINGS("torchvision::roi_align")
def _roi_align(
    op: OpBuilder,
    x: Value,
    rois: Value,
    spatial_scale: float,
    height: Operand,
    width: Operand,
    sampling_ratio: int,
    aligned: bool,
) -> Value:
    return _align(op, x, rois, spatial_scale, height, width, sampling_ratio, aligned)


@LOWERINGS("torchvision::ps_roi_align")
def _ps_roi_align(
    op: OpBuilder,
    x: Value,
    rois: Value,
    spatial_scale: float,
    height: Operand,
    width: Operand,
    sampling_ratio: int,
) -> tuple[Value, Value | None]:
    """Each bin has channels of its own: of all bins of all channels, one in ``height * width``.

    A box without area gives 0, as in roi_align, where torchvision divides 0 by 0.
    """
    if op.indices_used:
        raise op.refuse("the channel mapping of ps_roi_align")
    pooled = _align(op, x, rois, spatial_scale, height, width, sampling_ratio, True)
    assert isinstance(height, int) and isinstance(width, int)
    bins = height * width
    number, channels = op.size1(rois, 0), op.size1(x, 1) / bins
    flat = op.reshape(pooled, [number, channels, bins * bins])
    own = op.one("Gather", flat, op.i64(list(range(0, bins * bins, bins + 1))), axis=2)
    return op.reshape(own, [number, channels, height, width]), None


@LOWERINGS("torchvision::ps_roi_pool")
def _ps_roi_pool(
    op: OpBuilder, x: Value, rois: Value, spatial_scale: float, height: Operand, width: Operand
) -> tuple[Value, None]:
    """Means of parts of boxes, each of channels of its own, as products with what is in a part."""
    if op.indices_used:
        raise op.refuse("the channel mapping of ps_roi_pool")
    if not (isinstance(height, int) and isinstance(width, int)):
        raise op.refuse("ps_roi_pool to a size that is known only when the model runs")
    image = op.cast(op.one("Gather", rois, 0, axis=1), ir.DataType.INT64)
    rows, rows_apart = _parts(op, x, rois, spatial_scale, 2, height)
    columns, columns_apart = _parts(op, x, rois, spatial_scale, 3, width)
    number, channels = op.size1(rois, 0), op.size1(x, 1) / (height * width)
    size = [op.size1(x, 2), op.size1(x, 3)]
    own = op.one("Gather", x, image, axis=0)
    own = op.reshape(own, [number, channels, height, width, *size])
    columns = op.reshape(columns, [number, 1, 1, width, size[1], 1])
    rows = op.reshape(rows, [number, 1, height, 1, 1, size[0]])
    total = op.reshape(rows @ (own @ columns), [number, channels, height, width])
    pixels = op.reshape(rows_apart, [number, 1, height, 1]) * op.reshape(
        columns_apart, [number, 1, 1, width]
    )
    return total / op.one("Max", pixels, op.const(1, x.elem)), None


def _parts(
    op: OpBuilder, x: Value, rois: Value, scale: float, axis: int, count: int
) -> tuple[Value, Value]:
    """Which rows (or columns) of pixels are in which part of a box, and how many are.

    Returns:
        Numbers 0 and 1 [boxes, parts, pixels], and their sums [boxes, parts].
    """
    # A box is its image, then x and y of its corners.
    ends = [op.one("Gather", rois, [4 - axis + k], axis=1) * scale for k in (0, 2)]
    # The nearest whole number, halves away from 0.
    first, last = (op.one("Sign", end) * op.one("Floor", op.one("Abs", end) + 0.5) for end in ends)
    part = op.one("Max", last - first, op.const(1, rois.elem)) / float(count)
    number = op.cast(op.i64(list(range(count))), rois.elem)
    begin = op.one("Floor", part * number) + first
    end = op.one("Ceil", part * (number + 1.0)) + first
    size = op.size1(x, axis)
    most = op.cast(size - 1, rois.elem)
    zero = op.const(0, rois.elem)
    begin, end = (op.one("Min", op.one("Max", value, zero), most) for value in (begin, end))
    here = op.cast(op.one("Range", 0, op.one("Squeeze", size, [0]), 1), rois.elem)
    begin, end = op.one("Unsqueeze", begin, [2]), op.one("Unsqueeze", end, [2])
    inside = op.cast(op.one("And", here >= begin, op.one("Less", here, end)), x.elem)
    return inside, op.one("ReduceSum", inside, [2], keepdims=0)


@LOWERINGS("torchvision::roi_pool")
def _roi_pool(
    op: OpBuilder, x: Value, rois: Value, spatial_scale: float, height: Operand, width: Operand
) -> tuple[Value, Value | None]:
    if op.indices_used:
        raise op.refuse("the argmax of roi_pool")
    if not (isinstance(height, int) and isinstance(width, int)):
        raise op.refuse("roi_pool to a size that is known only when the model runs")
    pooled = op.one(
        "MaxRoiPool", x, rois, pooled_shape=[height, width], spatial_scale=spatial_scale
    )
    return pooled, None


@LOWERINGS("torchvision::deform_conv2d")
def _deform_conv2d(
    op: OpBuilder,
    x: Value,
    weight: Value,
    offset: Value,
    mask: Value,
    bias: Value,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int | Value,
    offset_groups: int | Value,
    use_mask: bool,
) -> Value:
    if isinstance(groups, Value) or isinstance(offset_groups, Value):
        raise op.refuse(
            "deform_conv2d of an unknown number of channels, which says how many groups there are",
            "give the channels of its input and of the offsets fixed sizes",
        )
    if op.opset < 19:
        raise op.refuse(
            f"deform_conv2d has no form in opset {op.opset}", "export with opset 19 or newer"
        )
    return op.one(
        "DeformConv",
        x,
        weight,
        offset,
        bias,
        mask if use_mask else None,
        kernel_shape=[size for size in weight.dims[2:] if size is not None],
        strides=[stride_h, stride_w],
        pads=[pad_h, pad_w, pad_h, pad_w],
        dilations=[dilation_h, dilation_w],
        group=groups,
        offset_group=offset_groups,
    )
