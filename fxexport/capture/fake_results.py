"""What operators give on fake tensors where PyTorch's own code would read values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

__all__ = ["FAKE_RESULTS", "with_right_dtypes"]


def _recurrent(data: torch.Tensor, sizes: Any, hx: Any, *rest: Any) -> tuple[torch.Tensor, ...]:
    """The results of LSTM, GRU and RNN on a packed sequence, without looking at the lengths."""
    states: Sequence[torch.Tensor] = [hx] if isinstance(hx, torch.Tensor) else hx
    directions = 2 if rest[-1] else 1
    out = data.new_empty((data.shape[0], states[0].shape[2] * directions))
    return (out, *(torch.empty_like(state) for state in states))


def _padded(x: torch.Tensor, hx: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, ...]:
    """The results of GRU and RNN, whose kernels go through the steps one by one."""
    bidirectional = rest[-2]
    out = x.new_empty((x.shape[0], x.shape[1], hx.shape[2] * (2 if bidirectional else 1)))
    return out, torch.empty_like(hx)


def _max_pool1d(
    x: torch.Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> torch.Tensor:
    """Pooling in two dimensions of which one is 1: that kernel takes symbolic sizes."""
    flat = [[1, *kernel_size], [1, *(stride or kernel_size)], [0, *padding], [1, *dilation]]
    return torch.ops.aten.max_pool2d(x.unsqueeze(-2), *flat, ceil_mode).squeeze(-2)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    *args: Any,
    **kwargs: Any,
) -> torch.Tensor:
    """Attention with one key, and a mask of one query and one key.

    PyTorch's own asks whether there are as many keys as values, and as a mask has places, which
    nothing tells of a cache that a loop carries or a branch cuts. The result's size does not
    depend on it.
    """
    if min(key.dim(), value.dim()) >= 2:
        torch._check(key.shape[-2] == value.shape[-2])
        key, value = (x.new_empty((*x.shape[:-2], 1, x.shape[-1])) for x in (key, value))
    if attn_mask is not None and attn_mask.dim() >= 2:
        attn_mask = attn_mask.new_empty((*attn_mask.shape[:-2], 1, 1))
    if kwargs.pop("enable_gqa", False) and query.dim() >= 3:
        # Each of their heads serves a group of the queries' heads.
        torch._check(key.shape[-3] == value.shape[-3])
        key, value = (
            x.new_empty((*x.shape[:-3], query.shape[-3], *x.shape[-2:])) for x in (key, value)
        )
    own = torch.ops.aten.scaled_dot_product_attention.default
    return own(query, key, value, attn_mask, *args, **kwargs)


def _im2col(
    x: torch.Tensor,
    kernel_size: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> torch.Tensor:
    """Windows as columns: PyTorch's own asks whether there is any, one dimension after another."""
    number = 1
    for size, kernel, wide, pad, step in zip(
        x.shape[-2:], kernel_size, dilation, padding, stride, strict=True
    ):
        number = number * ((size + 2 * pad - wide * (kernel - 1) - 1) // step + 1)
    return x.new_empty((*x.shape[:-3], x.shape[-3] * math.prod(kernel_size), number))


FAKE_RESULTS: dict[Any, Callable[..., Any]] = {
    getattr(torch.ops.aten, name).data: _recurrent
    for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")
}
FAKE_RESULTS |= {
    getattr(torch.ops.aten, name).input: _padded for name in ("gru", "rnn_tanh", "rnn_relu")
}
FAKE_RESULTS[torch.ops.aten.max_pool1d.default] = _max_pool1d
FAKE_RESULTS[torch.ops.aten.im2col.default] = _im2col
FAKE_RESULTS[torch.ops.aten.scaled_dot_product_attention.default] = _attention

_UNIQUE = (
    torch.ops.aten._unique2.default,
    torch.ops.aten.unique_dim.default,
    torch.ops.aten.unique_consecutive.default,
)


def with_right_dtypes(func: Any, out: Any) -> Any:
    """What a fake kernel gave: on torch 2.11 the places and counts of unique have x's dtype."""
    if func not in _UNIQUE:
        return out
    found, *numbers = out
    return (found, *(number.to(torch.int64) for number in numbers))
