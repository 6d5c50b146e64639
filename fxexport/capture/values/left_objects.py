"""Objects as an iteration of a loop leaves them, after its writes have been taken back."""

from __future__ import annotations

from collections.abc import Iterable

from fxexport.capture.recording.types import Value
from fxexport.capture.session.journal import Writes
from fxexport.capture.values.containers import objects_in, parts_of, rebuild_like

__all__ = ["LeftObjects"]

# The kinds of slots that are a part of an object.
_OF_OBJECTS = ("container", "attribute")


class LeftObjects:
    """What is in the objects that an iteration leaves and has changed where they are.

    Args:
        ends: what the iteration leaves.
        writes: what it has written; not yet taken back.
    """

    def __init__(self, ends: Iterable[Value] = (), writes: Writes | None = None) -> None:
        slots = writes.slots() if writes is not None else []
        changed = {slot.key[1] for slot in slots if slot.key[0] in _OF_OBJECTS}
        # By the identity of each: one like it, with its parts as they are now.
        self._left: dict[int, Value] = {}
        for thing in (one for end in ends for one in objects_in(end)) if changed else ():
            if id(thing) in changed and id(thing) not in self._left:
                self._left[id(thing)] = rebuild_like(thing, parts_of(thing) or [])

    def of(self, value: Value) -> Value:
        """What an object was like; any other value itself."""
        return self._left.get(id(value), value)

    def parts_of(self, value: Value) -> list[Value] | None:
        """The parts that a value had (see `containers.parts_of`)."""
        return parts_of(self.of(value))
