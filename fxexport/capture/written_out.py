"""Functions of PyTorch written with others, since their own kernels say nothing of their steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["corrcoef", "cov", "embedding_bag", "fake_quantize", "fake_quantize_channels"]


def fake_quantize(
    x: Tensor, scale: float | Tensor, zero_point: int | Tensor, quant_min: int, quant_max: int
) -> Tensor:
    """`torch.fake_quantize_per_tensor_affine`."""
    step = scale if isinstance(scale, Tensor) else torch.tensor(scale, dtype=torch.float32)
    rounded = torch.round(x * (1.0 / step.to(x.dtype))) + zero_point
    return ((rounded.clamp(quant_min, quant_max) - zero_point) * step).to(x.dtype)


def fake_quantize_channels(
    x: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
) -> Tensor:
    """`torch.fake_quantize_per_channel_affine`."""
    shape = [1] * x.dim()
    shape[axis] = -1
    return fake_quantize(
        x, scale.reshape(shape), zero_point.reshape(shape).to(x.dtype), quant_min, quant_max
    )


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Any, Any, Any]:
    """`torch.embedding_bag`: rows of the bags that begin at `offsets`, summed (0), averaged or max.

    Only the first result is made; the others are for the backward pass.
    """
    starts = offsets[:-1] if include_last_offset else offsets
    places = torch.arange(indices.shape[0], device=indices.device)
    bag = (places[:, None] >= starts[None, :]).sum(1) - 1
    rows = weight[indices]
    counted = torch.ones_like(indices, dtype=weight.dtype)
    if padding_idx is not None and padding_idx >= 0:
        counted = (indices != padding_idx).to(weight.dtype)
    number = weight.new_zeros(starts.shape[0]).index_add(0, bag, counted)[:, None]
    empty = weight.new_zeros(starts.shape[0], weight.shape[1])
    if mode == 2:
        lowest = torch.full_like(empty, float("-inf"))
        hidden = torch.where(counted[:, None] > 0, rows, float("-inf"))
        largest = lowest.scatter_reduce(0, bag[:, None].expand_as(rows), hidden, "amax")
        return torch.where(number > 0, largest, 0.0), None, None, None
    if per_sample_weights is not None:
        rows = rows * per_sample_weights[:, None]
    total = empty.index_add(0, bag, rows * counted[:, None])
    return (total if mode == 0 else total / number.clamp(min=1)), None, None, None


def cov(
    x: Tensor,
    *,
    correction: Any = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """`torch.cov`: of rows of variables, one observation a column."""
    rows = x if x.dim() > 1 else x.reshape(1, -1)
    rows = rows if rows.is_floating_point() else rows.to(torch.get_default_dtype())
    weights = fweights if aweights is None else aweights
    if fweights is not None and aweights is not None:
        weights = fweights * aweights
    weighted = rows if weights is None else rows * weights
    total = rows.shape[1] if weights is None else weights.sum()
    centred = rows - (weighted.sum(1) / total)[:, None]
    weighted = centred if weights is None else centred * weights
    if aweights is not None and weights is not None:
        divisor = total - correction * (weights * aweights).sum() / total
    else:
        divisor = total - correction
    divisor = torch.as_tensor(divisor, dtype=rows.dtype).clamp(min=0)
    return (centred @ weighted.t() / divisor).squeeze()


def corrcoef(x: Tensor) -> Tensor:
    """`torch.corrcoef`: covariances divided by both deviations."""
    found = cov(x)
    if found.dim() == 0:
        return found / found
    deviations = found.diagonal().sqrt()
    return (found / deviations[:, None] / deviations[None, :]).clamp(-1, 1)
