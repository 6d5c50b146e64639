"""The methods and operators of sets some of whose elements may not be there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from fxexport.capture.recording.types import Number
from fxexport.capture.session.session import Session
from fxexport.capture.values.uncertain_keys import settled
from fxexport.capture.values.uncertain_sets import (
    Group,
    Perhaps,
    elements_of,
    group_like,
    holds_perhaps,
)
from fxexport.graph import scalars
from fxexport.source.exceptions import note_raised

__all__ = ["SetMethods", "are_uncertain"]

_UNION, _BOTH, _WITHOUT, _EITHER = "BitOr", "BitAnd", "Sub", "BitXor"
# Methods that combine sets, and the operators that they are.
_COMBINED = {
    "union": _UNION,
    "intersection": _BOTH,
    "difference": _WITHOUT,
    "symmetric_difference": _EITHER,
}
_IN_PLACE = {
    "update": _UNION,
    "intersection_update": _BOTH,
    "difference_update": _WITHOUT,
    "symmetric_difference_update": _EITHER,
}


def are_uncertain(a: object, b: object) -> bool:
    """Whether two values are sets, and elements of one may not be there."""
    groups = isinstance(a, (set, frozenset)) and isinstance(b, (set, frozenset))
    return groups and (holds_perhaps(a) or holds_perhaps(b))


class SetMethods:
    """What methods and operators of sets become in rewritten code."""

    def __init__(self, session: Session, iterate: Callable[[object], Iterable[Any]]) -> None:
        """`iterate` gives what Python iterates over."""
        self._session = session
        self._iterate = iterate

    def find(self, name: str, owner: Group) -> Callable[..., object] | None:
        """What to call instead of a set's method; None for the method itself."""
        if name in _IN_PLACE:
            return lambda *others: self._combine_in_place(name, owner, others)
        if name in _COMBINED:
            return lambda *others: self._combined_with(_COMBINED[name], owner, others)
        if name in ("issubset", "issuperset", "isdisjoint"):
            return lambda other: self._related(name, owner, other)
        if holds_perhaps(owner) and name in ("discard", "remove", "add"):
            assert isinstance(owner, set)
            change = self._added if name == "add" else self._removed
            return lambda element: change(owner, element, name)
        if name == "pop":
            settled(owner)
        return None

    def combined(self, name: str, a: Group, b: Group) -> Group:
        """``a | b``, ``a & b``, ``a - b`` or ``a ^ b``: a new set."""
        left, right = elements_of(a), elements_of(b)
        found = {
            element: self._connected(name, left.get(element, False), right.get(element, False))
            for element in {**left, **right}
        }
        return self._session.journal.made(group_like(a, found))

    def is_below(self, a: Group, b: Group) -> Any:
        """``a <= b``."""
        left, right = elements_of(a), elements_of(b)
        holds: Any = True
        for element, present in left.items():
            fits = self._connected(_UNION, self._opposite(present), right.get(element, False))
            holds = self._connected(_BOTH, holds, fits)
        return holds

    def ordered(self, symbol: str, a: Group, b: Group) -> Any:
        """``a < b`` and kin."""
        if symbol in (">", ">="):
            return self.ordered({">": "<", ">=": "<="}[symbol], b, a)
        below = self.is_below(a, b)
        if symbol == "<=":
            return below
        return self._connected(_BOTH, below, self._opposite(self.is_below(b, a)))

    def refill(self, owner: set[Any], group: Group) -> None:
        """Gives a set the elements of another one; the change has been noted."""
        owner.clear()
        owner.update(group)

    def _combined_with(self, name: str, owner: Group, others: tuple[object, ...]) -> Group:
        if not any(map(holds_perhaps, (owner, *others))):
            plain = next(method for method, its in _COMBINED.items() if its == name)
            return self._session.journal.made(getattr(owner, plain)(*others))
        made = self._session.journal.made(type(owner)(owner))
        for other in others:
            made = self.combined(name, made, self._as_group(other))
        return made

    def _combine_in_place(self, name: str, owner: Any, others: tuple[object, ...]) -> None:
        if not any(map(holds_perhaps, (owner, *others))):
            getattr(owner, name)(*others)
            return
        change = {"update": self._added, "difference_update": self._removed}.get(name)
        for other in others:
            if change is None or isinstance(other, (set, frozenset)):
                self.refill(owner, self._combined_with(_IN_PLACE[name], owner, (other,)))
                continue
            for element in self._iterate(other):  # a generator may look at what it fills
                change(owner, element, "discard")

    def _related(self, name: str, owner: Group, other: object) -> Any:
        if not holds_perhaps(owner) and not holds_perhaps(other):
            return getattr(owner, name)(other)
        group = self._as_group(other)
        if name == "isdisjoint":
            return self._opposite(self._is_there(self.combined(_BOTH, owner, group)))
        return self.is_below(owner, group) if name == "issubset" else self.is_below(group, owner)

    def _is_there(self, group: Group) -> Any:
        """Whether a set has an element at all."""
        found: Any = False
        for present in elements_of(group).values():
            found = self._connected(_UNION, found, present)
        return found

    def _as_group(self, value: object) -> Group:
        if isinstance(value, (set, frozenset)):
            return value
        return set(self._iterate(value))

    def _added(self, owner: set[Any], element: object, name: str) -> None:
        self._drop(owner, element)
        owner.add(element)

    def _removed(self, owner: set[Any], element: object, name: str) -> None:
        present = elements_of(owner).get(element, False)
        if name == "remove" and present is not True:
            self._take_for_there(element, present)
        self._drop(owner, element)
        owner.discard(element)

    def _take_for_there(self, element: object, present: object) -> None:
        """Python raises where a set has no such element; the file does."""
        session = self._session
        if present is False:
            raise note_raised(KeyError(element))
        assert isinstance(present, torch.SymBool)
        if session.known(present):
            return
        if session.tries.may_catch(KeyError):
            raise session.tries.refusal()
        session.take_for_granted(present, f"{element!r} is in the set here", "KeyError")

    def _drop(self, owner: set[Any], element: object) -> None:
        for one in list(owner):
            if isinstance(one, Perhaps) and one.element == element:
                owner.discard(one)

    def _opposite(self, present: Any) -> Any:
        return torch.sym_not(present) if isinstance(present, torch.SymBool) else not present

    def _connected(self, name: str, a: Any, b: Any) -> Any:
        """Whether an element is in what is made of two sets, by whether it is in each."""
        if name == _WITHOUT:
            return self._connected(_BOTH, a, self._opposite(b))
        if name == _EITHER:
            one = self._connected(_WITHOUT, a, b)
            return self._connected(_UNION, one, self._connected(_WITHOUT, b, a))
        stop = name == _UNION
        for value, other in ((a, b), (b, a)):
            if isinstance(value, bool):
                return value if value is stop else other
        sides: tuple[Number, Number] = (a, b)
        return self._session.recorder.scalar_op(scalars.or_ if stop else scalars.and_, *sides)
