"""Sums, products, quotients and comparisons of complex numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from fxexport.passes.complex_numbers.pairs import Pair, PairWriter, Part, is_tensor, shape_of
from fxexport.passes.complex_numbers.table import RuleTable
from torch import fx

__all__ = ["RULES", "absolute", "add", "bilinear", "conj", "product", "quotient"]

aten = torch.ops.aten

RULES = RuleTable()


# -- sums ------------------------------------------------------------------------------------------


def _spread(w: PairWriter, part: Part, other: Part) -> Part:
    """A part in the sizes that it and another operand have together."""
    if not isinstance(part, fx.Node):
        if not isinstance(other, fx.Node):
            return part
        return w.add(w.zeros(other), part)
    if not isinstance(other, fx.Node) or _alike(part, other):
        return part
    return w.add(part, w.zeros(other))


def _alike(a: fx.Node, b: fx.Node) -> bool:
    return list(map(str, shape_of(a))) == list(map(str, shape_of(b)))


def _sum(w: PairWriter, a: Pair, b: Pair) -> Pair:
    if a.im is None and b.im is None:
        return Pair(w.add(a.re, b.re), None)
    if a.im is None or b.im is None:
        whole, real = (b, a) if a.im is None else (a, b)
        assert whole.im is not None
        return Pair(w.add(a.re, b.re), _spread(w, whole.im, real.re))
    return Pair(w.add(a.re, b.re), w.add(a.im, b.im))


@RULES("add.Tensor", "add.Scalar")
def add(w: PairWriter, a: Any, b: Any, alpha: Any = 1) -> Pair:
    """``a + alpha * b``."""
    return _sum(w, w.pair(a), _times(w, alpha, b))


@RULES("sub.Tensor", "sub.Scalar")
def sub(w: PairWriter, a: Any, b: Any, alpha: Any = 1) -> Pair:
    return _sum(w, w.pair(a), neg(w, _times(w, alpha, b)))


@RULES("rsub.Tensor", "rsub.Scalar")
def rsub(w: PairWriter, a: Any, b: Any, alpha: Any = 1) -> Pair:
    return sub(w, b, a, alpha)


@RULES("neg.default")
def neg(w: PairWriter, a: Pair) -> Pair:
    return Pair(w.negated(a.re), None if a.im is None else w.negated(a.im))


@RULES("positive.default", "resolve_conj.default", "resolve_neg.default")
def unchanged(w: PairWriter, a: Pair) -> Pair:
    return a


def _times(w: PairWriter, alpha: Any, b: Any) -> Pair:
    return w.pair(b) if alpha == 1 else product(w, w.pair(alpha), w.pair(b))


# -- products --------------------------------------------------------------------------------------


def bilinear(w: PairWriter, of: Callable[[Any, Any], Part], a: Pair, b: Pair) -> Pair:
    """What is linear in each of two values, by what it gives for their parts.

    A value without imaginary parts scales, where PyTorch would add products by 0.
    """
    if a.im is None and b.im is None:
        return Pair(of(a.re, b.re), None)
    if b.im is None:
        return Pair(of(a.re, b.re), of(a.im, b.re))
    if a.im is None:
        return Pair(of(a.re, b.re), of(a.re, b.im))
    return Pair(w.sub(of(a.re, b.re), of(a.im, b.im)), w.add(of(a.re, b.im), of(a.im, b.re)))


def multilinear(
    w: PairWriter, of: Callable[..., Part], values: Sequence[Pair], chosen: tuple[Part, ...] = ()
) -> Pair:
    """What is linear in each of several values, by what it gives for their parts.

    Args:
        w: writes.
        of: called with a part of each value.
        values: the values whose parts are still to be chosen.
        chosen: a part of each value before these.
    """
    if len(values) == 2:
        return bilinear(w, lambda a, b: of(*chosen, a, b), *values)
    first, *others = values
    re = multilinear(w, of, others, (*chosen, first.re))
    if first.im is None:
        return re
    im = multilinear(w, of, others, (*chosen, first.im))
    if re.im is None or im.im is None:
        return Pair(re.re, im.re)
    return Pair(w.sub(re.re, im.im), w.add(re.im, im.re))


def product(w: PairWriter, a: Pair, b: Pair) -> Pair:
    """``a * b``."""
    return bilinear(w, w.mul, a, b)


def quotient(w: PairWriter, a: Pair, b: Pair) -> Pair:
    """``a / b``, scaled by the larger part of the divisor so that no square overflows."""
    if b.im is None:
        return Pair(w.div(a.re, b.re), None if a.im is None else w.div(a.im, b.re))
    re, im = w.tensor(b.re), w.tensor(b.im)
    largest = w.of(aten.maximum.default, w.map(aten.abs.default, re), w.map(aten.abs.default, im))
    c, d = w.div(re, largest), w.div(im, largest)
    below = w.mul(w.add(w.mul(c, c), w.mul(d, d)), largest)
    above = product(w, a, Pair(c, w.negated(d)))
    assert above.im is not None
    # A divisor of 0: each part by 0.
    nothing = w.is_zero(w.tensor(largest))
    imaginary = w.imaginary(a) if isinstance(a.re, fx.Node) or a.im is not None else 0.0
    return Pair(
        w.where(nothing, w.div(a.re, largest), w.div(above.re, below)),
        w.where(nothing, w.div(imaginary, largest), w.div(above.im, below)),
    )


@RULES("mul.Tensor", "mul.Scalar")
def mul(w: PairWriter, a: Any, b: Any) -> Pair:
    return product(w, w.pair(a), w.pair(b))


@RULES("div.Tensor", "div.Scalar", "true_divide.Tensor")
def div(w: PairWriter, a: Any, b: Any) -> Pair:
    return quotient(w, w.pair(a), w.pair(b))


@RULES("reciprocal.default")
def reciprocal(w: PairWriter, a: Pair) -> Pair:
    return quotient(w, Pair(1.0, None), a)


@RULES("square.default")
def square(w: PairWriter, a: Pair) -> Pair:
    return product(w, a, a)


@RULES("addcmul.default")
def addcmul(w: PairWriter, x: Any, a: Any, b: Any, value: Any = 1) -> Pair:
    return _sum(w, w.pair(x), _times(w, value, product(w, w.pair(a), w.pair(b))))


@RULES("addcdiv.default")
def addcdiv(w: PairWriter, x: Any, a: Any, b: Any, value: Any = 1) -> Pair:
    return _sum(w, w.pair(x), _times(w, value, quotient(w, w.pair(a), w.pair(b))))


@RULES("lerp.Tensor", "lerp.Scalar")
def lerp(w: PairWriter, start: Any, end: Any, weight: Any) -> Pair:
    first = w.pair(start)
    return _sum(w, first, product(w, w.pair(weight), _sum(w, w.pair(end), neg(w, first))))


# -- parts -----------------------------------------------------------------------------------------


@RULES("complex.default")
def of_parts(w: PairWriter, re: fx.Node, im: fx.Node) -> Pair:
    return Pair(_spread(w, re, im), _spread(w, im, re))


@RULES("polar.default")
def polar(w: PairWriter, length: fx.Node, angle: fx.Node) -> Pair:
    return Pair(
        w.mul(length, w.map(aten.cos.default, angle)), w.mul(length, w.map(aten.sin.default, angle))
    )


@RULES("view_as_complex.default", "view_as_complex_copy.default")
def view_as_complex(w: PairWriter, x: fx.Node) -> Pair:
    return w.parted(x)


@RULES("view_as_real.default", "view_as_real_copy.default")
def view_as_real(w: PairWriter, a: Pair) -> fx.Node:
    # A node of its own: what `joined` gives may stand for the complex tensor as well.
    return w.call(aten.alias.default, w.joined(a, w.shape[:-1]))


@RULES("_conj.default", "_conj_physical.default")
def conj(w: PairWriter, a: Pair) -> Pair:
    """The complex conjugate."""
    return Pair(a.re, None if a.im is None else w.negated(a.im))


def absolute(w: PairWriter, a: Pair) -> fx.Node:
    """The absolute value: no square overflows in it."""
    if a.im is None:
        return w.map(aten.abs.default, w.tensor(a.re))
    return w.tensor(w.of(aten.hypot.default, w.tensor(a.re), w.tensor(a.im)))


@RULES("abs.default")
def abs_(w: PairWriter, a: Pair) -> fx.Node:
    squares = [user for user in w.node.users if _is_square(user)]
    if squares and a.im is not None:
        # The power of a spectrum is squared again at once: no root is needed.
        power = w.tensor(w.add(w.mul(a.re, a.re), w.mul(a.im, a.im)))
        for user in squares:
            user.replace_all_uses_with(power)
    return absolute(w, a)


def _is_square(node: fx.Node) -> bool:
    """Whether a node squares its first operand, a real tensor."""
    if node.target is aten.pow.Tensor_Scalar:
        return isinstance(node.args[1], (int, float)) and node.args[1] == 2
    if node.target is aten.mul.Tensor:
        return node.args[0] is node.args[1]
    return node.target is aten.square.default


@RULES("angle.default")
def angle(w: PairWriter, a: Pair) -> fx.Node:
    return w.tensor(w.of(aten.atan2.default, w.imaginary(a), w.tensor(a.re)))


@RULES("sgn.default")
def sgn(w: PairWriter, a: Pair) -> Pair:
    length = absolute(w, a)
    scale = w.where(w.is_zero(length), 1.0, length)
    return Pair(w.div(a.re, scale), None if a.im is None else w.div(a.im, scale))


# -- questions -------------------------------------------------------------------------------------


def _equal(w: PairWriter, a: Any, b: Any) -> fx.Node:
    """Whether two values are equal, of which either may be real."""
    parts = [value.re if isinstance(value, Pair) else value for value in (a, b)]
    dtypes = [part.meta["val"].dtype for part in parts if is_tensor(part)]
    wide = torch.float64 if torch.float64 in dtypes else torch.float32
    one, other = (w.parts(w.pair(value, wide), wide) for value in (a, b))
    re, im = (w.call(aten.eq.Tensor, x, y) for x, y in zip(one, other, strict=True))
    return w.call(aten.logical_and.default, re, im)


@RULES("eq.Tensor", "eq.Scalar")
def eq(w: PairWriter, a: Any, b: Any) -> fx.Node:
    return _equal(w, a, b)


@RULES("ne.Tensor", "ne.Scalar")
def ne(w: PairWriter, a: Any, b: Any) -> fx.Node:
    return w.call(aten.logical_not.default, _equal(w, a, b))


def _of_either(name: str, target: Any, joined: Any) -> None:
    @RULES(name)
    def rule(w: PairWriter, a: Pair) -> fx.Node:
        return w.call(joined, *(w.call(target, part) for part in w.parts(a)))


_of_either("isnan.default", aten.isnan.default, aten.logical_or.default)
_of_either("isinf.default", aten.isinf.default, aten.logical_or.default)
_of_either("isfinite.default", aten.isfinite.default, aten.logical_and.default)
_of_either("logical_not.default", aten.logical_not.default, aten.logical_and.default)
