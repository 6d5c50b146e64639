"""Powers, roots, exponential and trigonometric functions of complex numbers."""

from __future__ import annotations

import math
from typing import Any

import torch
from fxexport.passes.complex_numbers.arithmetic import absolute, product, quotient
from fxexport.passes.complex_numbers.pairs import Pair, PairWriter, Part, shape_of
from fxexport.passes.complex_numbers.table import RuleTable
from torch import fx

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = RuleTable()


def _both(w: PairWriter, a: Pair) -> tuple[fx.Node, fx.Node]:
    return w.tensor(a.re), w.imaginary(a)


# -- exponential and logarithm ---------------------------------------------------------------------


def _exp(w: PairWriter, a: Pair) -> Pair:
    re = w.map(aten.exp.default, w.tensor(a.re))
    if a.im is None:
        return Pair(re, None)
    im = w.tensor(a.im)
    return Pair(w.mul(re, w.map(aten.cos.default, im)), w.mul(re, w.map(aten.sin.default, im)))


def _log(w: PairWriter, a: Pair) -> Pair:
    re, im = _both(w, a)
    return Pair(
        w.map(aten.log.default, absolute(w, Pair(re, im))), w.of(aten.atan2.default, im, re)
    )


def _scaled(w: PairWriter, a: Pair, factor: float) -> Pair:
    return product(w, a, Pair(factor, None))


@RULES("exp.default")
def exp(w: PairWriter, a: Pair) -> Pair:
    return _exp(w, a)


@RULES("exp2.default")
def exp2(w: PairWriter, a: Pair) -> Pair:
    return _exp(w, _scaled(w, a, math.log(2)))


@RULES("log.default")
def log(w: PairWriter, a: Pair) -> Pair:
    return _log(w, a)


@RULES("log2.default")
def log2(w: PairWriter, a: Pair) -> Pair:
    return _scaled(w, _log(w, a), 1 / math.log(2))


@RULES("log10.default")
def log10(w: PairWriter, a: Pair) -> Pair:
    return _scaled(w, _log(w, a), 1 / math.log(10))


@RULES("sigmoid.default")
def sigmoid(w: PairWriter, a: Pair) -> Pair:
    below = _exp(w, _scaled(w, a, -1.0))
    return quotient(w, Pair(1.0, None), Pair(w.add(below.re, 1.0), below.im))


# -- roots and powers ------------------------------------------------------------------------------


def _where(w: PairWriter, condition: fx.Node, a: Part, b: Part) -> fx.Node:
    return w.call(aten.where.self, condition, w.tensor(a), w.tensor(b), shape=shape_of(condition))


def _sqrt(w: PairWriter, a: Pair) -> Pair:
    """The root with positive real part; no digits cancel in it."""
    re, im = _both(w, a)
    length = w.add(absolute(w, Pair(re, im)), w.map(aten.abs.default, re))
    larger = w.tensor(w.map(aten.sqrt.default, w.tensor(w.mul(length, 0.5))))
    zero = w.call(aten.eq.Scalar, larger, 0, shape=shape_of(larger), dtype=torch.bool)
    below = _where(w, zero, 1.0, w.mul(larger, 2.0))
    smaller = w.div(w.map(aten.abs.default, im), below)
    right = w.call(aten.ge.Scalar, re, 0, shape=shape_of(re), dtype=torch.bool)
    upper = _where(w, right, smaller, larger)
    return Pair(_where(w, right, larger, smaller), w.call(aten.copysign.Tensor, upper, im))


@RULES("sqrt.default")
def sqrt(w: PairWriter, a: Pair) -> Pair:
    return _sqrt(w, a)


@RULES("rsqrt.default")
def rsqrt(w: PairWriter, a: Pair) -> Pair:
    return quotient(w, Pair(1.0, None), _sqrt(w, a))


def _power(w: PairWriter, a: Pair, b: Pair) -> Pair:
    """``exp(b * log(a))``, 0 where the base is 0, as C's pow has it."""
    a = Pair(w.tensor(a.re), a.im)
    out = _exp(w, product(w, b, _log(w, a)))
    length = absolute(w, a)
    zero = w.call(aten.eq.Scalar, length, 0, shape=shape_of(length), dtype=torch.bool)
    assert out.im is not None
    re, im = (w.call(aten.where.self, zero, w.number(0.0, w.dtype), x) for x in (out.re, out.im))
    return Pair(re, im)


@RULES("pow.Tensor_Scalar")
def pow_scalar(w: PairWriter, a: Any, exponent: Any) -> Pair:
    base = w.pair(a)
    if exponent == 0.5:
        return _sqrt(w, base)
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
    re, im = _both(w, a)
    sinh, cosh = w.map(aten.sinh.default, re), w.map(aten.cosh.default, re)
    sin, cos = w.map(aten.sin.default, im), w.map(aten.cos.default, im)
    return Pair(w.mul(sinh, cos), w.mul(cosh, sin)), Pair(w.mul(cosh, cos), w.mul(sinh, sin))


def _turned(w: PairWriter, a: Pair) -> Pair:
    """``i * a``."""
    return Pair(w.negated(w.imaginary(a)), w.tensor(a.re))


def _turned_back(w: PairWriter, a: Pair) -> Pair:
    """``-i * a``."""
    return Pair(w.imaginary(a), w.negated(w.tensor(a.re)))


def _tanh(w: PairWriter, a: Pair) -> Pair:
    """By exp(-2|re|), which never overflows."""
    re, im = _both(w, a)
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


@RULES("tanh.default")
def tanh(w: PairWriter, a: Pair) -> Pair:
    return _tanh(w, a)


@RULES("sin.default")
def sin(w: PairWriter, a: Pair) -> Pair:
    return _turned_back(w, _hyperbolic(w, _turned(w, a))[0])


@RULES("cos.default")
def cos(w: PairWriter, a: Pair) -> Pair:
    return _hyperbolic(w, _turned(w, a))[1]


@RULES("tan.default")
def tan(w: PairWriter, a: Pair) -> Pair:
    return _turned_back(w, _tanh(w, _turned(w, a)))
