"""What floating-point numbers consist of, by exact multiplications, and multiples of integers.

ONNX has no view of a number's bits before operator set 26.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions.table import common_float, decomposes


def _leading(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """What is left of a number of a dtype, from 1 to below 2, and the power of two taken out.

    Returns:
        The rest, the power's exponent, and the power itself. Of 0, infinity and NaN they mean
        nothing.
    """
    steps = range(9 if dtype == torch.float64 else 6, -1, -1)
    powers = [2**k for k in steps]
    rest, power = x, torch.ones_like(x)
    exponent = torch.zeros_like(x, dtype=torch.int32)
    for k in powers:
        large = rest.abs() >= 2.0**k
        rest = torch.where(large, rest * 2.0**-k, rest)
        power = torch.where(large, power * 2.0**k, power)
        exponent = torch.where(large, exponent + k, exponent)
    # Numbers that are not normal are smaller than what all steps together make of 1.
    for k in [powers[0], *powers]:
        small = rest.abs() < 2.0 ** (1 - k)
        rest = torch.where(small, rest * 2.0**k, rest)
        power = torch.where(small, power * 2.0**-k, power)
        exponent = torch.where(small, exponent - k, exponent)
    return rest, exponent, power


def _exact(x: Tensor, dtype: torch.dtype) -> Tensor:
    """A tensor in a dtype that this and all steps are exact in."""
    return x.to(torch.float64 if dtype == torch.float64 else torch.float32)


@decomposes("aten::frexp.Tensor")
def frexp(x: Tensor) -> tuple[Tensor, Tensor]:
    rest, exponent, _ = _leading(_exact(x, x.dtype), x.dtype)
    ordinary = (x != 0) & x.isfinite()
    return (
        torch.where(ordinary, (rest * 0.5).to(x.dtype), x),
        torch.where(ordinary, exponent + 1, torch.zeros_like(exponent)),
    )


@decomposes("aten::nextafter.default")
def nextafter(x: Tensor, towards: Tensor) -> Tensor:
    dtype = common_float(x, towards)
    limits = torch.finfo(dtype)
    x, towards = torch.broadcast_tensors(_exact(x, dtype), _exact(towards, dtype))
    _, _, power = _leading(x, dtype)
    size = x.abs()
    smallest = limits.tiny * limits.eps
    up = (towards > x) == (x > 0)
    # Below a power of two numbers are twice as dense as above it.
    denser = ~up & (size == power)
    step = power * torch.where(denser, limits.eps / 2, limits.eps)
    step = torch.where(step < smallest, smallest, step)
    moved = torch.where(up, size + step, size - step)
    # Beyond the largest number is infinity, and before infinity the largest number.
    moved = torch.where(up & (moved > limits.max), math.inf, moved)
    moved = torch.where(size == math.inf, limits.max, moved)
    moved = torch.where(x < 0, -moved, moved)
    start = torch.where(towards > 0, torch.full_like(x, smallest), -smallest)
    moved = torch.where(x == 0, start, moved)
    moved = torch.where(x == towards, towards, moved)
    missing = x.isnan() | towards.isnan()
    return torch.where(missing, math.nan, moved).to(dtype)


@decomposes("aten::lcm.default")
def lcm(a: Tensor, b: Tensor) -> Tensor:
    dtype = torch.result_type(a, b)
    # As C has it: products of narrow integers are wider, those of wide ones wrap.
    wide = dtype if dtype.itemsize >= 4 else torch.int32
    a, b = a.to(dtype), b.to(dtype)
    divisor = torch.gcd(a, b).to(wide)
    some = torch.where(divisor == 0, 1, divisor)
    product = torch.div(a.to(wide), some, rounding_mode="trunc") * b.to(wide)
    return product.abs().to(dtype)
