"""Proves relations between sizes by cases: small sizes one by one, larger ones by their remainder.

PyTorch's own analysis knows intervals, and what it was told. It cannot tell that ``n + -n % 4`` is
a multiple of 4, or that ``min(1, n)`` is at most 1 whatever n is. Here each symbol is either one of
its smallest values, or ``first + period * q`` with ``q >= 0``, where the period is a multiple of
all that the symbol is divided by. In each of these cases the divisions come out, the sides of a
relation are polynomials in the q, and the signs of their coefficients decide it. A relation is
proved if all cases agree; cases that deny what is known are left out. What does not come out so is
not decided.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import sympy

from fxexport.capture.sizes.case_values import Case, CaseValues

__all__ = ["Interval", "decided"]

# The smallest and the largest value of a symbol; None for no bound above.
Interval = tuple[int, int | None]

# A proof with more steps (cases times parts of expressions) is not tried. One takes some 3
# microseconds.
_MOST_STEPS = 60_000
# The most small values of a symbol that are cases of their own.
_MOST_SMALL = 40


def decided(
    expr: sympy.Basic,
    intervals: Mapping[sympy.Symbol, Interval],
    facts: Iterable[sympy.Basic] = (),
) -> bool | None:
    """Whether a relation holds for all integers in the intervals: True, False, or None if unknown.

    Args:
        expr: a relation, or relations with and, or, not.
        intervals: of each symbol in it.
        facts: what is known; those about other symbols are not looked at.
    """
    expr = expr.replace(_has_common_factors, _without_common_factors)
    if expr in (sympy.true, sympy.false):
        return bool(expr)
    symbols = sorted(expr.free_symbols, key=str)
    if not symbols or not expr.free_symbols <= intervals.keys():
        return None
    about = [fact for fact in facts if fact.free_symbols and fact.free_symbols <= set(symbols)]
    small = min(sum(abs(int(n)) for n in expr.atoms(sympy.Integer)) + 2, _MOST_SMALL)
    periods = _periods(symbols, [expr, *about])
    parts = sum(1 for one in (expr, *about) for _ in sympy.preorder_traversal(one))
    for count in (0, small):
        if parts * math.prod(count + period for period in periods) > _MOST_STEPS:
            return None
        cases = [
            list(_cases_of(*intervals[symbol], period, count))
            for symbol, period in zip(symbols, periods, strict=True)
        ]
        found = _over_cases(expr, about, symbols, cases)
        if found is not None:
            return found
    return None


def _has_common_factors(part: sympy.Basic) -> bool:
    """Whether this asks if ``3 * b * n`` is a multiple of ``12 * b``, or such a sum of another."""
    if not isinstance(part, (sympy.Eq, sympy.Ne)) or part.rhs != 0:
        return False
    if type(part.lhs).__name__ not in _REMAINDERS:
        return False
    whole, by = part.lhs.args
    return bool(whole.free_symbols & by.free_symbols)


def _without_common_factors(part: sympy.Basic) -> sympy.Basic:
    """The same without b: a size of 0 divides nothing, so b is none where this has an answer."""
    whole, by = part.lhs.args
    try:
        common = sympy.gcd(whole, by)
        rest = [sympy.cancel(side / common) for side in (whole, by)]
    except sympy.PolynomialError:
        return part
    return part.func(type(part.lhs)(*rest), 0)


def _over_cases(
    expr: sympy.Basic,
    facts: Sequence[sympy.Basic],
    symbols: Sequence[sympy.Symbol],
    cases: Sequence[Sequence[Case]],
) -> bool | None:
    """The answer in which all possible cases agree."""
    answer: bool | None = None
    for case in itertools.product(*cases):
        values = CaseValues(symbols, case)
        if any(values.truth(fact) is False for fact in facts):
            continue
        found = values.truth(expr)
        if found is None or answer not in (None, found):
            return None
        answer = found
    return answer


def _periods(symbols: Sequence[sympy.Symbol], exprs: Sequence[sympy.Basic]) -> list[int]:
    """The period of each symbol."""
    periods = dict.fromkeys(symbols, 1)
    for expr in exprs:
        _find_periods(expr, 1, periods)
    return [periods[symbol] for symbol in symbols]


def _cases_of(low: int, high: int | None, period: int, small: int) -> Iterator[Case]:
    first = low + small
    for number in range(low, first if high is None else min(first, high + 1)):
        yield Case(number)
    for start in range(first, first + period):
        if high is None:
            yield Case(start, period, None)
        elif start <= high:
            yield Case(start, period, (high - start) // period)


def _find_periods(expr: sympy.Basic, divisor: int, periods: dict[sympy.Symbol, int]) -> None:
    """Notes for each symbol what it is divided by, divisions inside of each other multiplied."""
    if isinstance(expr, sympy.Symbol):
        periods[expr] = min(math.lcm(periods[expr], divisor), _MOST_STEPS)
        return
    name, args = type(expr).__name__, expr.args
    if name in _DIVISIONS and isinstance(args[1], sympy.Integer) and args[1] != 0:
        # A remainder is a number in each case, whatever it is divided by afterwards.
        outer = 1 if name in _REMAINDERS else divisor
        divisor = outer * abs(int(args[1]))
        args = args[:1]
    for arg in args:
        _find_periods(arg, divisor, periods)


_REMAINDERS = frozenset({"Mod", "PythonMod"})
_DIVISIONS = _REMAINDERS | {"FloorDiv", "CleanDiv", "IntTrueDiv"}
