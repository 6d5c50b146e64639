"""Decides what PyTorch asks about sizes and cannot prove, and keeps account of it.

No symbol has a hint, so PyTorch's kernels ask here instead of specialising on an example in
silence. A question about emptiness or size one is answered with the general case; any other
answer is taken from the example's sizes, becomes a fact, and is reported as an assumption. A
decision that the program itself makes on a size, in code that is not staged, pins the dimension
or is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import sympy

from fxexport import _torch_compat as compat
from fxexport.capture.frames import locations_of_summary, user_location
from fxexport.capture.proofs import expression_text, relation_text
from fxexport.capture.session import PinNeeded, Session
from fxexport.graph.captured import Constraint
from fxexport.source import SourceLocation

__all__ = ["Assumptions"]


class Assumptions:
    """The policy of a capture's size environment."""

    def __init__(self) -> None:
        self.session: Session = None  # type: ignore[assignment]
        self.names: dict[Any, str] = {}
        self.made: list[tuple[Any, SourceLocation | None]] = []

    def decide(self, expr: Any, fallback: bool | None = None) -> Any:
        """The value of an expression that cannot be proven.

        Args:
            expr: the expression.
            fallback: what it counts as where the program itself asks; None if it may not.
        """
        env = self.session.env
        kernel = self._asked_by_kernel()
        if fallback is not None and not kernel:
            return fallback
        if self._asked_by_store(expr):
            # As kernels take sizes that they cannot compare: equal, and that is a fact.
            with compat.no_recording():
                env.guard_or_defer_runtime_assert(expr, "what is stored fits")
            return True
        inputs = expr.free_symbols <= self.names.keys()
        general = _general_case(expr) if kernel and self._of_sizes(expr) else None
        if general is not None:
            # The size of x[:1] is 1 in general.
            if sympy.S.One not in expr.args or not any(map(env.is_one_at_most, expr.args)):
                return general
            short = self.session.recorder.broadcasts_short()
            if short is not None:
                return general is not short
            general = not general
            if not inputs:
                return general
        hints = self._fitting_hints(expr)
        if not hints and general is not None:
            hints, value = env.hints, sympy.true if general else sympy.false
        else:
            value = compat.at_sizes(expr, hints)
        known = value is not None and (value.is_number or value in (sympy.true, sympy.false))
        if not kernel or not known or not inputs:
            self._refuse(expr, inputs)
        boolean = compat.is_boolean(expr)
        fact = (expr if value else sympy.Not(expr)) if boolean else sympy.Eq(expr, value)
        alone = fact.is_Equality and fact.lhs.is_Symbol and fact.rhs.is_number
        made_up = any(hints[symbol] != env.hints[symbol] for symbol in expr.free_symbols)
        if self.session.depth and (alone or (made_up and fact.is_Equality)):
            # One size alone, in a branch: elsewhere the file would fail on any other. And what
            # a made-up size is equal to says nothing about the sizes that come.
            raise PinNeeded(set(expr.free_symbols), user_location())
        with compat.no_recording():
            env.guard_or_defer_runtime_assert(fact, "assumed by a kernel")
        if self.session.depth == 0:
            self.made.append((fact, user_location()))
        else:
            self.session.note("assumption", f"wherever this line is reached, {self._text(fact)}")
        return value

    def _of_sizes(self, expr: Any) -> bool:
        """Whether a question is about sizes, which may be made of the numbers of trips."""
        env = self.session.env
        if expr.free_symbols <= env.size_like:
            return True
        # Whether a number is less than 2 may be asked of something else than a size as well.
        alike = isinstance(expr, (sympy.Eq, sympy.Ne)) or compat.asked_for_layout()
        return alike and expr.free_symbols <= env.size_like | env.counters

    def _fitting_hints(self, expr: Any) -> dict[Any, Any]:
        """Example sizes that do not contradict the conditions under which this line is reached.

        The sizes in the expression stay those of the example if other ones can be made up.
        """
        env = self.session.env
        paths = [fact for fact in env.path_facts if fact.free_symbols & expr.free_symbols]
        if all(compat.at_sizes(fact, env.hints) is not sympy.false for fact in paths):
            return env.hints
        involved = set().union(*(fact.free_symbols for fact in paths)) & env.size_like
        numbers = {int(n) for fact in paths for n in fact.atoms(sympy.Integer)}
        sizes = sorted(
            {2, 3, 5, 8, 16, *(n + d for n in numbers for d in (-1, 0, 1) if n + d >= 0)}
        )
        for chosen in (involved - expr.free_symbols, involved):
            symbols = sorted(chosen, key=str)[:3]
            for values in itertools.product(map(sympy.Integer, sizes), repeat=len(symbols)):
                hints = {**env.hints, **dict(zip(symbols, values, strict=True))}
                if all(compat.at_sizes(fact, hints) is not sympy.false for fact in paths):
                    return hints
        return {}

    def _refuse(self, expr: Any, inputs: bool) -> None:
        location = user_location()
        refusal = self.session.unread(
            "Python needs the value of a number here that is known only when the model runs",
            "decide it with an if in code that fxexport can read, or compute it on tensors",
        )
        if inputs and not refusal.final:
            raise PinNeeded(set(expr.free_symbols), location)
        raise refusal

    def _asked_by_kernel(self) -> bool:
        """Whether PyTorch's own code asks, rather than a line of the program."""
        return bool(self.session.recorder.in_kernel or self.session.tensors.dispatching)

    def _asked_by_store(self, expr: Any) -> bool:
        """Whether a store asks if sizes that are not 1 are equal, before any kernel runs."""
        stores = self.session.tensors.storing and not self.session.recorder.in_kernel
        sizes = expr.args if stores and isinstance(expr, sympy.Eq) else ()
        one = self.session.env.is_one_at_most
        return bool(sizes) and not any(size == 1 or one(size) for size in sizes)

    # -- afterwards ------------------------------------------------------------------------------

    def constraints(self) -> list[Constraint]:
        """What must hold between the input dimensions, from all facts of the main path."""
        env = self.session.env
        facts: list[tuple[Any, SourceLocation | None]] = [*self.made, *self.session.required]
        for asserts in env.deferred_runtime_asserts.values():
            for item in asserts:
                places = locations_of_summary(compat.stack_of_assert(item))
                facts.append((item.expr, next(iter(places), None)))
        found: dict[str, Constraint] = {}
        for expr, location in [
            (part, place) for whole, place in facts for part in _conjuncts(whole)
        ]:
            simple = self._plain(expr)
            if simple is None:
                continue
            text = self._text(simple)
            symbols = sorted(simple.free_symbols, key=lambda symbol: self.names[symbol])
            names = tuple(self.names[symbol] for symbol in symbols)
            numbered = {symbol: f"d{k}" for k, symbol in enumerate(symbols)}
            expression = expression_text(simple, numbered)
            found.setdefault(
                text, Constraint(text, self._predicate(simple), location, names, expression)
            )
        return list(found.values())

    def _plain(self, expr: Any) -> Any:
        """The expression over input dimensions alone; None if it has others or says nothing."""
        if not expr.free_symbols or not expr.free_symbols <= self.names.keys():
            return None
        if self._follows_from_range(expr):
            return None
        return expr

    def _follows_from_range(self, expr: Any) -> bool:
        """Whether a fact says no more than that a size is not negative."""
        return _smallest(expr) == 0

    def _text(self, expr: Any) -> str:
        return relation_text(_simpler(expr), self.session.names)

    def _predicate(self, expr: Any) -> Callable[[Mapping[str, int]], bool]:
        names = {symbol: self.names[symbol] for symbol in expr.free_symbols}

        def holds(sizes: Mapping[str, int]) -> bool:
            values = {s: sympy.Integer(sizes[name]) for s, name in names.items() if name in sizes}
            # Where it divides by 0, PyTorch raises.
            return len(values) < len(names) or compat.at_sizes(expr, values) is sympy.true

        return holds


