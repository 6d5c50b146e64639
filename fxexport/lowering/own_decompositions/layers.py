"""Layers."""

from __future__ import annotations

import string
from collections.abc import Sequence

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions.table import decomposes


@decomposes("aten::_trilinear.default")
def trilinear(
    a: Tensor,
    b: Tensor,
    c: Tensor,
    expand_a: Sequence[int],
    expand_b: Sequence[int],
    expand_c: Sequence[int],
    sum_dims: Sequence[int],
    unroll_dim: int = 1,
) -> Tensor:
    """A sum of products of three tensors, each of which lacks some dimensions: ``F.bilinear``."""
    rank = a.dim() + len(expand_a)
    letters = string.ascii_lowercase[:rank]

    def of(lacking: Sequence[int]) -> str:
        return "".join(letters[d] for d in range(rank) if d not in lacking)

    # What the third tensor does not have can be summed over before.
    early = [d for d in sum_dims if d in expand_c]
    late = [d for d in sum_dims if d not in expand_c]
    half = torch.einsum(f"{of(expand_a)},{of(expand_b)}->{of(early)}", a, b)
    return torch.einsum(f"{of(early)},{of(expand_c)}->{of([*early, *late])}", half, c)


@decomposes("aten::rrelu_with_noise_functional.default")
def rrelu(
    x: Tensor,
    noise: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: object = None,
) -> tuple[Tensor, Tensor]:
    if not training:
        return torch.nn.functional.leaky_relu(x, (lower + upper) / 2), noise
    slope = torch.rand_like(x) * (upper - lower) + lower
    slope = torch.where(x <= 0, slope, 1.0)
    return x * slope, slope
