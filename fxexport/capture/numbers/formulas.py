"""Functions of `math` as formulas on tensors of float64, as exact as Python's where that shows."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

__all__ = ["FORMULAS", "Formula", "rounded_down", "rounded_up"]

Formula = Callable[..., "torch.Tensor | tuple[torch.Tensor, ...]"]

_LARGEST_FACTORIAL = 1e12
# Above it every float is a whole number.
_WHOLE = 2.0**52


def _log10(x: torch.Tensor) -> torch.Tensor:
    logarithm = x.log10()
    return _exact_at_powers(10.0, x, logarithm)


def _exact_at_powers(base: float, x: torch.Tensor, logarithm: torch.Tensor) -> torch.Tensor:
    """A logarithm that is whole where the number is a power of the base."""
    whole = logarithm.round()
    return torch.where(torch.pow(base, whole) == x, whole, logarithm)


def _cbrt(x: torch.Tensor) -> torch.Tensor:
    size = x.abs()
    root = size.pow(1.0 / 3.0)
    better = root - (root * root * root - size) / (3.0 * root * root)
    plain = (size == 0) | (size == math.inf)
    return _with_sign(torch.where(plain, root, better), x)


def _with_sign(size: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
    return torch.copysign(size, sign)


def _gamma(x: torch.Tensor) -> torch.Tensor:
    size = torch.lgamma(x).exp()
    size = torch.where(size < _LARGEST_FACTORIAL, _whole_of_whole(x, size), size)
    below = (x < 0) & (torch.fmod(x.floor(), 2.0) != 0)
    return torch.where(below, -size, size)


def _whole_of_whole(x: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Gamma of a whole number is whole."""
    return torch.where(x == x.floor(), size.round(), size)


def _hypot(*sides: torch.Tensor) -> torch.Tensor:
    sizes = torch.stack(sides).abs()
    most = sizes.amax()
    length = most * (sizes / most).square().sum().sqrt()
    most = torch.where((sizes == math.inf).any(), torch.full_like(most, math.inf), most)
    return torch.where((most == 0) | (most == math.inf), most, length)


def _remainder(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """What is left of x by the nearest multiple of y, of two as near the even one."""
    size, divisor = x.abs(), y.abs()
    rest = torch.fmod(size, divisor)
    odd = torch.fmod((size - rest) / divisor, 2.0) != 0
    other = divisor - rest
    over = (rest > other) | ((rest == other) & odd)
    rest = torch.where(over, -other, rest)
    rest = torch.where((divisor == math.inf) & (size < math.inf), size, rest)
    return torch.where(torch.signbit(x), -rest, rest)


def _modf(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    whole = x.trunc()
    rest = torch.where(x.abs() == math.inf, torch.zeros_like(x), x - whole)
    return _with_sign(rest, x), whole


def _frexp(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mantissa, exponent = torch.frexp(x)
    return mantissa, exponent


def _ldexp(x: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    exponent = exponent.clamp(-2200.0, 2200.0)
    third = (exponent / 3.0).trunc()
    return (
        x * torch.pow(2.0, third) * torch.pow(2.0, third) * torch.pow(2.0, exponent - 2.0 * third)
    )


def _ulp(x: torch.Tensor) -> torch.Tensor:
    size = x.abs()
    up = torch.nextafter(size, torch.full_like(size, math.inf))
    down = torch.nextafter(size, torch.zeros_like(size))
    step = torch.where(up == math.inf, size - down, up - size)
    return torch.where(size == math.inf, size, step)


def rounded_up(x: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
    """``round(x, n)`` for n of 0 or more; `power` is 10 ** n.

    Python rounds the number as it is, not the product, which is rounded itself: what the product
    lost says to which side a half goes.
    """
    product = x * power
    lost = _lost_in_product(x, power, product)
    whole = product.round()
    rest = product - whole
    odd = torch.fmod(whole, 2.0) != 0
    up = ((rest == 0.5) & (lost > 0)) | ((lost == 0.5) & odd)
    down = ((rest == -0.5) & (lost < 0)) | ((lost == -0.5) & odd)
    whole = torch.where(up, whole + 1.0, torch.where(down, whole - 1.0, whole))
    return torch.where(product.abs() < 2.0 * _WHOLE, whole / power, x)


def _lost_in_product(a: torch.Tensor, b: torch.Tensor, product: torch.Tensor) -> torch.Tensor:
    """What a product of two floats is off, exactly (Dekker)."""
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    large = x * 134217729.0
    high = large - (large - x)
    return high, x - high


def rounded_down(x: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
    """``round(x, -n)``; `power` is 10 ** n."""
    count = (x / power).round()
    rest = x - count * power  # exact
    half, odd = power / 2.0, torch.fmod(count, 2.0) != 0
    up = (rest > half) | ((rest == half) & odd)
    down = (rest < -half) | ((rest == -half) & odd)
    count = torch.where(up, count + 1.0, torch.where(down, count - 1.0, count))
    return torch.where(x.abs() < math.inf, count * power, x)


FORMULAS: dict[str, Formula] = {
    "log10": _log10,
    "log1p": torch.log1p,
    "exp2": torch.exp2,
    "expm1": torch.expm1,
    "cbrt": _cbrt,
    "asin": torch.asin,
    "acos": torch.acos,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "asinh": torch.asinh,
    "acosh": torch.acosh,
    "atanh": torch.atanh,
    "erf": torch.erf,
    "erfc": torch.erfc,
    "gamma": _gamma,
    "lgamma": torch.lgamma,
    "degrees": lambda x: x * (180.0 / math.pi),
    "radians": lambda x: x * (math.pi / 180.0),
    "fabs": torch.abs,
    "ulp": _ulp,
    "modf": _modf,
    "frexp": _frexp,
    "atan2": torch.atan2,
    "copysign": torch.copysign,
    "fmod": torch.fmod,
    "remainder": _remainder,
    "nextafter": torch.nextafter,
    "hypot": _hypot,
    "pow": torch.pow,
    "ldexp": _ldexp,
}
