"""Airy's function."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions.table import decomposes, elementwise, polynomial

# Between the two its power series is used, outside what it approaches.
_EDGE = 2.09
# From here on PyTorch's kernel gives 0.
_NOTHING = 103.892
# Ai(0) and -Ai'(0).
_AT_ZERO = (0.355028053887817239260, 0.258819403792806798405)
# At the edges this many terms are right to the last digit of float64.
_TERMS = 14


# S. L. Moshier, Cephes Mathematical Library, airy.c, as in PyTorch's own kernel: ratios of
# polynomials, lowest power first.
_POSITIVE = (
    (
        1.0,
        14.026469116338967,
        70.53609068404442,
        159.75639135016442,
        168.08922493463058,
        76.27960536152345,
        12.007595273964581,
        0.346538101525629,
    ),
    (
        1.0,
        14.095913560783403,
        71.47784008255756,
        164.2346928715297,
        177.31808814540045,
        84.51389701414746,
        14.75625625848472,
        0.5675945326387702,
    ),
)
_SINE = (
    (
        -1.6778769848911465e-08,
        -2.776491081552329e-06,
        -0.0001592764962392621,
        -0.004062659235948854,
        -0.04919001326095003,
        -0.2797799815451191,
        -0.6931580360369335,
        -0.6264565444319123,
        -0.1316963234183318,
    ),
    (
        4.5185009297058035e-07,
        7.547203482874142e-05,
        0.004402916416152112,
        0.11568717379518804,
        1.4752914677166642,
        9.187074029072596,
        26.736704094149957,
        32.682503279522464,
        13.356042070655324,
    ),
)
_COSINE = (
    (
        3.415517847659236e-10,
        8.117892395543892e-08,
        6.98793669997261e-06,
        0.000282851600836737,
        0.005858041130483885,
        0.06338889196289255,
        0.35146565610554764,
        0.9391692298166502,
        1.0657989759959559,
        0.39110302961568827,
        0.01973399320916857,
    ),
    (
        4.9183457006293e-09,
        1.1716673321441352e-06,
        0.00010125908511650914,
        0.004126565238242226,
        0.08645808263523921,
        0.9542936116189619,
        5.476860694229755,
        15.564662893286462,
        19.835292871831214,
        9.30892908077442,
    ),
)


def _series(first: int) -> list[float]:
    """Coefficients of ``x ** (3 k)``: each is the last by two of three numbers in a row."""
    out = [1.0]
    for k in range(1, _TERMS):
        out.append(out[-1] / ((3 * k + first - 1) * (3 * k + first)))
    return out


def _wave(x: Tensor) -> Tensor:
    """The function of large negative numbers."""
    angle = -2 * x * torch.sqrt(-x) / 3
    inverse = 1 / angle
    square = inverse * inverse
    upper, lower = (polynomial(square, part) for part in _SINE)
    sine = 1 + square * upper / lower
    upper, lower = (polynomial(square, part) for part in _COSINE)
    cosine = inverse * upper / lower
    turned = angle + math.pi / 4
    wave = torch.sin(turned) * sine - torch.cos(turned) * cosine
    return wave / (math.sqrt(math.pi) * torch.sqrt(torch.sqrt(-x)))


def _decay(x: Tensor) -> Tensor:
    """The function of large positive numbers."""
    exponent = 2 * x * torch.sqrt(x) / 3
    upper, lower = (polynomial(1 / exponent, part) for part in _POSITIVE)
    scale = 2 * math.sqrt(math.pi) * torch.sqrt(torch.sqrt(x)) * torch.exp(exponent)
    return upper / lower / scale


@decomposes("aten::special_airy_ai.default")
@elementwise
def airy_ai(x: Tensor) -> Tensor:
    cube = x * x * x
    even, odd = polynomial(cube, _series(0)), x * polynomial(cube, _series(1))
    out = _AT_ZERO[0] * even - _AT_ZERO[1] * odd
    out = torch.where(x < -_EDGE, _wave(x), torch.where(x >= _EDGE, _decay(x), out))
    return torch.where(x.isinf(), math.nan, torch.where(x > _NOTHING, 0.0, out))
