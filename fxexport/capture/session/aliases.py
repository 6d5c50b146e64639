"""Which objects are one object on some paths through the program, and two on others.

What a branch merges becomes a new object; on one path Python has the very object that went in. As
long as nothing else refers to that object, the program cannot tell. Otherwise a write to either
would have to be seen through the other on one path only, and is refused; so is asking whether they
are identical.
"""

from __future__ import annotations

import sys
from weakref import WeakSet

from fxexport.capture.recording.types import Value
from fxexport.capture.session.journal import Journal
from fxexport.capture.session.notes import Notes
from fxexport.capture.session.refusals import AliasRefused, Place, Way
from fxexport.source.frames import user_location

__all__ = ["Alias", "Aliases"]


class Alias:
    """A merged object, and one that it may be.

    Attributes:
        strict: whether others hold the sources of the merged object in any case.
        places: where it was merged, and what it was merged of.
        way: the path on which it is that one, None for any.
    """

    def __init__(
        self,
        merged: Value,
        source: Value,
        strict: bool,
        places: frozenset[Place],
        way: Way | None,
    ) -> None:
        self.merged, self.source, self.strict = merged, source, strict
        self.places, self.way = places, way

    def references_to(self, value: Value) -> int:
        """How many references to an object the note itself holds."""
        return int(self.merged is value) + int(self.source is value)


class Aliases:
    """The merged objects of one capture and what each was made of."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.notes = Notes[Alias](lambda alias: (alias.merged, alias.source))
        # Also those that have been taken back and are kept until a branch or loop is merged.
        self._alive: WeakSet[Alias] = WeakSet()

    def note(
        self,
        merged: Value,
        sources: list[Value],
        strict: bool = False,
        place: Place | None = None,
        through: Value = None,
        way: Way | None = None,
    ) -> None:
        """Notes what a merged object may be.

        Args:
            merged: the object.
            sources: what it may be.
            strict: whether others hold these in any case.
            place: where it was merged.
            through: the object by which it may be one of these.
            way: the path on which it is one of these, None for any.
        """
        places = frozenset([] if place is None else [place]).union(
            *(self._places_of(one) for one in (*sources, through))
        )
        known = [
            alias.source
            for alias in self.notes.about(merged)
            if alias.merged is merged and alias.way in (None, way)
        ]
        for source in sources:
            if source is not merged and not any(source is other for other in known):
                alias = Alias(merged, source, strict, places, way)
                self._alive.add(alias)
                self.notes.add(alias)

    def may_be_one(self, a: Value, b: Value) -> bool:
        """Whether two different objects may be one and the same in Python."""
        return not self._candidates(a).isdisjoint(self._candidates(b))

    def places_about(self, *values: Value) -> frozenset[Place]:
        """Where objects were merged that may be one of these, or be made of them."""
        found: set[Place] = set()
        queue, seen = list(values), set[int]()
        while queue:
            item = queue.pop()
            if id(item) not in seen:
                seen.add(id(item))
                for alias in self.notes.about(item):
                    if alias.merged is item or alias.source is item:
                        found |= alias.places
                        queue.extend((alias.merged, alias.source))
        return frozenset(found)

    def older(self, value: Value, since: int) -> list[Value]:
        """The other objects made before the journal had a number that an object may be."""
        found: list[Value] = []
        queue, seen = self._sources_of(value), {id(value)}
        while queue:
            item = queue.pop()
            if id(item) not in seen:
                seen.add(id(item))
                queue.extend(self._sources_of(item))
                if self._journal.born(item) < since:
                    found.append(item)
        return found

    def _places_of(self, merged: Value) -> frozenset[Place]:
        """Where an object was merged."""
        notes = (alias for alias in self.notes.about(merged) if alias.merged is merged)
        return frozenset[Place]().union(*(alias.places for alias in notes))

    def _sources_of(self, merged: Value) -> list[Value]:
        return [alias.source for alias in self.notes.about(merged) if alias.merged is merged]

    def _candidates(self, value: Value) -> set[int]:
        found: set[int] = set()
        queue = [value]
        while queue:
            item = queue.pop()
            if id(item) not in found:
                found.add(id(item))
                queue.extend(self._sources_of(item))
        return found

    def about_to_write(self, container: Value) -> None:
        """To be called before a container or object is written to.

        Raises:
            UnsupportedError: on one path another name sees the write, on another it does not.
        """
        about = self.notes.about(container)
        others = self._others(container)
        strict = any(alias.strict for alias in about if alias.merged is container)
        if others and (strict or any(self._is_held(other) for other in others)):
            raise AliasRefused(
                f"a {type(container).__name__} is changed that is also known by another name on "
                "one path through a branch or loop and not on the other",
                self.places_about(container),
                location=user_location(),
                hint="make a copy in the branch or loop",
            )

    def _others(self, value: Value) -> list[Value]:
        """The other objects that an object may be one with, on some path or other."""
        found = {id(source): source for source in self.older(value, sys.maxsize)}
        queue = [value, *found.values()]
        while queue:
            item = queue.pop()
            merged = [alias.merged for alias in self.notes.about(item) if alias.source is item]
            new = {id(one): one for one in merged if id(one) not in found and one is not value}
            found.update(new)
            queue += new.values()
        return list(found.values())

    def is_held_once(self, value: Value) -> bool:
        """Whether one thing alone, beside our own records, refers to an object.

        Call it with the object as it is read from there.
        """
        return sys.getrefcount(value) - self._own_references(value) <= _ONCE

    def _is_held(self, value: Value) -> bool:
        """Whether anything but our own records refers to an object."""
        # The caller's list and loop variable, this parameter, and getrefcount's own.
        return sys.getrefcount(value) - self._own_references(value) > _BASE

    def _own_references(self, value: Value) -> int:
        own = sum(alias.references_to(value) for alias in self._alive)
        return own + self._journal.references_to(value)


class _Holder:
    """Holds an object, as a variable does, and says what getrefcount says of it."""

    def __init__(self) -> None:
        self._held = object()

    def get(self) -> Value:
        """The object."""
        return self._held

    def count(self, value: Value) -> int:
        """What `Aliases.is_held_once` is told."""
        return sys.getrefcount(value)


def _measured() -> int:
    """What getrefcount says in `_is_held`, called as it is, of an object that nobody else holds."""

    def inside(value: Value) -> int:
        return sys.getrefcount(value)

    others = [object()]
    counts: list[int] = []
    any(counts.append(inside(other)) for other in others)  # type: ignore[func-returns-value]
    return counts[0]


_BASE = _measured()
_ONCE = (lambda holder: holder.count(holder.get()))(_Holder())
