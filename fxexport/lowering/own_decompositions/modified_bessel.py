"""Modified Bessel functions, and these times the exponential that takes their growth away."""

from __future__ import annotations

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions import bessel_coefficients as coefficients
from fxexport.lowering.own_decompositions.table import chebyshev_series, decomposes, elementwise

# Where the two series for each kind meet.
_FIRST, _SECOND = 8.0, 2.0


def _near_and_far(
    x: Tensor, near: tuple[float, ...], far: tuple[float, ...]
) -> tuple[Tensor, Tensor]:
    """The series of the first kind for sizes up to 8 and above, without growth or root."""
    return chebyshev_series(x / 2 - 2, near), chebyshev_series(32 / x - 2, far)


@decomposes(
    "aten::i0.default", "aten::special_modified_bessel_i0.default", "prims::bessel_i0.default"
)
@elementwise
def bessel_i0(x: Tensor) -> Tensor:
    size = x.abs()
    near, far = _near_and_far(size, coefficients.I0_NEAR, coefficients.I0_FAR)
    growth = size.exp()
    return torch.where(size <= _FIRST, growth * near, growth * far / size.sqrt())


@decomposes("aten::special_i0e.default", "prims::bessel_i0e.default")
@elementwise
def bessel_i0e(x: Tensor) -> Tensor:
    size = x.abs()
    near, far = _near_and_far(size, coefficients.I0_NEAR, coefficients.I0_FAR)
    return torch.where(size <= _FIRST, near, far / size.sqrt())


@decomposes(
    "aten::special_i1.default",
    "aten::special_modified_bessel_i1.default",
    "prims::bessel_i1.default",
)
@elementwise
def bessel_i1(x: Tensor) -> Tensor:
    size = x.abs()
    near, far = _near_and_far(size, coefficients.I1_NEAR, coefficients.I1_FAR)
    growth = size.exp()
    out = torch.where(size <= _FIRST, growth * size * near, growth * far / size.sqrt())
    return torch.where(x < 0, -out, out)


@decomposes("aten::special_i1e.default", "prims::bessel_i1e.default")
@elementwise
def bessel_i1e(x: Tensor) -> Tensor:
    size = x.abs()
    near, far = _near_and_far(size, coefficients.I1_NEAR, coefficients.I1_FAR)
    out = torch.where(size <= _FIRST, size * near, far / size.sqrt())
    return torch.where(x < 0, -out, out)


def _k0_near(x: Tensor) -> Tensor:
    series = chebyshev_series(x * x - 2, coefficients.K0_NEAR)
    return series - (0.5 * x).log() * bessel_i0_near(x)


def _k1_near(x: Tensor) -> Tensor:
    series = chebyshev_series(x * x - 2, coefficients.K1_NEAR)
    return (0.5 * x).log() * bessel_i1_near(x) + series / x


def bessel_i0_near(x: Tensor) -> Tensor:
    """I0 from 0 to 8."""
    return x.exp() * chebyshev_series(x / 2 - 2, coefficients.I0_NEAR)


def bessel_i1_near(x: Tensor) -> Tensor:
    """I1 from 0 to 8."""
    return x.exp() * x * chebyshev_series(x / 2 - 2, coefficients.I1_NEAR)


def _second(x: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """A function of the second kind from its two parts."""
    out = torch.where(x <= _SECOND, near, far / x.sqrt())
    return torch.where(x == 0, torch.inf, torch.where(x < 0, torch.nan, out))


@decomposes("aten::special_modified_bessel_k0.default")
@elementwise
def modified_bessel_k0(x: Tensor) -> Tensor:
    far = (-x).exp() * chebyshev_series(8 / x - 2, coefficients.K0_FAR)
    return _second(x, _k0_near(x), far)


@decomposes("aten::special_modified_bessel_k1.default")
@elementwise
def modified_bessel_k1(x: Tensor) -> Tensor:
    far = (-x).exp() * chebyshev_series(8 / x - 2, coefficients.K1_FAR)
    return _second(x, _k1_near(x), far)


@decomposes("aten::special_scaled_modified_bessel_k0.default")
@elementwise
def scaled_modified_bessel_k0(x: Tensor) -> Tensor:
    far = chebyshev_series(8 / x - 2, coefficients.K0_FAR)
    return _second(x, _k0_near(x) * x.exp(), far)


@decomposes("aten::special_scaled_modified_bessel_k1.default")
@elementwise
def scaled_modified_bessel_k1(x: Tensor) -> Tensor:
    far = chebyshev_series(8 / x - 2, coefficients.K1_FAR)
    return _second(x, _k1_near(x) * x.exp(), far)
