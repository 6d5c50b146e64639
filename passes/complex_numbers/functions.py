"""Powers, roots, exponential and trigonometric functions of complex numbers."""

from __future__ import annotations

import math
from typing import Any

import torch
from fxexport.passes.complex_numbers.arithmetic import absolute, product, quotient
from fxexport.passes.complex_numbers.pairs import Pair, PairWriter
from fxexport.passes.complex_numbers.table import RuleTable

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = RuleTable()


# -- exponential and logarithm ---------------------------------------------------------------------


@RULES("exp.default")
def exp(w: PairWriter, a: Pair) -> Pair:
    re = w.map(aten.exp.default, w.tensor(a.re))
    if a.im is None:
        return Pair(re, None)
    im = w.tensor(a.im)
    return Pair(w.mul(re, w.map(aten.cos.default, im)), w.mul(re, w.map(aten.sin.default, im)))


@RULES("log.default")
def log(w: PairWriter, a: Pair) -> Pair:
    re, im = w.parts(a)
    return Pair(
        w.map(aten.log.default, absolute(w, Pair(re, im))), w.of(aten.atan2.default, im, re)
    )


def _scaled(w: PairWriter, a: Pair, factor: float) -> Pair:
    return product(w, a, Pair(factor, None))


@RULES("exp2.default")
def exp2(w: PairWriter, a: Pair) -> Pair:
    return exp(w, _scaled(w, a, math.log(2)))


@RULES("log2.default")
def log2(w: PairWriter, a: Pair) -> Pair:
    return _scaled(w, log(w, a), 1 / math.log(2))


@RULES("log10.default")
def log10(w: PairWriter, a: Pair) -> Pair:
    return _scaled(w, log(w, a), 1 / math.log(10))


@RULES("sigmoid.default")
def sigmoid(w: PairWriter, a: Pair) -> Pair:
    below = exp(w, _scaled(w, a, -1.0))
    return quotient(w, Pair(1.0, None), Pair(w.add(below.re, 1.0), below.im))


# -- roots and powers ------------------------------------------------------------------------------


@RULES("sqrt.default")
def sqrt(w: PairWriter, a: Pair) -> Pair:
    """The root with positive real part; no digits cancel in it."""
    re, im = w.parts(a)
    length = w.add(absolute(w, Pair(re, im)), w.map(aten.abs.default, re))
    larger = w.tensor(w.map(aten.sqrt.default, w.tensor(w.mul(length, 0.5))))
    below = w.where(w.is_zero(larger), 1.0, w.mul(larger, 2.0))
    smaller = w.div(w.map(aten.abs.default, im), below)
    right = w.asked(aten.ge.Scalar, re, 0)
    upper = w.where(right, smaller, larger)
    return Pair(w.where(right, larger, smaller), w.call(aten.copysign.Tensor, upper, im))


@RULES("rsqrt.default")
def rsqrt(w: PairWriter, a: Pair) -> Pair:
    return quotient(w, Pair(1.0, None), sqrt(w, a))


def _power(w: PairWriter, a: Pair, b: Pair) -> Pair:
    """``exp(b * log(a))``, 0 where the base is 0, as C's pow has it."""
    a = Pair(w.tensor(a.re), a.im)
    out = exp(w, product(w, b, log(w, a)))
    zero = w.is_zero(absolute(w, a))
    assert out.im is not None
    return Pair(w.where(zero, 0.0, out.re), w.where(zero, 0.0, out.im))


@RULES("pow.Tensor_Scalar")
def pow_scalar(w: PairWriter, a: Any, exponent: Any) -> Pair:
    base = w.pair(a)
    if exponent == 0.5:
        return sqrt(w, base)
    if isinstance(exponent, (int, float)) and exponent in (1, 2, 3, 4):
        out = base
        for _ in range(int(exponent) - 1):
            out = product(w, out, base)
        return out
    if isinstance(exponent, (int, float)) and exponent in (-1, -2):
        below = base if exponent == -1 else product(w, base, base)
        return quotient(w, Pair(1.0, None), below)
    if exponent == 0:
        re = w.map(aten.ones_like.default, w.tensor(base.re))
        return Pair(re, None)
    return _power(w, base, w.pair(exponent))


@RULES("pow.Tensor_Tensor", "pow.Scalar")
def pow_tensor(w: PairWriter, a: Any, exponent: Any) -> Pair:
    return _power(w, w.pair(a), w.pair(exponent))


# -- trigonometric functions -----------------------------------------------------------------------


def _hyperbolic(w: PairWriter, a: Pair) -> tuple[Pair, Pair]:
    """Sinh and cosh."""
    re, im = w.parts(a)
    sinh, cosh = w.map(aten.sinh.default, re), w.map(aten.cosh.default, re)
    sin, cos = w.map(aten.sin.default, im), w.map(aten.cos.default, im)
    return Pair(w.mul(sinh, cos), w.mul(cosh, sin)), Pair(w.mul(cosh, cos), w.mul(sinh, sin))


def _turned(w: PairWriter, a: Pair) -> Pair:
    """``i * a``."""
    return Pair(w.negated(w.imaginary(a)), w.tensor(a.re))


def _turned_back(w: PairWriter, a: Pair) -> Pair:
    """``-i * a``."""
    return Pair(w.imaginary(a), w.negated(w.tensor(a.re)))


@RULES("tanh.default")
def tanh(w: PairWriter, a: Pair) -> Pair:
    """By exp(-2|re|), which never overflows."""
    re, im = w.parts(a)
    length = w.map(aten.abs.default, re)
    small = w.map(aten.exp.default, w.tensor(w.mul(length, -2.0)))
    double = w.tensor(w.mul(im, 2.0))
    sin, cos = w.map(aten.sin.default, double), w.map(aten.cos.default, double)
    square = w.mul(small, small)
    # (1 - e^-4r) / (1 + 2 e^-2r cos + e^-4r), and 2 e^-2r sin over the same.
    twice = w.mul(small, 2.0)
    below = w.add(w.add(w.mul(twice, cos), square), 1.0)
    near = w.negated(w.map(aten.expm1.default, w.tensor(w.mul(length, -4.0))))
    real = w.mul(w.div(near, below), w.map(aten.sign.default, re))
    return Pair(real, w.div(w.mul(twice, sin), below))


@RULES("sinh.default")
def sinh(w: PairWriter, a: Pair) -> Pair:
    return _hyperbolic(w, a)[0]


@RULES("cosh.default")
def cosh(w: PairWriter, a: Pair) -> Pair:
    return _hyperbolic(w, a)[1]


@RULES("sin.default")
def sin(w: PairWriter, a: Pair) -> Pair:
    return _turned_back(w, _hyperbolic(w, _turned(w, a))[0])


@RULES("cos.default")
def cos(w: PairWriter, a: Pair) -> Pair:
    return _hyperbolic(w, _turned(w, a))[1]


@RULES("tan.default")
def tan(w: PairWriter, a: Pair) -> Pair:
    return _turned_back(w, tanh(w, _turned(w, a)))
