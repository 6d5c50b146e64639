"""Masks of uint8, which PyTorch still takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.support.complex_values import check


def rows() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    found = []
    for n in (4, 1, 7):
        x = torch.randn(n, 3, generator=generator)
        found.append((x, (x[:, 0] > 0).to(torch.uint8)))
    return found


def chosen(x: Tensor, mask: Tensor) -> Tensor:
    return x[mask]


def chosen_columns(x: Tensor, mask: Tensor) -> Tensor:
    return x[mask, 1:]


def replaced(x: Tensor, mask: Tensor) -> Tensor:
    y = x * 2
    y[mask] = -x[mask]
    return y


def either(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where(mask[:, None], x, -x), x.where(mask[:, None], torch.zeros(()))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("program", [chosen, chosen_columns, replaced, either])
def test_masks_of_uint8_are_masks(program: Callable[..., object]) -> None:
    check(program, *rows())
