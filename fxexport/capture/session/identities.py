"""What a value may be, over several merges, and on which paths.

A value that a loop carries stands for what an iteration left. That may be an item of a list, or
what another carried value stands for, by way of branches that were merged in between. Two of these
ways exclude each other where they take different paths of one branch.

There are as many ways from one value to another as there are combinations of paths between them.
What counts is on which paths one is the other: `Reached` keeps no more ways than that takes.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator, Mapping

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.session.loans import Lending
from fxexport.capture.session.refusals import Way
from fxexport.capture.session.sharing_notes import Frozen, Held

__all__ = ["MOST_WAYS", "Reached", "Ways", "meet"]

Ways = Mapping[int, str]
"""The paths that were taken: of each branch, which."""

MOST_WAYS = 16
"""More ways to one value are taken for one, which asks for what all of them have in common."""


def _agree(a: Ways, b: Ways) -> bool:
    """Whether all of these paths can be taken in one run."""
    return all(b.get(branch, side) == side for branch, side in a.items())


def _along(ways: Ways, way: Way | None) -> Ways | None:
    """The paths with one more; None where it excludes one of them."""
    if way is None:
        return ways
    branch, side = way
    return {**ways, branch: side} if ways.get(branch, side) == side else None


class Reached:
    """A value that another one may be, and the ways on which it is that one.

    Attributes:
        thing: the value.
        ways: none of them says what another one says.
    """

    def __init__(self, thing: Value) -> None:
        self.thing = thing
        self.ways: list[Ways] = []

    def add(self, ways: Ways) -> Ways | None:
        """Adds a way; returns what there is to follow further, None if it says nothing new."""
        ways = self._shortened(ways)
        if any(known.items() <= ways.items() for known in self.ways):
            return None
        self.ways = [known for known in self.ways if not ways.items() <= known.items()]
        self.ways.append(ways)
        if len(self.ways) > MOST_WAYS:
            ways = dict(set(ways.items()).intersection(*(one.items() for one in self.ways)))
            self.ways = [ways]
        return ways

    def _shortened(self, ways: Ways) -> Ways:
        """A way without the branches of which the known ones take the other path, and it this."""
        for branch, side in ways.items():
            rest = {other: its for other, its in ways.items() if other != branch}
            for known in self.ways:
                its = known.get(branch, side)
                if its != side and known.items() <= {**rest, branch: its}.items():
                    return self._shortened(rest)
        return ways


def meet(a: Mapping[int, Reached], b: Mapping[int, Reached]) -> bool:
    """Whether two values may be one in one run, by what each of them may be."""
    return any(
        _agree(ways, its)
        for key in a.keys() & b.keys()
        for ways in a[key].ways
        for its in b[key].ways
    )


class Identities(Lending):
    """The part of a capture's state that follows values through merges."""

    def may_be(self, value: Value) -> dict[int, Reached]:
        """The objects, or bases of tensors, that a value may be, by their identity."""
        start = self.tensors.base_of(value) if isinstance(value, torch.Tensor) else value
        found: dict[int, Reached] = {}
        queue: deque[tuple[Value, Ways]] = deque([(start, {})])
        while queue:
            thing, ways = queue.popleft()
            reached = found.setdefault(id(thing), Reached(thing))
            new = reached.add(ways)
            if new is None:
                continue
            for source, way in self._sources(thing):
                on = _along(new, way)
                if on is not None:
                    queue.append((source, on))
        return found

    def _sources(self, thing: Value) -> Iterator[tuple[Value, Way | None]]:
        if isinstance(thing, torch.Tensor):
            yield from ((source, shared.way) for source, shared in self._shared.sources(thing))
            return
        for alias in self.aliases.notes.about(thing):
            if alias.merged is thing:
                yield alias.source, alias.way

    def held_like(self, new: Value, old: Value) -> None:
        """A value stands for another one: it is in the lists in which that one may be."""
        for reached in self.may_be(old).values():
            if isinstance(new, torch.Tensor):
                for held in self._held.about(reached.thing):
                    alive = held.tensor() is reached.thing and held.holder() is not None
                    if alive and _fits(reached, held.way):
                        base = self.tensors.base_of(new)
                        self._held.add(Held(weakref.ref(base), held.holder))
                continue
            for frozen in self._frozen.about(reached.thing):
                alive = frozen.value is reached.thing and frozen.holder() is not None
                if alive and _fits(reached, frozen.way):
                    self._frozen.add(Frozen(new, frozen.holder))


def _fits(reached: Reached, way: Way | None) -> bool:
    return any(_along(ways, way) is not None for ways in reached.ways)
