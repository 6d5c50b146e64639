"""What some of PyTorch's modules give, where their own code cannot be captured.

The fast paths of attention layers are off while a model is captured, since nested tensors have no
fake kernels. They give what the layers' other code gives, except at rows without an unmasked key:
those of `nn.TransformerEncoder` are 0 where the mask has them at the end, those of attention not a
number. Data parallelism moves parameters and starts collective operations: a file has one device.

These functions are rewritten like the user's own.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fxexport import _torch_compat as compat

__all__ = ["FAST_PATHS", "PARALLEL_WRAPPERS"]

# The converter rewrites the functions of this module.
READ_BY_CAPTURE = True


def attention(
    self: nn.MultiheadAttention,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[torch.Tensor, Any]:
    """``nn.MultiheadAttention.forward``."""
    output, weights = nn.MultiheadAttention.forward(
        self, query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights,
        is_causal,
    )  # fmt: skip
    masked = key_padding_mask is not None or attn_mask is not None
    of_itself = operator.is_(query, key) and operator.is_(key, value)
    if masked and of_itself and compat.attention_is_fast(self, query, key_padding_mask, attn_mask):
        output = without_keys(output, key_padding_mask, attn_mask)
    return output, weights


def encoder_layer(
    self: nn.TransformerEncoderLayer,
    src: torch.Tensor,
    src_mask: Any = None,
    src_key_padding_mask: Any = None,
    is_causal: bool = False,
) -> torch.Tensor:
    """``nn.TransformerEncoderLayer.forward``."""
    output = nn.TransformerEncoderLayer.forward(
        self, src, src_mask, src_key_padding_mask, is_causal
    )
    masked = src_mask is not None or src_key_padding_mask is not None
    if masked and compat.encoder_layer_is_fast(self, src):
        output = without_keys(output, src_key_padding_mask, src_mask)
    return output


def encoder(
    self: nn.TransformerEncoder,
    src: torch.Tensor,
    mask: Any = None,
    src_key_padding_mask: Any = None,
    is_causal: bool | None = None,
) -> torch.Tensor:
    """``nn.TransformerEncoder.forward``."""
    if mask is not None or src_key_padding_mask is None or not compat.encoder_is_fast(self, src):
        return nn.TransformerEncoder.forward(self, src, mask, src_key_padding_mask, is_causal)
    kept = src_key_padding_mask == 0
    places = torch.arange(kept.shape[1], device=kept.device)
    first = places < kept.sum(-1, keepdim=True)
    if self.mask_check:
        padded = ~kept & (kept == first).all()
    else:  # as many keys as the mask leaves, from the first one on, whichever they are
        padded = ~first
        src_key_padding_mask = padded
    output = src
    for layer in self.layers:
        output = layer(output, src_key_padding_mask=src_key_padding_mask)
    output = output.masked_fill(padded.unsqueeze(-1), 0.0)
    return output if self.norm is None else self.norm(output)


def without_keys(output: torch.Tensor, key_padding_mask: Any, attn_mask: Any) -> torch.Tensor:
    """The result of attention, not a number in rows where every key is masked."""
    masked: Any = None
    if attn_mask is not None:
        masked = attn_mask if attn_mask.dtype == torch.bool else attn_mask == -math.inf
        if masked.dim() == 3:
            masked = masked.reshape(output.shape[0], -1, masked.shape[1], masked.shape[2])
    if key_padding_mask is not None:
        padded = key_padding_mask
        padded = padded if padded.dtype == torch.bool else padded == -math.inf
        padded = padded[:, None, None]
        masked = padded if masked is None else masked | padded
    none_left = masked.all(-1)
    if none_left.dim() == 3:
        none_left = none_left.any(1)
    return output.masked_fill(none_left.unsqueeze(-1), math.nan)


def on_one_device(self: Any, *inputs: Any, **kwargs: Any) -> Any:
    """``nn.DataParallel.forward`` and its like."""
    return self.module(*inputs, **kwargs)


FAST_PATHS: dict[object, Callable[..., object]] = {
    nn.MultiheadAttention.forward: attention,
    nn.TransformerEncoderLayer.forward: encoder_layer,
    nn.TransformerEncoder.forward: encoder,
}
PARALLEL_WRAPPERS: dict[object, Callable[..., object]] = {
    nn.DataParallel.forward: on_one_device,
    nn.parallel.DistributedDataParallel.forward: on_one_device,
}
