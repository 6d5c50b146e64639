"""Non-maximum suppression as a loop over the boxes, the best first."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form, WholeForm
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.loops import repeat
from fxexport.targets.tensorrt.dialect.index import indices_of_true

__all__ = ["FORMS", "WHOLE"]

_APART = 4000
"""Up to so many numbers in its boxes, torchvision moves classes apart (on the CPU)."""

BOOL, INT32, INT64 = ir.DataType.BOOL, ir.DataType.INT32, ir.DataType.INT64


def _nms(
    op: OpBuilder,
    boxes: Value,
    scores: Value,
    limit: Operand = None,
    iou_threshold: Operand = None,
    score_threshold: Operand = None,
    *,
    center_point_box: int = 0,
) -> Value | None:
    """One image and one class, without a score threshold; anything else is left as it is."""
    one = boxes.dims[:1] == [1] and scores.dims[:2] == [1, 1]
    if not one or score_threshold is not None or center_point_box or limit is None:
        return None
    row = op.one("Squeeze", scores, [0, 1])
    row.limits = [scores.limit(2)]
    count = op.size1(row, 0)
    order: Value = op.several("TopK", 2, row, count, axis=0)[1]
    sorted_boxes = op.one("Gather", op.one("Squeeze", boxes, [0]), order, axis=0)
    sorted_boxes.shape = ir.Shape([None, 4])
    overlapped = _overlapped(op, sorted_boxes, iou_threshold, count)
    picked = _picked(op, order, overlapped, count)
    most = limit if isinstance(limit, Value) else op.i64([int(limit)])  # type: ignore[arg-type]
    picked = op.one("Slice", picked, [0], op.vector(most), [0])
    column = op.one("Unsqueeze", picked, [1])
    zeros = column * op.i64(0)
    found = op.one("Concat", zeros, zeros, column, axis=1)
    found.shape = ir.Shape([None, 3])
    return found


def _batched_nms(
    op: OpBuilder, boxes: Value, scores: Value, idxs: Value, *, iou_threshold: float
) -> Value:
    """`torchvision.ops.batched_nms` on the CPU: boxes of other classes are left alone.

    As there, few boxes are moved apart by their class, and the overlaps of many are not rounded by
    that: then only those of one class count.
    """
    count = op.size1(scores, 0)
    order: Value = op.several("TopK", 2, scores, count, axis=0)[1]
    boxes = op.one("Gather", boxes, order, axis=0)
    boxes.shape = ir.Shape([None, 4])
    kind = op.one("Gather", idxs, order, axis=0)
    kind.shape = ir.Shape([None])
    low = op.one("Slice", boxes, [0], [2], [1])
    high = op.one("Max", low, op.one("Slice", boxes, [2], [4], [1]))
    numbers = op.one("Reshape", boxes, [-1])
    numbers.shape = ir.Shape([None])
    lowest = op.const([np.finfo(boxes.elem.numpy()).min], boxes.elem)  # so that there is a maximum
    largest = op.one("ReduceMax", op.one("Concat", numbers, lowest, axis=0), [0], keepdims=0)
    few = _counted(op, scores) <= op.const(_APART // 4, INT32)
    apart = op.one("Where", few, op.cast(kind, boxes.elem), op.const(0, boxes.elem))
    shift = op.one("Unsqueeze", apart * (largest + 1.0), [1])
    moved = op.one("Concat", low + shift, high + shift, axis=1)
    moved.shape = ir.Shape([None, 4])
    overlapped = _overlapped(op, moved, iou_threshold, count)
    same = op.one("Equal", op.one("Unsqueeze", kind, [0]), op.one("Unsqueeze", kind, [1])) | few
    overlapped = overlapped * op.cast(same, INT32)
    return _picked(op, order, overlapped, count)


def _counted(op: OpBuilder, x: Value) -> Value:
    """The number of elements of a vector of floats, from its elements.

    TensorRT does not compute with a size that the data decides, other than as a size.
    """
    ones = op.cast(x > op.const(math.inf, x.elem), INT32) + op.const(1, INT32)
    return op.one("ReduceSum", ones, [0], keepdims=1)


def _picked(op: OpBuilder, order: Value, overlapped: Value, count: Value) -> Value:
    """The boxes that are left, the best first."""
    kept = _surviving(op, overlapped, count)
    return op.one("Gather", order, indices_of_true(op, kept), axis=0)


def _overlapped(op: OpBuilder, boxes: Value, threshold: Operand, count: Value) -> Value:
    """For each box, the later ones that it suppresses: int32[boxes, boxes]."""
    first, second = (op.one("Slice", boxes, [k], [k + 2], [1]) for k in (0, 2))
    low, high = op.one("Min", first, second), op.one("Max", first, second)
    zero = op.const(0, boxes.elem)
    area = op.one("ReduceProd", high - low, [1], keepdims=0)
    top = op.one("Max", op.one("Unsqueeze", low, [1]), op.one("Unsqueeze", low, [0]))
    bottom = op.one("Min", op.one("Unsqueeze", high, [1]), op.one("Unsqueeze", high, [0]))
    inter = op.one("ReduceProd", op.one("Max", bottom - top, zero), [2], keepdims=0)
    union = op.one("Unsqueeze", area, [1]) + op.one("Unsqueeze", area, [0]) - inter
    limit = op.cast(op.const(0, boxes.elem) if threshold is None else threshold, boxes.elem)
    close = ((inter / union) > limit) & (union > zero)
    box_numbers = op.one("Range", op.i64(0), op.one("Squeeze", count, [0]), op.i64(1))
    later = op.one("Unsqueeze", box_numbers, [0]) > op.one("Unsqueeze", box_numbers, [1])
    hits = op.cast(close & later, INT32)
    hits.shape = ir.Shape([None, None])
    return hits


def _surviving(op: OpBuilder, overlapped: Value, count: Value) -> Value:
    """Which boxes no surviving better one suppresses."""
    start = op.one("Expand", op.const(1, INT32), count)
    start.shape = ir.Shape([None])

    def step(number: Value, alive: Value) -> list[Value]:
        hits = op.one("Gather", overlapped, number, axis=0)
        own = op.one("Gather", alive, number, axis=0)
        return [alive * (op.const(1, INT32) - hits * own)]

    (rest,) = repeat(op, op.one("Squeeze", count, [0]), [start], step)
    return rest > op.const(0, INT32)


WHOLE: dict[str, WholeForm] = {"BatchedNms": _batched_nms}
FORMS: dict[str, Form] = {"NonMaxSuppression": _nms}
