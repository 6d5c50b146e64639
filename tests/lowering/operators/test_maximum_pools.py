"""Adaptive and fractional max pooling with the places of what is largest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.support.building import agrees_and_builds
from tests.support.complex_values import check

SIZES = ((9, 7, 5), (6, 10, 4), (4, 5, 8))


def with_ties(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Few numbers, some of them NaN, and planes of minus infinity."""
    generator = torch.Generator().manual_seed(sum(shape))
    x = torch.randint(0, 3, shape, generator=generator).to(dtype)
    x[0, 0].view(-1)[1::5] = torch.nan
    x[0, 1] = -torch.inf
    x[-1, 2].view(-1)[3:] = -torch.inf
    return x


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_adaptive_pooling_of_any_size(count: int, dtype: torch.dtype) -> None:
    def pooled(x: Tensor) -> object:
        return getattr(F, f"adaptive_max_pool{count}d")(x, (4, 3, 2)[:count], return_indices=True)

    check(pooled, *[(with_ties(2, 3, *size[:count], dtype=dtype),) for size in SIZES])


@pytest.mark.parametrize("count", [2, 3])
def test_fractional_pooling_with_samples(count: int) -> None:
    def pooled(x: Tensor, samples: Tensor) -> object:
        function = getattr(F, f"fractional_max_pool{count}d")
        return function(
            x, 2, output_size=(2, 1, 2)[-count:], _random_samples=samples, return_indices=True
        )

    generator = torch.Generator().manual_seed(0)
    rows = [
        (with_ties(2, 3, *size[:count]), torch.rand(2, 3, count, generator=generator))
        for size in SIZES
    ]
    check(pooled, *rows)


def test_engines_are_built(tmp_path: Path) -> None:
    def pooled(x: Tensor) -> object:
        return F.adaptive_max_pool2d(x, (3, 2), return_indices=True)

    agrees_and_builds(pooled, [(torch.randn(2, 3, n, m),) for n, m in ((9, 7), (5, 6))], tmp_path)
