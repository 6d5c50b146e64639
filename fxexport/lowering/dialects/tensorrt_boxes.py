"""Non-maximum suppression as a loop over the boxes, the best first."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder import OpBuilder, Operand
from fxexport.lowering.dialects import Form
from fxexport.lowering.dialects.tensorrt_index import places_of
from fxexport.lowering.values import Value

__all__ = ["FORMS"]

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
    order: Value = op.emit("TopK", row, count, axis=0, _outputs=2)[1]
    sorted_boxes = op.one("Gather", op.one("Squeeze", boxes, [0]), order, axis=0)
    sorted_boxes.shape = ir.Shape([None, 4])
    overlapped = _overlapped(op, sorted_boxes, iou_threshold, count)
    kept = _surviving(op, overlapped, count)
    picked = op.one("Gather", order, places_of(op, kept), axis=0)
    most = limit if isinstance(limit, Value) else op.i64([int(limit)])  # type: ignore[arg-type]
    picked = op.one("Slice", picked, [0], op.vector(most), [0])
    column = op.one("Unsqueeze", picked, [1])
    zeros = column * op.i64(0)
    found = op.one("Concat", zeros, zeros, column, axis=1)
    found.shape = ir.Shape([None, 3])
    return found


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
    places = op.one("Range", op.i64(0), op.one("Squeeze", count, [0]), op.i64(1))
    later = op.one("Unsqueeze", places, [0]) > op.one("Unsqueeze", places, [1])
    hits = op.cast(close & later, INT32)
    hits.shape = ir.Shape([None, None])
    return hits


def _surviving(op: OpBuilder, overlapped: Value, count: Value) -> Value:
    """Which boxes no surviving better one suppresses."""
    label = op.node_names(f"{op.prefix}_nms")

    def entering(name: str, dtype: ir.DataType, rank: int) -> Value:
        return Value(
            op,
            name=op.names(f"{label}_{name}"),
            type=ir.TensorType(dtype),
            shape=ir.Shape([None] * rank),
        )

    trip, going = entering("trip", INT64, 0), entering("going", BOOL, 0)
    alive = entering("alive", INT32, 1)

    def write() -> list[Value]:
        hits = op.one("Gather", overlapped, trip, axis=0)
        own = op.one("Gather", alive, trip, axis=0)
        left = alive * (op.const(1, INT32) - hits * own)
        return [op.write("Identity", [going], {})[0], left]

    kinds = [ir.TensorType(BOOL), ir.TensorType(INT32)]
    body = op.body(f"{label}_body", [trip, going, alive], kinds, write)
    start = op.one("Expand", op.const(1, INT32), count)
    trips = op.one("Squeeze", count, [0])
    (rest,) = op.write(
        "Loop", [trips, op.const(True, BOOL), start], {"body": body}, 1, name=f"{label}_Loop"
    )
    rest.type = ir.TensorType(INT32)
    rest.shape = ir.Shape([None])
    return rest > op.const(0, INT32)


FORMS: dict[str, Form] = {"NonMaxSuppression": _nms}
