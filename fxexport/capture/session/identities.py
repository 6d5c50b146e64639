"""What a value may be, over several merges, and on which paths.

A value that a loop carries stands for what an iteration left. That may be an item of a list, or
what another carried value stands for, by way of branches that were merged in between. Two of these
ways exclude each other where they take different paths of one branch.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.session.loans import Lending
from fxexport.capture.session.refusals import Way
from fxexport.capture.session.sharing_notes import Frozen, Held

__all__ = ["Identities", "Ways", "agree"]

Ways = Mapping[int, str]
"""The paths that were taken: of each branch, which."""


def agree(a: Ways, b: Ways) -> bool:
    """Whether all of these paths can be taken in one run."""
    return all(b.get(branch, side) == side for branch, side in a.items())


def _along(ways: Ways, way: Way | None) -> Ways | None:
    """The paths with one more; None where it excludes one of them."""
    if way is None:
        return ways
    branch, side = way
    return {**ways, branch: side} if ways.get(branch, side) == side else None


class Identities(Lending):
    """The part of a capture's state that follows values through merges."""

    def may_be(self, value: Value) -> list[tuple[Value, Ways]]:
        """The objects, or bases of tensors, that a value may be, with the paths on which it is."""
        start = self.tensors.base_of(value) if isinstance(value, torch.Tensor) else value
        found: list[tuple[Value, Ways]] = []
        queue: list[tuple[Value, Ways]] = [(start, {})]
        seen: set[tuple[int, frozenset[tuple[int, str]]]] = set()
        while queue:
            thing, ways = queue.pop()
            key = (id(thing), frozenset(ways.items()))
            if key in seen:
                continue
            seen.add(key)
            found.append((thing, ways))
            for source, way in self._sources(thing):
                on = _along(ways, way)
                if on is not None:
                    queue.append((source, on))
        return found

    def _sources(self, thing: Value) -> Iterator[tuple[Value, Way | None]]:
        if isinstance(thing, torch.Tensor):
            for shared in self._shared.about(thing):
                if shared.merged() is thing:
                    yield from ((source, shared.way) for source in shared.sources_alive())
            return
        for alias in self.aliases.notes.about(thing):
            if alias.merged is thing:
                yield alias.source, alias.way

    def held_like(self, new: Value, old: Value) -> None:
        """A value stands for another one: it is in the lists in which that one may be."""
        for thing, ways in self.may_be(old):
            if isinstance(new, torch.Tensor):
                for held in self._held.about(thing):
                    alive = held.tensor() is thing and held.holder() is not None
                    if alive and _along(ways, held.way) is not None:
                        base = self.tensors.base_of(new)
                        self._held.add(Held(weakref.ref(base), held.holder))
                continue
            for frozen in self._frozen.about(thing):
                alive = frozen.value is thing and frozen.holder() is not None
                if alive and _along(ways, frozen.way) is not None:
                    self._frozen.add(Frozen(new, frozen.holder))
