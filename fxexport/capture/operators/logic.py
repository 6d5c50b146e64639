"""What and, or and not become in rewritten code."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, cast

import torch

from fxexport.capture.operators.variables import cells_of, read, slots_of
from fxexport.capture.recording.types import Undecided
from fxexport.capture.session.session import SYM, Session, is_symbolic
from fxexport.capture.staging.branch import stage_branch
from fxexport.capture.staging.conditions import condition_of
from fxexport.capture.values.maybe import Maybe
from fxexport.graph.decisions import Decides
from fxexport.source.decisions import DecisionKind, Place

__all__ = ["Logic"]

# The kinds of operands, by the truth that ends a chain of them.
_KINDS: dict[bool, DecisionKind] = {False: "and", True: "or"}

_Thunk = Callable[[], object]
_Thunks = tuple[_Thunk, ...]
# Stages the rest of a chain: (first value, its truth, the other operands, what ends the chain).
_Staged = Callable[[object, object, _Thunks, bool, Place | None], object]


class Logic:
    """The operators on truth values."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def as_bool(self, value: object) -> object:
        """The truth of a value: a bool, a SymBool or a bool tensor."""
        return condition_of(self._session, value)

    def and_(self, *thunks: _Thunk, place: Place | None = None) -> Any:
        """``a and b and …`` where only the truth matters; each only if those before it hold.

        `place` is where the program has it.
        """
        return self._connect(thunks, False, self._staged_truths, place)

    def or_(self, *thunks: _Thunk, place: Place | None = None) -> object:
        """``a or b or …`` where only the truth matters."""
        return self._connect(thunks, True, self._staged_truths, place)

    def and_value(self, *thunks: _Thunk, place: Place | None = None) -> object:
        """``a and b`` where the value matters, not only its truth."""
        return self._connect(thunks, False, self._staged_values, place)

    def or_value(self, *thunks: _Thunk, place: Place | None = None) -> object:
        """``a or b`` where the value matters."""
        return self._connect(thunks, True, self._staged_values, place)

    def not_(self, value: object) -> Any:
        """``not a``."""
        condition = condition_of(self._session, value)
        if isinstance(condition, torch.Tensor):
            opposite = torch.logical_not(condition)
            for outcome in (True, False):
                same = [(condition, not outcome)]
                self._session.facts.link(opposite, outcome, same, same)
            return opposite
        return torch.sym_not(condition) if is_symbolic(condition) else not condition

    def _connect(self, thunks: _Thunks, stop: bool, staged: _Staged, place: Place | None) -> object:
        first, *rest = thunks
        value = first()
        if not rest:
            return value
        condition = condition_of(self._session, value)
        if not isinstance(condition, bool):
            return staged(value, condition, tuple(rest), stop, place)
        decisions = self._session.decisions
        decision = decisions.at(place, _KINDS[stop], len(rest))
        decisions.known(decision, condition, by_run=isinstance(value, (torch.Tensor, *SYM)))
        return value if condition is stop else self._connect(tuple(rest), stop, staged, place)

    def _staged_truths(
        self, value: object, condition: object, rest: _Thunks, stop: bool, place: Place | None
    ) -> object:
        """Both operands as truth values; the right one is evaluated in a branch."""
        # A tensor stays a tensor, so that `mask and x` can still be computed with.
        keep = _as_tensor_bool if isinstance(condition, torch.Tensor) else self._as_number
        right: list[object] = []

        def rightly() -> object:
            right.append(self.as_bool(self._connect(rest, stop, self._staged_truths, place)))
            return keep(right[-1])

        result = self._branch(condition, lambda: keep(stop), rightly, rest, stop, place)
        if right and right[0] is stop:
            return stop  # whichever of the two decides
        self._link(result, condition, right, not stop)
        return result

    def _link(self, result: object, condition: object, right: list[object], outcome: bool) -> None:
        """Where ``a and b`` holds, both do; where ``a or b`` does not, neither does."""
        session = self._session
        parts = [(condition, outcome)]
        whole: list[tuple[object, bool]] = []
        if right:
            parts.extend(session.facts.outside(right[-1], outcome, session.in_scope))
            if isinstance(right[-1], torch.SymBool):
                leaves = session.facts.split(right[-1], outcome)
                if all(is_symbolic(leaf) and session.in_scope(leaf) for leaf, _ in leaves):
                    whole = [(condition, outcome), *leaves]
        session.facts.link(result, outcome, parts, whole)

    def _as_number(self, value: object) -> object:
        truth = self.as_bool(value)
        return truth.item() if isinstance(truth, torch.Tensor) else truth

    def _staged_values(
        self, value: object, condition: object, rest: _Thunks, stop: bool, place: Place | None
    ) -> object:
        # A bool that ended the chain is known; other values carry more than their truth.
        left = stop if isinstance(value, torch.SymBool) else value
        if stop and isinstance(value, Maybe) and value.absent is None:
            left = value.value
        right: list[object] = []

        def rightly() -> object:
            right.append(self._connect(rest, stop, self._staged_values, place))
            return right[-1]

        result = self._branch(condition, lambda: left, rightly, rest, stop, place)
        self._link(result, condition, right, not stop)
        return result

    def _branch(
        self,
        condition: object,
        left: _Thunk,
        right: _Thunk,
        rest: _Thunks,
        stop: bool,
        place: Place | None,
    ) -> object:
        decision = self._session.decisions.at(place, _KINDS[stop], len(rest))
        decides = None if decision is None else Decides(decision)
        then, other = (left, right) if stop else (right, left)
        # A thunk that is a def binds a name (``:=``).
        binding = tuple(
            thunk
            for thunk in rest
            if isinstance(thunk, FunctionType) and thunk.__name__.startswith("_fx_")
        )
        names = tuple(name for name in cells_of(*binding) if name != "_fx_")
        slots = slots_of(binding, names)
        decider = cast("Undecided", condition)
        return read(stage_branch(self._session, decider, then, other, slots, decides=decides))


def _as_tensor_bool(value: object) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    return torch.scalar_tensor(value, dtype=torch.bool)  # type: ignore[arg-type]
