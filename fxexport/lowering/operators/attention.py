"""Attention."""

from __future__ import annotations

import math

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.operators.softmax import masked_softmax
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
BOOL = ir.DataType.BOOL
INT64 = ir.DataType.INT64

Scale = float | Value | None


def attend(
    op: OpBuilder,
    q: Value,
    k: Value,
    v: Value,
    mask: Value | None,
    dropout: float,
    causal: bool,
    scale: Scale,
    grouped: bool,
) -> Value:
    """softmax(q k / sqrt(d) + mask) v, with zeros where a row is masked altogether.

    In single steps, unless the dialect takes it whole: ONNX Runtime fuses what it has a kernel for.
    """
    if dropout:
        raise op.refuse("attention with dropout", "call model.eval(), or pass dropout_p=0.0")
    whole = op.whole("Attention", q, k, v, mask, causal=causal, scale=scale)
    if whole is not None:
        return whole
    dtype = q.elem
    if dtype == ir.DataType.BFLOAT16:  # PyTorch's kernel rounds once, at the end
        q, k, v = (op.cast(x, ir.DataType.FLOAT) for x in (q, k, v))
    if grouped:
        k, v = _repeat_heads(op, q, k), _repeat_heads(op, q, v)
    scores = (q * _root_scale(op, q, scale)) @ _turned(op, k, scale, q)
    scores.shape = ir.Shape([None] * max(q.rank, k.rank))
    last = scores.rank - 1
    if causal:
        mask = _causal(op, q, k)
    if mask is None:
        weights = op.one("Softmax", scores, axis=last)
    elif mask.elem == BOOL:
        hidden = op.one("Where", mask, scores, op.const(float("-inf"), scores.elem))
        hidden.shape = scores.shape
        weights = masked_softmax(op, hidden, last)
    else:
        shifted = scores + op.cast(mask, scores.elem)
        shifted.shape = scores.shape
        weights = masked_softmax(op, shifted, last)
    return op.cast(weights @ v, dtype)


def _root_scale(op: OpBuilder, q: Value, scale: Scale) -> Value:
    if isinstance(scale, Value):
        return op.one("Sqrt", op.cast(scale, q.elem))
    if scale is not None:
        return op.const(math.sqrt(scale) if scale >= 0 else 1.0, q.elem)
    width = q.dims[-1]
    if width is not None:
        return op.const(width**-0.25, q.elem)
    size = op.cast(op.size(q, -1), q.elem)
    return op.one("Pow", size, -0.25)


def _turned(op: OpBuilder, k: Value, scale: Scale, q: Value) -> Value:
    perm = list(range(k.rank))
    perm[-1], perm[-2] = perm[-2], perm[-1]
    turned = op.one("Transpose", k, perm=perm)
    if isinstance(scale, (int, float)) and scale < 0:
        return turned * float(scale)
    return turned * _root_scale(op, q, scale)


def _causal(op: OpBuilder, q: Value, k: Value) -> Value:
    rows = op.one("Range", 0, op.cast(op.size(q, -2), INT64), 1)
    columns = op.one("Range", 0, op.cast(op.size(k, -2), INT64), 1)
    return columns <= op.one("Unsqueeze", rows, [1])


def _repeat_heads(op: OpBuilder, q: Value, x: Value) -> Value:
    heads, own = op.size(q, -3), op.size(x, -3)
    if isinstance(heads, int) and heads == own:
        return x
    axis = x.rank - 3
    wide = op.one("Unsqueeze", x, [axis + 1])
    shape: list[int | Value] = [1] * wide.rank
    if isinstance(heads, int) and isinstance(own, int):
        shape[axis + 1] = heads // own
    else:
        # As many heads as its branch left. Of none, none are repeated.
        shape[axis + 1] = op.vector(heads) / op.one("Max", op.vector(own), op.i64([1]))
    wide = op.one("Expand", wide, op.sizes(shape))
    sizes = [op.size(x, d) for d in range(x.rank)]
    sizes[axis] = heads
    result = op.reshape(wide, sizes)
    result.shape = ir.Shape([d if isinstance(d, int) else None for d in sizes])
    return result


@LOWERINGS("scaled_dot_product_attention")
def attention(
    op: OpBuilder,
    q: Value,
    k: Value,
    v: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: Scale = None,
    enable_gqa: bool = False,
) -> Value:
    return attend(op, q, k, v, attn_mask, dropout_p, is_causal, scale, enable_gqa)


@LOWERINGS("_scaled_dot_product_flash_attention_for_cpu")
def flash_attention_cpu(
    op: OpBuilder,
    q: Value,
    k: Value,
    v: Value,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Value | None = None,
    scale: Scale = None,
) -> tuple[Value, None]:
    grouped = q.dims[-3] != k.dims[-3]
    return attend(op, q, k, v, attn_mask, dropout_p, is_causal, scale, grouped), None


@LOWERINGS("_scaled_dot_product_attention_math")
def attention_math(
    op: OpBuilder,
    q: Value,
    k: Value,
    v: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    dropout_mask: Value | None = None,
    *,
    scale: Scale = None,
    enable_gqa: bool = False,
) -> tuple[Value, None]:
    return attend(op, q, k, v, attn_mask, dropout_p, is_causal, scale, enable_gqa), None


@LOWERINGS("_scaled_dot_product_efficient_attention")
def efficient_attention(
    op: OpBuilder,
    q: Value,
    k: Value,
    v: Value,
    attn_bias: Value | None,
    compute_log_sumexp: bool,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: Scale = None,
) -> tuple[Value | None, ...]:
    result = attend(op, q, k, v, attn_bias, dropout_p, is_causal, scale, False)
    return (result, None, None, None)


@LOWERINGS("_scaled_dot_product_flash_attention")
def flash_attention(
    op: OpBuilder,
    q: Value,
    k: Value,
    v: Value,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    return_debug_mask: bool = False,
    *,
    scale: Scale = None,
) -> tuple[Value | None, ...]:
    result = attend(op, q, k, v, None, dropout_p, is_causal, scale, q.dims[-3] != k.dims[-3])
    return (result, *([None] * 8))
