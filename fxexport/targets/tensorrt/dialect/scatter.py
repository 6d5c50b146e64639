"""Scatter with a reduction: each element gathers what is written to it."""

from __future__ import annotations

import math

import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Value
from fxexport.lowering.operators.shape import transpose_to

__all__ = ["FORMS"]

INT64 = ir.DataType.INT64


def _gathered(
    op: OpBuilder, x: Value, hits: Value, updates: Value, axis: int, reduction: str
) -> Value:
    """Each element of `x` with the updates that hit it, reduced over a dimension.

    Where and not a product with zeros and ones: an infinite update must reach its element alone.
    """
    if reduction in ("add", "mul"):
        neutral = op.const(0 if reduction == "add" else 1, x.elem)
        kind = "ReduceSum" if reduction == "add" else "ReduceProd"
    else:
        neutral = _extreme(op, x.elem, reduction)
        kind = "ReduceMax" if reduction == "max" else "ReduceMin"
    chosen = op.one("Where", hits, updates, neutral)
    chosen.shape = ir.Shape([None] * max(hits.rank, updates.rank))
    total = op.one(kind, chosen, [axis], keepdims=0)
    if reduction == "add":
        return x + total
    if reduction == "mul":
        return x * total
    return op.one("Max" if reduction == "max" else "Min", x, total)


def _extreme(op: OpBuilder, dtype: ir.DataType, reduction: str) -> Value:
    """What max or min never chooses."""
    if dtypes.is_float(dtype):
        return op.const(-math.inf if reduction == "max" else math.inf, dtype)
    import numpy as np

    info = np.iinfo(dtype.numpy())
    return op.const(info.min if reduction == "max" else info.max, dtype)


def _counted(op: OpBuilder, index: Value, size: Value) -> Value:
    """Indices from the start: negative ones count from the end."""
    return op.one(
        "Where", index < op.const(0, index.elem), index + op.cast(size, index.elem), index
    )


def _scatter_elements(
    op: OpBuilder,
    x: Value,
    index: Value,
    updates: Value,
    *,
    axis: int = 0,
    reduction: str | None = None,
) -> Value | None:
    if reduction in (None, "none"):
        return None
    axis %= x.rank
    order = [*(d for d in range(x.rank) if d != axis), axis]
    size = op.size1(x, axis)
    lines, at, new = (transpose_to(op, v, order) for v in (x, index, updates))
    at = _counted(op, at, size)
    last = x.rank - 1
    if not _same_lead(x, index, axis):
        # Lines of x beyond the index get nothing: the index is padded with an index beyond the end.
        lead = [op.size1(lines, d) - op.size1(at, d) for d in range(last)]
        pads = op.one("Concat", op.i64([0] * x.rank), *lead, op.i64([0]), axis=0)
        beyond = op.cast(op.one("Squeeze", size, [0]), at.elem)
        at = op.one("Pad", at, pads, beyond)
        new = op.one("Pad", new, pads, op.const(0, new.elem))
    positions = op.one("Range", op.i64(0), op.one("Squeeze", size, [0]), op.i64(1))
    positions = op.one("Unsqueeze", op.cast(positions, at.elem), [1])  # [size, 1]
    hits = op.one("Equal", op.one("Unsqueeze", at, [last]), positions)  # [..., size, updates]
    hits.shape = ir.Shape([None] * (x.rank + 1))
    new = op.one("Unsqueeze", new, [last])
    written = _gathered(op, lines, hits, new, last + 1, reduction or "")
    written.shape = ir.Shape([None] * x.rank)
    return transpose_to(op, written, [order.index(d) for d in range(x.rank)])


def _same_lead(x: Value, index: Value, axis: int) -> bool:
    return all(
        a is not None and a == b
        for d, (a, b) in enumerate(zip(x.dims, index.dims, strict=True))
        if d != axis
    )


def _scatter_nd(
    op: OpBuilder, x: Value, index: Value, updates: Value, *, reduction: str | None = None
) -> Value | None:
    depth = index.dims[-1]
    if reduction in (None, "none") or depth is None:
        return None
    flat_index = None
    count = op.i64([1])
    for d in range(depth):
        size = op.size1(x, d)
        count = count * size
        part = op.one("Gather", index, op.i64(d), axis=-1)
        part = _counted(op, part, size)
        flat_index = part if flat_index is None else flat_index * size + part
    assert flat_index is not None
    flat = op.one("Reshape", x, op.one("Concat", count, op.i64([-1]), axis=0))
    flat.shape = ir.Shape([None, None])
    flat_index = op.one("Reshape", flat_index, [1, -1])
    number = op.one("Reshape", op.one("Size", flat_index), [1])
    new = op.one("Reshape", updates, op.one("Concat", number, op.i64([-1]), axis=0))
    new = op.one("Unsqueeze", new, [0])  # [1, updates, rest]
    new.shape = ir.Shape([1, None, None])
    positions = op.one("Range", op.i64(0), op.one("Squeeze", count, [0]), op.i64(1))
    hits = op.one("Equal", op.one("Unsqueeze", positions, [1]), flat_index)
    hits.shape = ir.Shape([None, None])
    hits = op.one("Unsqueeze", hits, [2])
    written = _gathered(op, flat, hits, new, 1, reduction or "")
    return op.one("Reshape", written, op.shape(x))


FORMS: dict[str, Form] = {"ScatterElements": _scatter_elements, "ScatterND": _scatter_nd}
