"""Complex numbers and transforms in TensorRT's dialect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.building import agrees_and_builds

HANN = torch.hann_window(64)


def spectrogram(x: torch.Tensor) -> torch.Tensor:
    return torch.stft(x, 64, 16, window=HANN, return_complex=True).abs()


def there_and_back(x: torch.Tensor) -> torch.Tensor:
    c = torch.stft(x, 64, 16, window=HANN, return_complex=True)
    return torch.istft(c, 64, 16, window=HANN)


def rotated(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    c = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(c * torch.polar(torch.ones_like(turns), turns)).flatten(-2)


def of_any_length(x: torch.Tensor) -> torch.Tensor:
    return torch.fft.rfft(x).abs()


def back_from_any_length(x: torch.Tensor) -> torch.Tensor:
    return torch.fft.ifft(torch.fft.fft(x) * 2j).imag


def in_a_branch(x: torch.Tensor) -> torch.Tensor:
    c = torch.fft.rfft2(x)
    c = c * 2j if x.sum() > 0 else c.conj()
    return torch.fft.irfft2(c)


def long(x: torch.Tensor) -> torch.Tensor:
    return torch.fft.rfft(x).abs()


def long_and_back(x: torch.Tensor) -> torch.Tensor:
    return torch.fft.irfft(torch.fft.rfft(x) * 2j, n=x.shape[-1])


def rows_of(*shapes: tuple[int, ...]) -> list[tuple[torch.Tensor, ...]]:
    return [(torch.randn(*shape, generator=torch.Generator().manual_seed(1)),) for shape in shapes]


TURNED = [(torch.randn(2, n, 8), torch.randn(n, 4)) for n in (5, 1, 9)]
PROGRAMS: list[tuple[Callable[..., Any], list[tuple[torch.Tensor, ...]]]] = [
    (spectrogram, rows_of((2, 400), (2, 300), (2, 500))),
    (there_and_back, rows_of((2, 400), (2, 304), (2, 512))),
    (rotated, TURNED),
    (of_any_length, rows_of((2, 40), (2, 31), (2, 64))),
    (back_from_any_length, rows_of((2, 40), (2, 31), (2, 64))),
    (in_a_branch, rows_of((3, 8, 12), (1, 8, 12), (4, 8, 12))),
    (long, rows_of((2, 600))),
    (long_and_back, rows_of((2, 400))),
]


@pytest.mark.parametrize(
    ("function", "rows"), PROGRAMS, ids=lambda one: getattr(one, "__name__", "")
)
def test_it_agrees_and_builds(
    function: Callable[..., Any], rows: list[tuple[torch.Tensor, ...]], tmp_path: Path
) -> None:
    kinds = agrees_and_builds(function, rows, tmp_path)
    assert "DFT" not in kinds
