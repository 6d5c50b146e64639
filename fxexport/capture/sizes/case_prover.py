"""Asks for proofs by cases with all that a size environment knows, and remembers the answers."""

from __future__ import annotations

from collections.abc import Hashable

import sympy

from fxexport import _torch_compat as compat
from fxexport.capture.sizes.case_proofs import Interval, decided

__all__ = ["CaseProver"]

# How often symbols are replaced by the longer expressions that they stand for.
_DEEPEST = 2


class CaseProver:
    """Proves relations for one capture."""

    def __init__(self) -> None:
        self._found: dict[Hashable, bool | None] = {}

    def __call__(self, relation: sympy.Basic, env: compat.SizeEnv) -> bool | None:
        """Whether a relation holds where the program is now; None if that is not known."""
        for _ in range(_DEEPEST):
            found = self._decided(relation, env)
            longer = {s: env.definitions[s] for s in relation.free_symbols & env.definitions.keys()}
            if found is not None or not longer:
                return found
            relation = relation.xreplace(longer)
        return None

    def _decided(self, relation: sympy.Basic, env: compat.SizeEnv) -> bool | None:
        relation = env.replace(relation)
        if relation in (sympy.true, sympy.false):
            return bool(relation)
        symbols = relation.free_symbols
        intervals = {s: known for s in symbols if (known := _interval(s, env)) is not None}
        if len(intervals) < len(symbols):
            return None
        facts = tuple(f for f in env.known_facts() if f.free_symbols and f.free_symbols <= symbols)
        # Most relations hold without any fact, and facts come one after the other.
        for given in ((), facts) if facts else ((),):
            key = (relation, tuple(sorted(intervals.items(), key=str)), given)
            if key not in self._found:
                self._found[key] = decided(relation, intervals, given)
            if self._found[key] is not None:
                return self._found[key]
        return None


def _interval(symbol: sympy.Symbol, env: compat.SizeEnv) -> Interval | None:
    bounds = env.var_to_range.get(symbol)
    low = None if bounds is None else compat.finite(bounds.lower)
    if bounds is None or low is None or not bounds.is_int:
        return None
    high = compat.finite(bounds.upper)
    return int(low), None if high is None else int(high)
