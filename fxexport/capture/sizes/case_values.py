"""Evaluates expressions of sizes in one case of each symbol, as polynomials."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy

__all__ = ["Case", "CaseValues"]

# A fraction only where it must be: integers are much faster.
_Number = int | Fraction
# A polynomial: exponents of the symbols -> coefficient.
_Poly = dict[tuple[int, ...], _Number]


# The end of a range of values; None where there is none.
_End = _Number | None


class _Unknown(Exception):
    """A function that has no polynomial, or a comparison that the signs do not decide."""


@dataclass(frozen=True)
class Case:
    """One case of one symbol: a number (`period` 0), or ``first + period * q``, q up to `most`."""

    first: int
    period: int = 0
    most: int | None = 0


class CaseValues:
    """Evaluates expressions in one case of each symbol."""

    def __init__(self, symbols: Sequence[sympy.Symbol], case: Sequence[Case]) -> None:
        self._constant = (0,) * len(symbols)
        self._most = [one.most for one in case]
        # Relations on sizes say the same things many times.
        self._known: dict[sympy.Basic, _Poly] = {}
        self._of: dict[sympy.Symbol, _Poly] = {}
        for k, (symbol, one) in enumerate(zip(symbols, case, strict=True)):
            poly: _Poly = {self._constant: one.first}
            if one.period:
                unit = tuple(int(j == k) for j in range(len(symbols)))
                poly[unit] = one.period
            self._of[symbol] = poly

    def truth(self, expr: sympy.Basic) -> bool | None:
        """Whether a relation holds in this case."""
        try:
            return self._truth(expr)
        except _Unknown:
            return None

    def _truth(self, expr: sympy.Basic) -> bool | None:
        if expr in (sympy.true, sympy.false):
            return bool(expr)
        if isinstance(expr, sympy.Not):
            found = self.truth(expr.args[0])
            return None if found is None else not found
        if isinstance(expr, (sympy.And, sympy.Or)):
            found_all = [self.truth(arg) for arg in expr.args]
            decisive = isinstance(expr, sympy.Or)
            if decisive in found_all:
                return decisive
            return None if None in found_all else not decisive
        compare = _COMPARISONS.get(type(expr))
        if compare is None:
            raise _Unknown
        return compare(*self._bounds(_minus(self._poly(expr.args[0]), self._poly(expr.args[1]))))

    def _poly(self, expr: sympy.Basic) -> _Poly:
        if isinstance(expr, sympy.Symbol):
            return self._of[expr]
        if isinstance(expr, sympy.Rational):
            return {self._constant: _quotient(int(expr.p), int(expr.q))}
        if expr not in self._known:
            self._known[expr] = self._computed(expr)
        return self._known[expr]

    def _computed(self, expr: sympy.Basic) -> _Poly:
        if isinstance(expr, sympy.Add):
            total: _Poly = {}
            for arg in expr.args:
                total = _plus(total, self._poly(arg))
            return total
        if isinstance(expr, sympy.Mul):
            product: _Poly = {self._constant: 1}
            for arg in expr.args:
                product = _times(product, self._poly(arg))
            return product
        rule = _RULES.get(type(expr).__name__)
        if rule is None:
            raise _Unknown
        return rule(self, *expr.args)

    def _bounds(self, poly: _Poly) -> tuple[_End, _End]:
        """The smallest and the largest value; None where it has none."""
        low: _End = 0
        high: _End = 0
        for exponents, factor in poly.items():
            most: int | None = 1
            for exponent, end in zip(exponents, self._most, strict=True):
                if exponent:
                    most = None if most is None or end is None else most * end**exponent
            if exponents == self._constant:
                low = None if low is None else low + factor
                high = None if high is None else high + factor
            elif factor > 0:
                high = None if high is None or most is None else high + factor * most
            elif factor < 0:
                low = None if low is None or most is None else low + factor * most
        return low, high

    # -- functions of numbers ----------------------------------------------------------------------

    def _number(self, expr: sympy.Basic) -> _Number:
        poly = self._poly(expr)
        if any(factor for exponents, factor in poly.items() if exponents != self._constant):
            raise _Unknown
        return poly.get(self._constant, 0)

    def _divided(self, expr: sympy.Basic, by: sympy.Basic) -> _Poly:
        number = self._number(by)
        if number == 0:
            raise _Unknown
        return {
            exponents: _quotient(factor, number) for exponents, factor in self._poly(expr).items()
        }

    def _floor(self, poly: _Poly) -> _Poly:
        """Rounded down: what changes with the q must be integers already."""
        found = dict(poly)
        constant = found.pop(self._constant, 0)
        if any(factor.denominator != 1 for factor in found.values()):
            raise _Unknown
        found[self._constant] = math.floor(constant)
        return found

    def floor_div(self, expr: sympy.Basic, by: sympy.Basic) -> _Poly:
        """``a // b``."""
        return self._floor(self._divided(expr, by))

    def modulo(self, expr: sympy.Basic, by: sympy.Basic) -> _Poly:
        """``a % b``."""
        number = {self._constant: self._number(by)}
        return _minus(self._poly(expr), _times(self.floor_div(expr, by), number))

    def true_div(self, expr: sympy.Basic, by: sympy.Basic) -> _Poly:
        """``a / b``."""
        return self._divided(expr, by)

    def ceiling(self, expr: sympy.Basic) -> _Poly:
        """Rounded up."""
        down = self._floor(_minus({}, self._poly(expr)))
        return _minus({}, down)

    def truncated(self, expr: sympy.Basic) -> _Poly:
        """Rounded towards 0."""
        poly = self._poly(expr)
        low, high = self._bounds(poly)
        if low is not None and low >= 0:
            return self._floor(poly)
        if high is not None and high <= 0:
            return self.ceiling(expr)
        raise _Unknown

    def floored(self, expr: sympy.Basic) -> _Poly:
        """Rounded down."""
        return self._floor(self._poly(expr))

    def same(self, expr: sympy.Basic) -> _Poly:
        """A conversion that does not change the number."""
        return self._poly(expr)

    def power(self, expr: sympy.Basic, exponent: sympy.Basic) -> _Poly:
        """``a ** k`` with a natural number for k."""
        number = self._number(exponent)
        if number.denominator != 1 or not 0 <= number <= 8:
            raise _Unknown
        product: _Poly = {self._constant: 1}
        for _ in range(int(number)):
            product = _times(product, self._poly(expr))
        return product

    def largest(self, *args: sympy.Basic) -> _Poly:
        """``max(a, ...)``, where one is never less than the others."""
        return self._extreme(args, 1)

    def smallest(self, *args: sympy.Basic) -> _Poly:
        """``min(a, ...)``."""
        return self._extreme(args, -1)

    def _extreme(self, args: Sequence[sympy.Basic], sign: int) -> _Poly:
        best, *others = [self._poly(arg) for arg in args]
        for other in others:
            low, high = self._bounds(_minus(best, other))
            if sign < 0:
                low, high = (None if high is None else -high), (None if low is None else -low)
            if low is not None and low >= 0:
                continue
            if high is None or high > 0:
                raise _Unknown
            best = other
        return best


