"""What was about to be written, and which iterators moved, since somebody began to watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fxexport.capture.recording.types import Value

__all__ = ["Watched"]


class Watched:
    """The notes of one who watches; tensors that were written are not kept alive by them.

    Attributes:
        iterators: those that moved.
    """

    def __init__(self) -> None:
        self._slots: list[Callable[[], Any]] = []
        self.iterators: list[Value] = []

    def note(self, slot: Callable[[], Any]) -> None:
        """Notes what gives a slot, or None when that is gone."""
        self._slots.append(slot)

    def slots_since(self, count: int) -> Iterator[Any]:
        """The slots beyond the first so many, as far as they are there."""
        found = (slot() for slot in self._slots[count:])
        return (slot for slot in found if slot is not None)

    @property
    def counts(self) -> tuple[int, int]:
        """How many slots and iterators were noted."""
        return len(self._slots), len(self.iterators)
