"""What follows from the outcome of a condition: facts for the path that is taken on it.

Facts are conditions on numbers (SymBools). A tensor's truth is linked to the number that stands
for it, and a condition made with `and`, `or` and `not` to those it was made of.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeGuard, cast

import torch

from fxexport.capture.recording.types import Undecided, Value

__all__ = ["Facts", "negated"]

_Part = tuple[Value, bool]
_Outcome = tuple[Undecided, bool]


def _is_condition(value: Value) -> TypeGuard[Undecided]:
    return isinstance(value, (torch.Tensor, torch.SymBool))


def negated(condition: Undecided) -> Undecided:
    """The condition that holds where this one does not."""
    if isinstance(condition, torch.Tensor):
        return torch.logical_not(condition)
    return cast("torch.SymBool", torch.sym_not(condition))


class Facts:
    """The links of one capture."""

    def __init__(self, inner: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._inner = inner
        # key of a condition -> the condition (kept alive, as is its key) and its truth as a number
        self._truths: dict[Hashable, tuple[torch.Tensor | None, torch.SymBool]] = {}
        # key and outcome -> the condition, and what follows
        self._links: dict[tuple[Hashable, bool], tuple[torch.Tensor | None, list[_Outcome]]] = {}
        # key and outcome -> what together means the same
        self._wholes: dict[tuple[Hashable, bool], list[_Outcome]] = {}

    def _key(self, condition: Undecided) -> tuple[Hashable, torch.Tensor | None]:
        if isinstance(condition, torch.Tensor):
            inner = self._inner(condition)
            return ("tensor", id(inner)), inner
        return condition.node.expr, None

    def link(
        self, condition: Value, outcome: bool, parts: Iterable[_Part], whole: Iterable[_Part] = ()
    ) -> None:
        """Notes the outcomes of other conditions that one outcome of a condition implies.

        Args:
            condition: the condition.
            outcome: its outcome.
            parts: what follows.
            whole: what together means the same as this outcome, where that is known.
        """
        if _is_condition(condition):
            key, held = self._key(condition)
            known = [(part, result) for part, result in parts if _is_condition(part)]
            before = self._links.get((key, outcome), (None, []))[1]
            self._links[key, outcome] = held, [*before, *known]
            if same := [(part, result) for part, result in whole if _is_condition(part)]:
                self._wholes[key, outcome] = same

    def split(self, condition: Undecided, outcome: bool) -> list[_Outcome]:
        """Conditions that together mean one outcome of a condition: ``a``, ``b`` of ``a and b``."""
        whole = self._wholes.get((self._key(condition)[0], outcome))
        if whole is None:
            return [(condition, outcome)]
        return [leaf for part, its_outcome in whole for leaf in self.split(part, its_outcome)]

    def truth_of(
        self, condition: Undecided, usable: Callable[[torch.SymBool], bool]
    ) -> torch.SymBool:
        """The number that stands for a condition; a tensor's is read once in each frame."""
        if isinstance(condition, torch.SymBool):
            return condition
        key, held = self._key(condition)
        known = self._truths.get(key)
        if known is None or not usable(known[1]):
            truth: torch.SymBool = condition.item()  # type: ignore[assignment]
            known = self._truths[key] = held, truth
        return known[1]

    def outside(
        self, condition: Value, outcome: bool, usable: Callable[[torch.SymBool], bool]
    ) -> list[_Part]:
        """What follows from a condition of a branch, as far as it means something outside."""
        if not _is_condition(condition):
            return []
        return [(fact, True) for fact in self.following(condition, outcome) if usable(fact)]

    def following(self, condition: Undecided, outcome: bool) -> Iterator[torch.SymBool]:
        """All that holds where the condition has this outcome."""
        queue: list[_Outcome] = [(condition, outcome)]
        seen: set[tuple[Hashable, bool]] = set()
        while queue:
            part, its_outcome = queue.pop(0)
            key = self._key(part)[0], its_outcome
            if key in seen:
                continue
            seen.add(key)
            known = self._truths.get(key[0])
            truth = part if isinstance(part, torch.SymBool) else known[1] if known else None
            if truth is not None:
                yield truth if its_outcome else torch.sym_not(truth)  # type: ignore[misc]
            queue.extend(self._links.get(key, (None, []))[1])
