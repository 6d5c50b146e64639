"""Convolutions and average pools of integers, and of kernels of any size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.support.complex_values import check

SIZES = ((7, 6, 5), (4, 9, 8))


def whole(*shape: int, dtype: torch.dtype = torch.int64, most: int = 50) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(-most, most, shape, generator=generator).to(dtype)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int8, torch.uint8])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_convolutions(count: int, dtype: torch.dtype) -> None:
    apart = 2 if dtype == torch.int64 else 1  # narrower ones PyTorch takes without dilation

    def convolved(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        function = getattr(F, f"conv{count}d")
        return function(x, weight, bias, stride=2, padding=1, dilation=apart, groups=2)  # type: ignore[no-any-return]

    rows = [
        tuple(whole(*s, dtype=dtype) for s in ((k + 1, 4, *n[:count]), (6, 2, *[2] * count), (6,)))
        for k, n in enumerate(SIZES)
    ]
    check(convolved, *rows)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_transposed_convolutions(count: int) -> None:
    options: dict[str, Any] = {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2}

    def convolved(x: Tensor, weight: Tensor) -> Tensor:
        return getattr(F, f"conv_transpose{count}d")(x, weight, dilation=2, **options)  # type: ignore[no-any-return]

    rows = [(whole(2, 4, *n[:count]), whole(4, 3, *range(2, 2 + count))) for n in SIZES]
    check(convolved, *rows)


def test_sums_wrap_around() -> None:
    row = (whole(1, 2, 6, most=2**62), whole(3, 2, 2, most=2**62))
    check(lambda x, weight: F.conv1d(x, weight), row, (whole(2, 2, 4, most=2**62), row[1]))


@pytest.mark.parametrize(
    "options", [{}, {"ceil_mode": True}, {"count_include_pad": False}], ids=str
)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_average_pools(count: int, options: dict[str, Any]) -> None:
    def pooled(x: Tensor) -> Tensor:
        return getattr(F, f"avg_pool{count}d")(x, 3, 2, 1, **options)  # type: ignore[no-any-return]

    check(pooled, *[(whole(2, 3, *n[:count]),) for n in SIZES])


def test_average_pools_with_a_divisor() -> None:
    check(
        lambda x: F.avg_pool2d(x, 2, divisor_override=3),
        *[(whole(2, 3, *n[:2], most=2**60),) for n in SIZES],
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_padding_to_the_same_size_of_any_kernel(count: int) -> None:
    def convolved(x: Tensor, weight: Tensor) -> Tensor:
        return getattr(F, f"conv{count}d")(x, weight, padding="same", dilation=2)  # type: ignore[no-any-return]

    kernels = (3, 2, 3), (2, 3, 1)
    check(
        convolved,
        *[
            (torch.randn(2, 4, *n[:count]), torch.randn(3, 4, *k[:count]))
            for n, k in zip(SIZES, kernels, strict=True)
        ],
    )
