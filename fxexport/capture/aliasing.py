"""Which objects are one object on some ways through the program, and two on others.

What a branch merges becomes a new object; on one way Python has the very object that went in. As
long as nobody else holds that one, nobody can tell. Otherwise a write to either would have to be
seen through the other on one way only, and is refused; so is asking whether they are identical.
"""

from __future__ import annotations

import sys
from typing import Any

from fxexport.capture.frames import user_location
from fxexport.capture.journal import Journal
from fxexport.errors import UnsupportedError

__all__ = ["Aliases"]


class Aliases:
    """The merged objects of one capture and what each was made of."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        # identity of a merged object -> it, and what it may be
        self._sources: dict[int, tuple[Any, list[Any]]] = {}
        # identity of a source -> the merged objects that it may be
        self._merged: dict[int, list[Any]] = {}
        self._strict: set[int] = set()

    def note(self, merged: Any, sources: list[Any], strict: bool = False) -> None:
        """Notes what a merged object may be; `strict` if others hold its sources in any case."""
        _, known = self._sources.setdefault(id(merged), (merged, []))
        for source in sources:
            if source is not merged and not any(source is other for other in known):
                known.append(source)
                self._merged.setdefault(id(source), []).append(merged)
        if strict:
            self._strict.add(id(merged))

    def may_be_one(self, a: Any, b: Any) -> bool:
        """Whether two different objects may be one and the same in Python."""
        return not self._candidates(a).isdisjoint(self._candidates(b))

    def _candidates(self, value: Any) -> set[int]:
        found: set[int] = set()
        queue = [value]
        while queue:
            item = queue.pop()
            if id(item) not in found:
                found.add(id(item))
                queue.extend(self._sources.get(id(item), (None, []))[1])
        return found

    def about_to_write(self, container: Any) -> None:
        """To be called before a container or object is written to.

        Raises:
            UnsupportedError: on one way another name sees the write, on another it does not.
        """
        others = [
            *self._sources.get(id(container), (None, []))[1],
            *self._merged.get(id(container), []),
        ]
        strict = id(container) in self._strict
        if others and (strict or any(self._is_held(other) for other in others)):
            raise UnsupportedError(
                f"a {type(container).__name__} is changed that is also known by another name on "
                "one way through a branch or loop and not on the other",
                location=user_location(),
                hint="make a copy in the branch or loop",
            )

    def _is_held(self, value: Any) -> bool:
        """Whether anyone but our own books holds an object."""
        key = id(value)
        own = 0
        if key in self._sources:
            own += 1
        own += sum(
            any(source is value for source in sources) for _, sources in self._sources.values()
        )
        own += sum(any(m is value for m in merged) for merged in self._merged.values())
        own += self._journal.references_to(value)
        # The caller's list and loop variable, this parameter, and getrefcount's own.
        return sys.getrefcount(value) - own > _BASE


def _measured() -> int:
    """What getrefcount says in `_is_held`, called as it is, of an object that nobody else holds."""

    def inside(value: Any) -> int:
        return sys.getrefcount(value)

    others = [object()]
    counts: list[int] = []
    any(counts.append(inside(other)) for other in others)  # type: ignore[func-returns-value]
    return counts[0]


_BASE = _measured()