_RULES: dict[str, Callable[..., _Poly]] = {
    "FloorDiv": CaseValues.floor_div,
    "CleanDiv": CaseValues.true_div,
    "IntTrueDiv": CaseValues.true_div,
    "Mod": CaseValues.modulo,
    "PythonMod": CaseValues.modulo,
    "Max": CaseValues.largest,
    "Min": CaseValues.smallest,
    "Pow": CaseValues.power,
    "PowByNatural": CaseValues.power,
    "CeilToInt": CaseValues.ceiling,
    "ceiling": CaseValues.ceiling,
    "FloorToInt": CaseValues.floored,
    "floor": CaseValues.floored,
    "TruncToInt": CaseValues.truncated,
    "ToFloat": CaseValues.same,
    "Identity": CaseValues.same,
}


def _quotient(a: _Number, b: _Number) -> _Number:
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return Fraction(a) / b


def _plus(a: _Poly, b: _Poly) -> _Poly:
    found = dict(a)
    for exponents, factor in b.items():
        found[exponents] = found.get(exponents, 0) + factor
    return found


def _minus(a: _Poly, b: _Poly) -> _Poly:
    return _plus(a, {exponents: -factor for exponents, factor in b.items()})


def _times(a: _Poly, b: _Poly) -> _Poly:
    found: _Poly = {}
    for one, factor in a.items():
        for other, times in b.items():
            exponents = tuple(map(sum, zip(one, other, strict=True)))
            found[exponents] = found.get(exponents, 0) + factor * times
    return found


def _positive(low: _End, high: _End) -> bool | None:
    if low is not None and low > 0:
        return True
    return False if high is not None and high <= 0 else None


def _not_negative(low: _End, high: _End) -> bool | None:
    if low is not None and low >= 0:
        return True
    return False if high is not None and high < 0 else None


def _zero(low: _End, high: _End) -> bool | None:
    if low == high == 0:
        return True
    apart = (low is not None and low > 0) or (high is not None and high < 0)
    return False if apart else None


def _not(found: bool | None) -> bool | None:
    return None if found is None else not found


# By the difference of the two sides.
_COMPARISONS: dict[type, Callable[[_End, _End], bool | None]] = {
    sympy.Gt: _positive,
    sympy.Ge: _not_negative,
    sympy.Lt: lambda low, high: _not(_not_negative(low, high)),
    sympy.Le: lambda low, high: _not(_positive(low, high)),
    sympy.Eq: _zero,
    sympy.Ne: lambda low, high: _not(_zero(low, high)),
}
