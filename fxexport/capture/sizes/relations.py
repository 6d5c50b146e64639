"""What must hold between the inputs' dimensions: facts of the main path, in the user's terms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import sympy

from fxexport import _torch_compat as compat
from fxexport.capture.session.session import Session
from fxexport.capture.sizes.case_proofs import Interval, decided
from fxexport.capture.sizes.proofs import expression_text, relation_text
from fxexport.graph.signature import Constraint
from fxexport.source.frames import locations_of_summary
from fxexport.source.location import SourceLocation

__all__ = ["Relations"]


class Relations:
    """The relations of a capture.

    Args:
        session: the capture.
        dimensions: symbol of an input dimension -> its name.
    """

    def __init__(self, session: Session, dimensions: Mapping[sympy.Symbol, str]) -> None:
        self._session = session
        self._dimensions = dimensions

    def constraints(self) -> list[Constraint]:
        """What must hold between the input dimensions; what follows from another is left out."""
        facts = self._facts()
        kept = dict(facts)
        # The longest first: of two that say the same, the shorter one stays.
        for expr in sorted(facts, key=lambda fact: len(self._text(fact)), reverse=True):
            others = [fact for fact in kept if fact != expr]
            if decided(expr, self._ranges(expr), others) is True:
                del kept[expr]
        return [self._constraint(expr, location) for expr, location in kept.items()]

    def _facts(self) -> dict[sympy.Basic, SourceLocation | None]:
        """All facts about dimensions of inputs that do not always hold, with their lines."""
        session = self._session
        facts: list[tuple[sympy.Basic, SourceLocation | None]] = [
            *session.assumed,
            *session.required,
        ]
        for item in session.env.asserts():
            locations = locations_of_summary(compat.stack_of_assert(item))
            facts.append((item.expr, next(iter(locations), None)))
        found: dict[sympy.Basic, SourceLocation | None] = {}
        for whole, location in facts:
            for expr in _conjuncts(whole):
                if not expr.free_symbols or not expr.free_symbols <= self._dimensions.keys():
                    continue
                if decided(expr, self._ranges(expr)) is not True:
                    found.setdefault(_as_bound(_simpler(expr)), location)
        return found

    def _ranges(self, expr: sympy.Basic) -> dict[sympy.Symbol, Interval]:
        """The declared ranges: those that the environment knows have the facts in them."""
        return {symbol: self._session.ranges[symbol] for symbol in expr.free_symbols}

    def _constraint(self, expr: sympy.Basic, location: SourceLocation | None) -> Constraint:
        symbols = sorted(expr.free_symbols, key=lambda symbol: self._dimensions[symbol])
        names = tuple(self._dimensions[symbol] for symbol in symbols)
        numbered = {symbol: f"d{k}" for k, symbol in enumerate(symbols)}
        expression = expression_text(expr, numbered)
        return Constraint(self._text(expr), self._predicate(expr), location, names, expression)

    def _text(self, expr: sympy.Basic) -> str:
        return relation_text(expr, self._session.names)

    def _predicate(self, expr: sympy.Basic) -> Callable[[Mapping[str, int]], bool]:
        names = {symbol: self._dimensions[symbol] for symbol in expr.free_symbols}

        def holds(sizes: Mapping[str, int]) -> bool:
            values = {s: sympy.Integer(sizes[name]) for s, name in names.items() if name in sizes}
            # Where it divides by 0, PyTorch raises.
            return len(values) < len(names) or compat.at_sizes(expr, values) is sympy.true

        return holds


def _as_bound(expr: sympy.Basic) -> sympy.Basic:
    """A relation of one size as ``n >= k`` or ``n <= k``, where it says no more than that."""
    if len(expr.free_symbols) != 1:
        return expr
    (symbol,) = expr.free_symbols
    numbers = [abs(int(number)) for number in expr.atoms(sympy.Integer) if number]
    last = min((sum(numbers) + 3) * min(math.prod(numbers), 16), _TRIED)
    holds = [compat.at_sizes(expr, {symbol: sympy.Integer(n)}) is sympy.true for n in range(last)]
    if holds == sorted(holds) and True in holds and False in holds:
        k = holds.index(True)
        if _is_bound(expr, symbol, (k, None), (0, k - 1)):
            return sympy.Ge(symbol, k)
    if holds == sorted(holds, reverse=True) and True in holds and False in holds:
        k = holds.index(False)
        if _is_bound(expr, symbol, (0, k - 1), (k, None)):
            return sympy.Le(symbol, k - 1)
    return expr


# Bounds up to this number are looked for.
_TRIED = 700


def _is_bound(expr: sympy.Basic, symbol: sympy.Symbol, inside: Interval, outside: Interval) -> bool:
    if not decided(expr, {symbol: inside}):
        return False
    return decided(expr, {symbol: outside}) is False


def _simpler(expr: sympy.Basic) -> sympy.Basic:
    """``min(n, 512) == n`` as ``n <= 512``, and ``n == 4 * (n // 4)`` as ``n % 4 == 0``."""
    if isinstance(expr, sympy.Eq):
        for whole, part in ((expr.lhs, expr.rhs), (expr.rhs, expr.lhs)):
            factor, rest = part.as_coeff_Mul()
            if type(rest).__name__ in ("FloorDiv", "CleanDiv") and rest.args == (whole, factor):
                return sympy.Eq(compat.Mod(whole, factor), 0)
        for whole, part in ((expr.lhs, expr.rhs), (expr.rhs, expr.lhs)):
            others = [arg for arg in whole.args if arg != part]
            if len(others) == 1 and len(whole.args) == 2:
                if type(whole).__name__ == "Min":
                    return sympy.Le(part, others[0])
                if type(whole).__name__ == "Max":
                    return sympy.Ge(part, others[0])
    return expr


def _conjuncts(expr: sympy.Basic) -> Iterator[sympy.Basic]:
    """The parts of a fact that hold for themselves: none of a product's factors is 0, say."""
    if isinstance(expr, sympy.And):
        for part in expr.args:
            yield from _conjuncts(part)
    elif isinstance(expr, sympy.Ne) and isinstance(expr.lhs, sympy.Mul) and expr.rhs == 0:
        for factor in expr.lhs.args:
            yield sympy.Ne(factor, 0)
    else:
        yield expr
