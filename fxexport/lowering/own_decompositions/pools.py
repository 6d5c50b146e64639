"""Pooling over windows that random numbers place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions.table import decomposes


@decomposes("aten::fractional_max_pool2d.default", "aten::fractional_max_pool3d.default")
def fractional_max_pool(
    x: Tensor, kernel_size: Sequence[int], output_size: Sequence[int], random_samples: Tensor
) -> tuple[Tensor, Tensor]:
    """Windows of one size begin where a random number for each plane and dimension says."""
    count = len(output_size)
    batch = x if x.dim() == count + 2 else x[None]
    # Those of 2d pooling are for the columns first.
    samples = random_samples.flip(-1) if count == 2 else random_samples
    places = torch.zeros((), dtype=torch.int64)
    for k, (kernel, number) in enumerate(zip(kernel_size, output_size, strict=True)):
        size = batch.shape[2 + k]
        starts = _window_starts(samples[:, :, k, None], size, kernel, number)
        inside = starts[..., None] + torch.arange(kernel)
        shape = [1] * (2 * count)
        shape[k], shape[count + k] = number, kernel
        places = places * size + inside.reshape([*inside.shape[:2], *shape])
    wide = places.reshape([*places.shape[: 2 + count], math.prod(kernel_size)])
    flat = batch.flatten(2)
    seen = flat.gather(2, wide.flatten(2)).reshape(wide.shape)
    # Of equal elements the first one counts, of NaN the last one.
    unknown = seen.isnan()
    steps = torch.arange(wide.shape[-1])
    best = torch.where(unknown, -math.inf, seen).argmax(-1)
    last = torch.where(unknown, steps, -1).amax(-1)
    best = torch.where(last >= 0, last, best)[..., None]
    out, indices = seen.gather(-1, best)[..., 0], wide.gather(-1, best)[..., 0]
    return (out, indices) if x.dim() == count + 2 else (out[0], indices[0])


def _window_starts(sample: Tensor, size: int, kernel: int, number: int) -> Tensor:
    """Where windows begin along a dimension, int64[batch, channels, number]."""
    last = torch.full_like(sample, 0, dtype=torch.int64) + (size - kernel)
    if number == 1:
        return last
    apart = torch.scalar_tensor(size - kernel, dtype=sample.dtype) / (number - 1)
    steps = torch.arange(number - 1, dtype=sample.dtype)
    starts = ((steps + sample) * apart).to(torch.int64) - (sample * apart).to(torch.int64)
    return torch.cat([starts, last], -1)
