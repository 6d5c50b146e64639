"""What follows from the outcome of a condition: facts for the way that is taken on it.

Facts are conditions on numbers (SymBools). A tensor's truth is linked to the number that stands
for it, and a condition made with `and`, `or` and `not` to those it was made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

__all__ = ["Facts"]

_Part = tuple[Any, bool]


class Facts:
    """The links of one capture."""

    def __init__(self, inner: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._inner = inner
        # key of a condition -> the condition (kept alive, as is its key) and its truth as a number
        self._truths: dict[Any, tuple[Any, torch.SymBool]] = {}
        # key and outcome -> the condition, and what follows
        self._links: dict[tuple[Any, bool], tuple[Any, list[_Part]]] = {}

    def _key(self, condition: Any) -> tuple[Any, Any]:
        if isinstance(condition, torch.Tensor):
            inner = self._inner(condition)
            return ("tensor", id(inner)), inner
        return condition.node.expr, None

    def link(self, condition: Any, outcome: bool, parts: Iterable[_Part]) -> None:
        """Notes what must have come out when a condition came out in one way."""
        if isinstance(condition, (torch.Tensor, torch.SymBool)):
            key, held = self._key(condition)
            self._links[key, outcome] = (
                held,
                [part for part in parts if isinstance(part[0], (torch.Tensor, torch.SymBool))],
            )

    def truth_of(self, condition: Any, usable: Callable[[Any], bool]) -> torch.SymBool:
        """The number that stands for a condition; a tensor's is read once in each frame."""
        if isinstance(condition, torch.SymBool):
            return condition
        key, held = self._key(condition)
        known = self._truths.get(key)
        if known is None or not usable(known[1]):
            known = self._truths[key] = held, condition.item()
        return known[1]

    def outside(self, condition: Any, outcome: bool, usable: Callable[[Any], bool]) -> list[_Part]:
        """What follows from a condition of a branch, as far as it means something outside."""
        if not isinstance(condition, (torch.Tensor, torch.SymBool)):
            return []
        return [(fact, True) for fact in self.following(condition, outcome) if usable(fact)]

    def following(self, condition: Any, outcome: bool) -> Iterator[torch.SymBool]:
        """All that holds where the condition came out this way."""
        queue, seen = [(condition, outcome)], set()
        while queue:
            part, its_outcome = queue.pop(0)
            key = self._key(part)[0], its_outcome
            if key in seen:
                continue
            seen.add(key)
            truth = (
                part if isinstance(part, torch.SymBool) else self._truths.get(key[0], (0, None))[1]
            )
            if truth is not None:
                yield truth if its_outcome else torch.sym_not(truth)  # type: ignore[misc]
            queue.extend(self._links.get(key, (None, []))[1])
