"""The functions of ``torch.fft``, of lengths that are known and of dynamic ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.support.complex_values import check, metadata_holds, spectrum

fft = torch.fft
Function = Callable[[torch.Tensor], Any]

OF_REAL: dict[str, Function] = {
    "rfft": fft.rfft,
    "rfft ortho": lambda x: fft.rfft(x, norm="ortho"),
    "rfft forward": lambda x: fft.rfft(x, norm="forward"),
    "rfft of another dimension": lambda x: fft.rfft(x, dim=0),
    "fft": lambda x: fft.fft(x),
    "ihfft": fft.ihfft,
    "rfft2": fft.rfft2,
    "fftn": fft.fftn,
    "there and back": lambda x: fft.irfft(fft.rfft(x), n=x.shape[-1]),
    "there and back, two dimensions": lambda x: fft.irfft2(
        fft.rfft2(x, norm="ortho"), s=x.shape[-2:], norm="ortho"
    ),
    "cut and padded": lambda x: (fft.rfft(x, n=6), fft.rfft(x, n=20)),
    "shifted": lambda x: fft.fftshift(fft.fft2(x)).abs(),
    "magnitude": lambda x: fft.rfft(x).abs().square().sum(-1),
}
OF_COMPLEX: dict[str, Function] = {
    "fft": fft.fft,
    "ifft": fft.ifft,
    "ifft ortho": lambda c: fft.ifft(c, norm="ortho"),
    "ifft forward": lambda c: fft.ifft(c, norm="forward"),
    "fft2": fft.fft2,
    "ifft2": lambda c: fft.ifft2(c, norm="ortho"),
    "ifftn": lambda c: fft.ifftn(c, dim=(0, 1)),
    "irfft": fft.irfft,
    "irfft of an odd length": lambda c: fft.irfft(c, n=2 * c.shape[-1] - 1),
    "irfft2": fft.irfft2,
    "hfft": lambda c: fft.hfft(c, n=10),
}


def real(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("dynamic", [True, None], ids=["dynamic", "fixed"])
@pytest.mark.parametrize("name", OF_REAL)
def test_of_real_numbers(name: str, dynamic: Any) -> None:
    shapes = ((3, 12), (5, 9), (1, 4)) if dynamic else ((3, 12),)
    check(OF_REAL[name], *((real(*shape),) for shape in shapes), dynamic=dynamic)


@pytest.mark.parametrize("dynamic", [True, None], ids=["dynamic", "fixed"])
@pytest.mark.parametrize("name", OF_COMPLEX)
def test_of_complex_numbers(name: str, dynamic: Any) -> None:
    shapes = ((3, 12), (5, 9), (2, 5)) if dynamic else ((3, 12),)
    check(OF_COMPLEX[name], *((spectrum(*shape),) for shape in shapes), dynamic=dynamic)


@pytest.mark.parametrize("name", ["rfft2", "fftn", "there and back"])
def test_metadata(name: str) -> None:
    metadata_holds(OF_REAL[name], [real(3, 12)])


def test_float64() -> None:
    check(lambda x: fft.ifft(fft.fft(x)), (real(3, 12).double(),), (real(2, 7).double(),))
