"""Bessel functions of the first and second kind, and the spherical one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions import bessel_coefficients as coefficients
from fxexport.lowering.own_decompositions.table import decomposes, elementwise, polynomial

Ratio = tuple[tuple[float, ...], tuple[float, ...]]

_NEAR = 5.0
# The squares of the first two zeros of J0 and of J1.
_ZEROS0 = (5.78318596294678452118, 30.4712623436620863991)
_ZEROS1 = (14.6819706421238932572, 49.2184563216946036703)


def _ratio(x: Tensor, parts: Ratio) -> Tensor:
    return polynomial(x, parts[0]) / polynomial(x, parts[1])


def _near(x: Tensor, ratio: Ratio, zeros: tuple[float, float]) -> Tensor:
    square = x * x
    return (square - zeros[0]) * (square - zeros[1]) * _ratio(square, ratio)


def _far(x: Tensor, cosine: Ratio, sine: Ratio, turn: float) -> tuple[Tensor, Tensor]:
    """Both kinds for large arguments: a wave and what its amplitude and phase lose.

    The angle is rounded as PyTorch rounds it: of a large argument it has no digits left.
    """
    inverse = _NEAR / x
    square = inverse * inverse
    even, odd = _ratio(square, cosine), inverse * _ratio(square, sine)
    cos, sin = torch.cos(x - turn), torch.sin(x - turn)
    scale = math.sqrt(2 / math.pi) / torch.sqrt(x)
    return (even * cos - odd * sin) * scale, (even * sin + odd * cos) * scale


def _far0(x: Tensor) -> tuple[Tensor, Tensor]:
    return _far(x, coefficients.FAR0_COSINE, coefficients.FAR0_SINE, math.pi / 4)


def _far1(x: Tensor) -> tuple[Tensor, Tensor]:
    return _far(x, coefficients.FAR1_COSINE, coefficients.FAR1_SINE, 3 * math.pi / 4)


@decomposes("aten::special_bessel_j0.default", "prims::bessel_j0.default")
@elementwise
def bessel_j0(x: Tensor) -> Tensor:
    size = x.abs()
    near = _near(x, coefficients.J0_NEAR, _ZEROS0)
    return torch.where(size <= _NEAR, near, _far0(size)[0])


@decomposes("aten::special_bessel_j1.default", "prims::bessel_j1.default")
@elementwise
def bessel_j1(x: Tensor) -> Tensor:
    size = x.abs()
    near = x * _near(x, coefficients.J1_NEAR, _ZEROS1)
    far = _far1(size)[0]
    return torch.where(size <= _NEAR, near, torch.where(x < 0, -far, far))


@decomposes("aten::special_bessel_y0.default")
@elementwise
def bessel_y0(x: Tensor) -> Tensor:
    first = _near(x, coefficients.J0_NEAR, _ZEROS0)
    near = _ratio(x * x, coefficients.Y0_NEAR) + 2 / math.pi * x.log() * first
    return torch.where(x <= _NEAR, near, _far0(x)[1])


@decomposes("aten::special_bessel_y1.default")
@elementwise
def bessel_y1(x: Tensor) -> Tensor:
    first = x * _near(x, coefficients.J1_NEAR, _ZEROS1)
    near = x * _ratio(x * x, coefficients.Y1_NEAR) + 2 / math.pi * (first * x.log() - 1 / x)
    near = torch.where(x == 0, -math.inf, near)
    return torch.where(x <= _NEAR, near, _far1(x)[1])


@decomposes("aten::special_spherical_bessel_j0.default", "prims::spherical_bessel_j0.default")
@elementwise
def spherical_bessel_j0(x: Tensor) -> Tensor:
    square = x * x
    near = polynomial(square, [(-1) ** k / math.factorial(2 * k + 1) for k in range(7)])
    out = torch.where(x.abs() < 0.5, near, torch.sin(x) / x)
    return torch.where(x.isinf(), 0.0, out)