def _smallest(expr: Any) -> int | None:
    """The k of which a relation says no more than ``n >= k``; None where it says something else.

    Between sums, minima and maxima of one size and small numbers, nothing happens beyond their sum.
    """
    numbers = [abs(int(number)) for number in expr.atoms(sympy.Integer)]
    parts = (type(part) for part in sympy.preorder_traversal(expr))
    if len(expr.free_symbols) != 1 or sum(numbers) > 40 or not set(parts) <= _PIECEWISE:
        return None
    symbol = next(iter(expr.free_symbols))
    tried = [*range(sum(numbers) + 3), 1000]
    holds = [compat.at_sizes(expr, {symbol: sympy.Integer(n)}) is sympy.true for n in tried]
    return holds.index(True) if True in holds and holds == sorted(holds) else None


_PIECEWISE = {
    *(sympy.Ge, sympy.Le, sympy.Gt, sympy.Lt, sympy.Eq, sympy.Ne, sympy.Add, sympy.Mul),
    *(type(sympy.Integer(n)) for n in (-1, 0, 1, 2)),
    *(compat.Max, compat.Min, sympy.Symbol),
}


def _simpler(expr: Any) -> Any:
    """``min(n, 512) == n`` as ``n <= 512``, and ``n == 4 * (n // 4)`` as ``n % 4 == 0``."""
    smallest = _smallest(expr) if expr.has(compat.Max, compat.Min) else None
    if smallest is not None:
        return sympy.Ge(next(iter(expr.free_symbols)), smallest)
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


def _conjuncts(expr: Any) -> tuple[Any, ...]:
    return expr.args if isinstance(expr, sympy.And) else (expr,)


def _general_case(expr: Any) -> bool | None:
    """Emptiness and size one say nothing about a kernel's result: take the general case.

    Whether a size divides by a number does.
    """
    if any(type(part).__name__ in ("Mod", "PythonMod") for part in sympy.preorder_traversal(expr)):
        return None
    if isinstance(expr, (sympy.Eq, sympy.Ne)):
        for side in (expr.lhs, expr.rhs):
            if side in (0, 1):
                return isinstance(expr, sympy.Ne)
    if isinstance(expr, (sympy.Gt, sympy.Ge, sympy.Lt, sympy.Le)):
        turned = expr.reversed if expr.lhs.is_number else expr
        return _MORE_THAN_ONE.get((type(turned), turned.rhs))
    return None


# Layouts ask whether a size is more than one.
_MORE_THAN_ONE = {
    (sympy.Gt, sympy.Integer(1)): True,
    (sympy.Ge, sympy.Integer(2)): True,
    (sympy.Le, sympy.Integer(1)): False,
    (sympy.Lt, sympy.Integer(2)): False,
}
