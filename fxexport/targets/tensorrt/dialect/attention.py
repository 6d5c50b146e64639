"""Attention in one operator, where TensorRT has kernels for it."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import WholeForm
from fxexport.lowering.builder.values import Value

__all__ = ["WHOLE"]

BOOL = ir.DataType.BOOL
_HALVES = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def _attention(
    op: OpBuilder,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None = None,
    *,
    causal: bool = False,
    scale: float | Value | None = None,
) -> Value | None:
    """One Attention from opset 23, for halves and the usual sizes of heads; None for others.

    In float32 TensorRT has no kernel for it, and it fuses matrix products and softmax by itself.
    Of a row that the mask hides altogether ONNX's operator makes no numbers, PyTorch zeros.
    """
    width = q.dims[-1]
    if len({q, k, v}) < 3:
        return None  # TensorRT's builder crashes on an Attention with two inputs that are one
    if op.opset < 23 or q.elem not in _HALVES or {q.rank, k.rank, v.rank} != {4}:
        return None
    if width is None or width % 8 or not 16 <= width <= 256 or v.dims[-1] != width:
        return None
    if None in (q.dims[1], k.dims[1]) or not {k.elem, v.elem} <= {q.elem}:
        return None
    if causal and (mask is not None or not _same_length(q, k)):
        return None  # where lengths differ, runtimes align the triangle differently
    if mask is not None and (mask.rank < 2 or mask.elem not in (BOOL, q.elem)):
        return None
    if scale is not None and (isinstance(scale, Value) or scale < 0):
        return None
    if mask is not None and mask.rank < 4:
        mask = op.one("Unsqueeze", mask, list(range(4 - mask.rank)))
    found: Value = op.plain("Attention", q, k, v, mask, is_causal=int(causal) or None, scale=scale)
    found.type = ir.TensorType(q.elem)
    found.shape = ir.Shape([q.dims[0], q.dims[1], q.dims[2], width])
    if mask is None:
        return found
    seen = op.one("ReduceMax", mask, [3], keepdims=1)
    if mask.elem != BOOL:
        seen = seen > op.const(float("-inf"), mask.elem)
    return op.one("Where", seen, found, op.const(0, q.elem))


def _same_length(q: Value, k: Value) -> bool:
    if q.shape is None or k.shape is None:
        return False
    a, b = q.shape[2], k.shape[2]
    name = a.value if isinstance(a, ir.SymbolicDim) else a
    other = b.value if isinstance(b, ir.SymbolicDim) else b
    return name is not None and name == other


WHOLE: dict[str, WholeForm] = {"Attention": _attention}
