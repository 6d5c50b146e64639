"""Sizes that satisfy what is known where the program is now."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Set

import sympy

from fxexport import _torch_compat as compat

__all__ = ["some_sizes"]

# How many combinations of sizes are tried, and how many symbols are looked at.
_MOST_TRIED = 1500
_MOST_SYMBOLS = 4
# Sizes that are tried beside those around the numbers in the facts.
_SMALL = (0, 1, 2, 3, 4, 5, 7, 8)
# Numbers in facts beyond this are no sizes that tensors are made of.
_LARGEST = 5000


def some_sizes(
    env: compat.SizeEnv, symbols: Set[sympy.Symbol], also: Iterable[sympy.Basic] = ()
) -> dict[sympy.Symbol, sympy.Integer] | None:
    """A number for each symbol with which everything holds that is known of them.

    Args:
        env: the environment.
        symbols: the symbols.
        also: what is to hold beside.

    Returns:
        None where none was found.
    """
    facts = [env.replace(fact) for fact in (*also, *env.known_facts())]
    facts += [sympy.Eq(symbol, expr) for symbol, expr in env.definitions.items()]
    wanted, about = _connected(symbols, facts)
    if len(wanted) > _MOST_SYMBOLS or any(not _is_int(env, symbol) for symbol in wanted):
        return None
    order = sorted(wanted, key=str)
    choices = [_choices(env, symbol, about) for symbol in order]
    for values in itertools.islice(itertools.product(*choices), _MOST_TRIED):
        sizes = dict(zip(order, map(sympy.Integer, values), strict=True))
        if all(compat.at_sizes(fact, sizes) is sympy.true for fact in about):
            return sizes
    return None


def _connected(
    symbols: Set[sympy.Symbol], facts: Iterable[sympy.Basic]
) -> tuple[set[sympy.Symbol], list[sympy.Basic]]:
    """The symbols, and those that facts lead to from there, and these facts."""
    wanted, about = set(symbols), list[sympy.Basic]()
    left = [fact for fact in facts if fact.free_symbols]
    while True:
        met = [fact for fact in left if fact.free_symbols & wanted]
        if not met:
            return wanted, about
        about += met
        left = [fact for fact in left if not fact.free_symbols & wanted]
        wanted.update(*(fact.free_symbols for fact in met))


def _is_int(env: compat.SizeEnv, symbol: sympy.Symbol) -> bool:
    bounds = env.var_to_range.get(symbol)
    return bounds is not None and bounds.is_int


def _choices(env: compat.SizeEnv, symbol: sympy.Symbol, facts: list[sympy.Basic]) -> list[int]:
    """The numbers that are tried for a symbol: small ones, and those around its facts' own."""
    bounds = env.var_to_range[symbol]
    low, high = compat.finite(bounds.lower), compat.finite(bounds.upper)
    named = {
        int(number) + near
        for fact in facts
        if symbol in fact.free_symbols
        for number in fact.atoms(sympy.Integer)
        if abs(int(number)) <= _LARGEST
        for near in (-1, 0, 1)
    }
    ends = {int(end) for end in (low, high) if end is not None and abs(int(end)) <= _LARGEST}
    return sorted(
        value
        for value in {*_SMALL, *named, *ends}
        if (low is None or value >= low) and (high is None or value <= high)
    )
