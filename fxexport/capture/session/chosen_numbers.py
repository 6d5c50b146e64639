"""Numbers that are one of a few constants, and the conditions that say which.

A branch may leave 2 on one path and 3 on the other: the rank of a tensor that is one of two, the
length of a tuple, a mode. A later condition on that number alone is the branch's condition again,
so what that one says is known under it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import sympy
import torch

from fxexport.capture.recording.recorder import Recorder
from fxexport.capture.recording.types import SymbolicNumber, Value, expression, is_symbolic
from fxexport.capture.session.implications import Facts
from fxexport.graph import scalars

__all__ = ["ChosenNumbers"]

_Truth = bool | torch.SymBool | None


@dataclass(frozen=True)
class _Chosen:
    """A number: `then` where a condition holds, else `other`; each a constant or such a number."""

    truth: torch.SymBool
    then: sympy.Expr
    other: sympy.Expr


class ChosenNumbers:
    """The numbers of one capture that branches chose between constants."""

    def __init__(self, recorder: Recorder, facts: Facts) -> None:
        self._recorder, self._facts = recorder, facts
        self._known: dict[sympy.Expr, _Chosen] = {}

    def note(self, number: SymbolicNumber, truth: torch.SymBool, then: Value, other: Value) -> None:
        """Notes what a branch has left in a number, where that is constants.

        Args:
            number: the number after the branch.
            truth: the branch's condition.
            then: what it is where that holds: a constant, or a number that is noted.
            other: what it is elsewhere.
        """
        sides = [expression(value) if is_symbolic(value) else value for value in (then, other)]
        if all(side in self._known or isinstance(side, (int, float)) for side in sides):
            # A bool counts as its number.
            then_expr, other_expr = (
                sympy.sympify(int(side) if isinstance(side, bool) else side) for side in sides
            )
            self._known[number.node.expr] = _Chosen(truth, then_expr, other_expr)

    def condition(self, value: torch.SymBool) -> bool | torch.SymBool:
        """A condition on such a number, in terms of the conditions that chose it."""
        symbols = value.node.expr.free_symbols
        if len(symbols) != 1:
            return value
        (symbol,) = symbols
        found = self._truth(value.node.expr, symbol, symbol) if symbol in self._known else None
        return value if found is None else found

    def only_value(
        self, number: sympy.Expr, known: Callable[[Value], bool | None]
    ) -> sympy.Integer | None:
        """The value of an int where the path says for each number in it which constant it is.

        Args:
            number: the int.
            known: tells whether a condition holds here; None where that is not known.
        """
        told = number
        for symbol in number.free_symbols & self._known.keys():
            side: sympy.Expr = symbol
            while side in self._known:
                chosen = self._known[side]
                holds = known(chosen.truth)
                if holds is None:
                    break
                side = chosen.then if holds else chosen.other
            told = told.xreplace({symbol: side})
        return told if told.is_Integer else None

    def _truth(self, condition: sympy.Basic, symbol: sympy.Symbol, number: sympy.Expr) -> _Truth:
        """What a condition is where its symbol is a number; None where that cannot be said."""
        chosen = self._known.get(number)
        if chosen is None:
            told = condition.xreplace({symbol: number})
            return bool(told) if told in (sympy.true, sympy.false) else None
        if any(not self._recorder.knows(inner) for inner in chosen.truth.node.expr.free_symbols):
            return None
        then = self._truth(condition, symbol, chosen.then)
        other = self._truth(condition, symbol, chosen.other)
        if then is None or other is None:
            return None
        return self._joined(chosen.truth, then, other)

    def _joined(
        self, truth: torch.SymBool, then: bool | torch.SymBool, other: bool | torch.SymBool
    ) -> _Truth:
        """``then if truth else other``."""
        opposite = cast("torch.SymBool", torch.sym_not(truth))
        if isinstance(then, bool) and isinstance(other, bool):
            if then is other:
                return then
            return truth if then else opposite
        if isinstance(other, bool):
            assert isinstance(then, torch.SymBool)
            return self._either(opposite, then) if other else self._both(truth, then)
        if isinstance(then, bool):
            return self._either(truth, other) if then else self._both(opposite, other)
        return None

    def _both(self, a: torch.SymBool, b: torch.SymBool) -> torch.SymBool:
        whole = cast("torch.SymBool", self._recorder.scalar_op(scalars.and_, a, b))
        self._facts.link(whole, True, [(a, True), (b, True)])
        return whole

    def _either(self, a: torch.SymBool, b: torch.SymBool) -> torch.SymBool:
        whole = cast("torch.SymBool", self._recorder.scalar_op(scalars.or_, a, b))
        self._facts.link(whole, False, [(a, False), (b, False)])
        return whole
