"""The gamma function's logarithm, its derivatives, and Hurwitz's zeta function."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions.table import (
    as_float,
    common_float,
    decomposes,
    elementwise,
    polynomial,
)

# Bernoulli's numbers in the series that gamma functions approach for large numbers.
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760)
_LGAMMA = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)
# From here on the series are right to the last digit of float64.
_FAR = 12


def _reflected(x: Tensor) -> tuple[Tensor, Tensor]:
    """What stands for a number: itself or its mirror image, from 0.5 on; and that further on."""
    near = torch.where(x < 0.5, 1 - x, x)
    return near, torch.where(near < _FAR, near + _FAR, near)


@decomposes("aten::digamma.default", "prims::digamma.default")
def digamma(x: Tensor) -> Tensor:
    """In float64: large terms cancel near the zero at 1.46."""
    given = as_float(x)
    x = given.double()
    reflected, far = _reflected(x)
    square = 1 / (far * far)
    out = far.log() - 0.5 / far - square * polynomial(square, _DIGAMMA)
    steps = sum(1 / (reflected + k) for k in range(_FAR))
    out = torch.where(reflected < _FAR, out - steps, out)
    # By the part behind the point: pi times a large number has lost it.
    angle = math.pi * (x - x.trunc())
    cotangent = math.pi * torch.cos(angle) / torch.sin(angle)
    out = torch.where(x < 0.5, out - cotangent, out)
    pole = (x < 0) & (x == x.floor())
    out = torch.where(pole, math.nan, out)
    out = torch.where(x == 0, -1 / x, out)  # an infinity of the other sign
    return torch.where(x == math.inf, x, out).to(given.dtype)


@decomposes("aten::lgamma.default", "prims::lgamma.default")
def lgamma(x: Tensor) -> Tensor:
    """In float64: large terms cancel near the zeros at 1 and 2."""
    given = as_float(x)
    x = given.double()
    reflected, far = _reflected(x)
    inverse = 1 / far
    out = (far - 0.5) * far.log() - far + 0.5 * math.log(2 * math.pi)
    out = out + inverse * polynomial(inverse * inverse, _LGAMMA)
    product = reflected
    for k in range(1, _FAR):
        product = product * (reflected + k)
    out = torch.where(reflected < _FAR, out - product.log(), out)
    sine = torch.sin(math.pi * (x - x.trunc())).abs()
    out = torch.where(x < 0.5, math.log(math.pi) - sine.log() - out, out)
    pole = (x <= 0) & (x == x.floor())
    return torch.where(pole | x.isinf(), math.inf, out).to(given.dtype)


@elementwise
def _trigamma(x: Tensor) -> Tensor:
    """As in PyTorch's kernel: at its poles both divide by the rounding error of a sine."""
    low = x < 0.5
    sine = torch.sin(math.pi * x)
    near = torch.where(low, 1 - x, x)
    steps = sum(1 / ((near + k) * (near + k)) for k in range(6))
    far = near + 6
    square = 1 / (far * far)
    series = polynomial(square, (1 / 6, -1 / 30, 1 / 42))
    out = steps + (1 + 1 / (2 * far) + square * series) / far
    return torch.where(low, math.pi**2 / (sine * sine) - out, out)


@decomposes("aten::polygamma.default")
def polygamma(n: int, x: Tensor) -> Tensor:
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    if n == 0:
        return digamma(x)
    if n == 1:
        return _trigamma(x)
    x = as_float(x)
    # PyTorch takes the factorial in the tensor's dtype, half ones in float32: it may be infinite.
    wide = x.dtype if x.dtype.itemsize >= 4 else torch.float32
    try:
        factorial = math.exp(math.lgamma(n + 1))
    except OverflowError:
        factorial = math.inf
    if factorial > torch.finfo(wide).max:
        factorial = math.inf
    sign = 1 if n % 2 else -1
    return (sign * factorial * zeta(float(n + 1), x).to(wide)).to(x.dtype)


# S. L. Moshier, Cephes Mathematical Library, zeta.c: (2 k)! / B(2 k) of the Euler-Maclaurin sum.
_ZETA = (
    12.0,
    -720.0,
    30240.0,
    -1209600.0,
    47900160.0,
    -1.8924375803183791606e9,
    7.47242496e10,
    -2.950130727918164224e12,
    1.1646782814350067249e14,
    -4.5979787224074726105e15,
    1.8152105401943546773e17,
    -7.1661652561756670113e18,
)
_ZETA_STEPS = 9
_EPSILON = 1.11022302462515654042e-16


def _zeta_of_positive(x: Tensor, q: Tensor, first: Tensor) -> Tensor:
    """Hurwitz's zeta function for ``x > 1`` and ``q > 0``: its first term, nine more, the rest."""
    total = term = first
    done = torch.zeros_like(total, dtype=torch.bool)
    for k in range(1, _ZETA_STEPS + 1):
        term = (q + k) ** -x
        total = torch.where(done, total, total + term)
        # A small term ends it: the factors below may overflow.
        done = done | (term < _EPSILON * total)
    last = q + _ZETA_STEPS
    total = torch.where(done, total, total + term * last / (x - 1) - 0.5 * term)
    factor = torch.ones_like(total)
    for k, divisor in enumerate(_ZETA):
        factor = factor * (x + 2 * k)
        term = term / last
        part = factor * term / divisor
        total = torch.where(done, total, total + part)
        done = done | ((part / total).abs() < _EPSILON)
        factor = factor * (x + 2 * k + 1)
        term = term / last
    return total


def _double(x: Tensor | float) -> Tensor:
    return x.double() if isinstance(x, Tensor) else torch.full((), float(x), dtype=torch.float64)


@decomposes(
    "aten::special_zeta.default",
    "aten::special_zeta.other_scalar",
    "aten::special_zeta.self_scalar",
    "prims::zeta.default",
)
def zeta(order: Tensor | float, start: Tensor | float) -> Tensor:
    """In float64, as PyTorch's kernel does on the CPU.

    For a start below 0 and an integer order that one adds up the terms to the left of 0 one by
    one. They are a part of the terms of another zeta function: of the distance from 0 to the first.
    """
    dtype = common_float(order, start)
    x, q = torch.broadcast_tensors(_double(order), _double(start))
    right = q > 0
    above = q.ceil() - q
    starts = torch.stack([torch.where(right, q, q - q.floor()), above, above - q.floor()])
    # PyTorch has its first term in the tensor's dtype: it may be infinite, or 0.
    narrow = torch.float64 if dtype == torch.float64 else torch.float32
    first = (q.to(narrow) ** -x.to(narrow)).double()
    main, *others = (starts**-x).unbind()
    firsts = torch.stack([torch.where(right, first, main), *others])
    out, left, rest = _zeta_of_positive(x, starts, firsts).unbind()
    # Where all terms of the rest are 0 the factors may be infinite.
    left = left - torch.where(rest.isnan(), 0.0, rest)
    odd = x - 2 * (x / 2).floor() == 1
    negative = out + torch.where(odd, -left, left)
    negative = torch.where(first.isinf(), first + negative, negative)
    negative = torch.where(x == x.floor(), negative, math.nan)
    negative = torch.where(q == q.floor(), math.inf, negative)
    out = torch.where(right | q.isnan(), out, negative)
    return torch.where(x == 1, math.inf, torch.where(x < 1, math.nan, out)).to(dtype)
