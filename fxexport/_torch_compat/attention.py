"""When PyTorch's attention layers take their fast path, which gives other values at masked rows.

The conditions are those of `torch.nn.modules`, without those on gradients: a file computes none.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["attention_is_fast", "encoder_is_fast", "encoder_layer_is_fast"]


def attention_is_fast(
    module: nn.MultiheadAttention, query: torch.Tensor, *masks: torch.Tensor | None
) -> bool:
    """Whether self attention takes the fast path; `masks` are None where there are none."""
    return (
        not any(mask is not None and mask.is_floating_point() for mask in masks)
        and query.dim() == 3
        and module.in_proj_weight is not None
        and module.in_proj_bias is not None
        and query.dtype == module.in_proj_weight.dtype
        and not module.training
        and module.num_heads % 2 == 0
        and module.batch_first
        and module.bias_k is None
        and module.bias_v is None
        and not module.add_zero_attn
        and module._qkv_same_embed_dim
        and not torch.is_autocast_enabled()
    )


def encoder_layer_is_fast(module: nn.TransformerEncoderLayer, src: torch.Tensor) -> bool:
    """Whether a layer of an encoder takes the fast path."""
    attention = module.self_attn
    return (
        src.dim() == 3
        and not module.training
        and attention.batch_first
        and attention.in_proj_bias is not None
        and attention._qkv_same_embed_dim
        and bool(module.activation_relu_or_gelu)
        and module.norm1.eps == module.norm2.eps
        and attention.num_heads % 2 == 0
        and not torch.is_autocast_enabled()
        and not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    )


def encoder_is_fast(module: nn.TransformerEncoder, src: torch.Tensor) -> bool:
    """Whether an encoder leaves out the padded rows, if the mask has them at the end."""
    return (
        bool(getattr(module, "use_nested_tensor", False))
        and not module.layers[0].training
        and src.dim() == 3
        and not torch.is_autocast_enabled()
    )
