"""Upper bounds as terms: a size that a loop carries, and a number that is known before."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence

import sympy
from fxexport.passes.bounds.number_rules import Arithmetic, NoBound
from fxexport.passes.tensorrt.capacity.values.capacities import Capacities

from fxexport.graph.arguments import Number
from fxexport.graph.scalars import maximum

__all__ = ["Term", "TermArithmetic", "Terms"]

# ``at most symbol + number``; without a symbol, at most the number. The symbols are sizes and
# numbers of loops that are being looked at.
Term = tuple[sympy.Symbol | None, Number]

# At most the largest of some terms.
Terms = list[Term]


class TermArithmetic(Arithmetic[Terms]):
    """Computes with terms; their numbers are written before the outermost if or loop."""

    def __init__(self, capacities: Capacities) -> None:
        """Writes numbers with the given."""
        self._capacities = capacities

    def constant(self, number: int) -> Terms:
        """A number."""
        return [(None, number)]

    def total(self, parts: Sequence[Terms]) -> Terms:
        """The sums of one term of each, of which one at most has a symbol."""
        total = self.constant(0)
        for terms in parts:
            made: Terms = []
            for symbol, number in total:
                for other, more in terms:
                    if symbol is not None and other is not None:
                        raise NoBound("a size grows by itself")
                    both = symbol if other is None else other
                    made.append((both, self._capacities.compute(operator.add, number, more)))
            total = made
        return total

    def product(self, parts: Sequence[Terms]) -> Terms:
        """The products of one term of each: a symbol's size has no factor but 1."""
        total = self.constant(1)
        for terms in parts:
            made: Terms = []
            for symbol, number in total:
                for other, more in terms:
                    if (symbol, other) == (None, None):
                        made.append((None, self._capacities.compute(operator.mul, number, more)))
                    elif symbol is None and number == 1:
                        made.append((other, more))
                    elif other is None and more == 1:
                        made.append((symbol, number))
                    else:
                        raise NoBound("a size is a multiple of itself")
            total = made
        return total

    def maximum(self, parts: Sequence[Terms]) -> Terms:
        """The terms of all."""
        return [term for terms in parts for term in terms]

    def minimum(self, found: Sequence[Terms], complete: bool) -> Terms:
        """One of the bounds: the smallest number, if there is one; best without a symbol."""

        def badness(terms: Terms) -> tuple[bool, bool, int]:
            numbers = [number for _, number in terms if isinstance(number, int)]
            several = len(numbers) < len(terms)
            return (
                any(symbol is not None for symbol, _ in terms),
                several,
                0 if several else max(numbers),
            )

        if not found:
            raise NoBound
        return min(found, key=badness)

    def divided(self, bound: Terms, by: int) -> Terms:
        """The quotients; a symbol's size is not divided."""
        return [self._divided(term, by) for term in bound]

    def _divided(self, term: Term, by: int) -> Term:
        symbol, number = term
        if symbol is None:
            return None, self._capacities.compute(operator.floordiv, number, by)
        return symbol, max(number, 0) if isinstance(number, int) else number

    def most(self, terms: Iterable[Term]) -> Number:
        """The number that is at least each of some terms.

        Raises:
            NoBound: one is not known yet.
        """
        numbers = list(terms)
        if any(symbol is not None for symbol, _ in numbers):
            raise NoBound("a size depends on one that is not known yet")
        total = numbers[0][1]
        for _, number in numbers[1:]:
            if number is not total and number != total:
                total = self._capacities.compute(maximum, total, number)
        return total
