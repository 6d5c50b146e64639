"""Inverses of the error function and of the normal distribution."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions.table import (
    as_float,
    decomposes,
    elementwise,
    polynomial,
)

# J. M. Blair, C. A. Edwards, J. H. Johnson, "Rational Chebyshev approximations for the inverse of
# the error function", 1976: the start of two steps of Newton's, as in PyTorch's own kernel.
_CENTRE = ((0.886226899, -1.645349621, 0.914624893, -0.140543331),
           (1.0, -2.118377725, 1.442710462, -0.329097515, 0.012229801))  # fmt: skip
_TAIL = ((-1.970840454, -1.624906493, 3.429567803, 1.641345311), (1.0, 3.543889200, 1.637067800))


@decomposes("aten::erfinv.default", "prims::erf_inv.default")
def erfinv(y: Tensor) -> Tensor:
    y = as_float(y)
    size = y.abs()
    inner = torch.where(size <= 0.7, y * y, 0.0)
    centre = y * polynomial(inner, _CENTRE[0]) / polynomial(inner, _CENTRE[1])
    outer = torch.where((size > 0.7) & (size < 1), size, 0.8)
    root = torch.sqrt(-torch.log((1 - outer) / 2))
    tail = polynomial(root, _TAIL[0]) / polynomial(root, _TAIL[1])
    x = torch.where(size <= 0.7, centre, torch.where(y < 0, -tail, tail))
    for _ in range(2):
        x = x - (torch.erf(x) - y) / (2 / math.sqrt(math.pi) * torch.exp(-x * x))
    x = torch.where(size == 1, y * math.inf, x)
    return torch.where((size > 1) | y.isnan(), math.nan, x)


# S. L. Moshier, Cephes Mathematical Library, ndtri.c, as in PyTorch's own kernel: around the
# middle, and in the tails up to exp(-32) and beyond.
_NORMAL_CENTRE = (
    (
        -1.2391658386738125,
        13.931260938727968,
        -56.67628574690703,
        98.00107541859997,
        -59.96335010141079,
    ),
    (
        -1.1833162112133,
        15.90562251262117,
        -82.03722561683334,
        200.26021238006066,
        -225.46268785411937,
        86.36024213908905,
        4.676279128988815,
        1.9544885833814176,
        1.0,
    ),
)
_NORMAL_TAIL = (
    (
        -0.0008574567851546854,
        -0.03504246268278482,
        -0.1402560791713545,
        2.1866330685079025,
        14.684956192885803,
        44.08050738932008,
        57.16281922464213,
        31.525109459989388,
        4.0554489230596245,
    ),
    (
        -0.0009332594808954574,
        -0.03808064076915783,
        -0.14218292285478779,
        2.504649462083094,
        15.04253856929075,
        41.3172038254672,
        45.39076351288792,
        15.779988325646675,
        1.0,
    ),
)
_NORMAL_FAR_TAIL = (
    (
        6.239745391849833e-09,
        2.6580697468673755e-06,
        0.00030158155350823543,
        0.012371663481782003,
        0.20148538954917908,
        1.3330346081580755,
        3.9388102529247444,
        6.915228890689842,
        3.2377489177694603,
    ),
    (
        6.790194080099813e-09,
        2.8924786474538068e-06,
        0.00032801446468212774,
        0.013420400608854318,
        0.21623699359449663,
        1.3770209948908132,
        3.6798356385616087,
        6.02427039364742,
        1.0,
    ),
)
_MIDDLE = math.exp(-2)


@decomposes("aten::special_ndtri.default", "prims::ndtri.default")
@elementwise
def ndtri(y: Tensor) -> Tensor:
    upper = y > 1 - _MIDDLE
    tail = torch.where(upper, 1 - y, y)
    middle = y - 0.5
    square = middle * middle
    top, bottom = (polynomial(square, part) for part in _NORMAL_CENTRE)
    centre = math.sqrt(2 * math.pi) * (middle + middle * square * top / bottom)
    root = torch.sqrt(-2 * tail.log())
    inverse = 1 / root
    close, far = (
        inverse * polynomial(inverse, parts[0]) / polynomial(inverse, parts[1])
        for parts in (_NORMAL_TAIL, _NORMAL_FAR_TAIL)
    )
    size = root - root.log() / root - torch.where(root < 8, close, far)
    out = torch.where(tail > _MIDDLE, centre, torch.where(upper, size, -size))
    out = torch.where(y == 0, -math.inf, torch.where(y == 1, math.inf, out))
    return torch.where((y < 0) | (y > 1), math.nan, out)
