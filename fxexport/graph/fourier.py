"""Fourier transforms on real and imaginary parts, as functions of the graph.

A graph that a file is written from holds real numbers only, so a complex tensor stands in it as two
real ones. Each function transforms along one dimension; `norm` is how the result is scaled, as the
operators ``aten::_fft_*`` number it: 0 not at all, 1 by one over the root of the length, 2 by one
over the length.
"""

from __future__ import annotations

import math

import torch

__all__ = ["FOURIER_FUNCTIONS", "dft", "irdft", "rdft", "scale_of"]


def dft(
    re: torch.Tensor, im: torch.Tensor | None, dim: int, inverse: bool, norm: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The transform of a complex tensor.

    Args:
        re: the real parts.
        im: the imaginary parts, of the same shape; None where they are 0.
        dim: the dimension, from 0.
        inverse: whether the exponent has a plus sign.
        norm: how it is scaled.

    Returns:
        Real and imaginary parts, in the shape of the input.
    """
    whole = torch.complex(re, torch.zeros_like(re) if im is None else im)
    scaled = scale_of(re.shape[dim], norm)
    # "forward" puts 1/n on the forward transform, "backward" on the inverse one: neither is scaled.
    if inverse:
        out = torch.fft.ifft(whole, dim=dim, norm="forward") * scaled
    else:
        out = torch.fft.fft(whole, dim=dim, norm="backward") * scaled
    return out.real, out.imag


def rdft(x: torch.Tensor, dim: int, norm: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The transform of a real tensor: its first ``n // 2 + 1`` values, which tell the others.

    Args:
        x: the tensor.
        dim: the dimension, from 0.
        norm: how it is scaled.

    Returns:
        Real and imaginary parts.
    """
    out = torch.fft.rfft(x, dim=dim, norm="backward") * scale_of(x.shape[dim], norm)
    return out.real, out.imag


def irdft(
    re: torch.Tensor, im: torch.Tensor | None, dim: int, size: int, norm: int
) -> torch.Tensor:
    """The real tensor that has these values as its transform's first ``size // 2 + 1``.

    Args:
        re: the real parts.
        im: the imaginary parts; None where they are 0.
        dim: the dimension, from 0.
        size: how long the result is.
        norm: how it is scaled.
    """
    whole = torch.complex(re, torch.zeros_like(re) if im is None else im)
    return torch.fft.irfft(whole, n=size, dim=dim, norm="forward") * scale_of(size, norm)


def scale_of(size: int, norm: int) -> float:
    """What a transform of this length is scaled by."""
    return 1.0 if norm == 0 or size == 0 else 1 / math.sqrt(size) if norm == 1 else 1 / size


FOURIER_FUNCTIONS = frozenset({dft, rdft, irdft})
"""All of them."""
