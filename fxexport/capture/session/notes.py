"""A list of notes that are found by what they are about, and that can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

__all__ = ["Notes"]

Note = TypeVar("Note")


class Notes(Generic[Note]):
    """Notes in the order in which they were made.

    A new object may get the identity of a deleted one: whoever asks for the notes about an object
    compares it with the one that is in the note.
    """

    def __init__(self, about: Callable[[Note], Iterable[object]]) -> None:
        """`about` gives the objects that a note is found by."""
        self._objects = about
        # each note with the identities that it is found by, which its objects may not survive
        self._notes: list[tuple[Note, tuple[int, ...]]] = []
        self._positions: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._notes)

    def add(self, *notes: Note) -> None:
        """Makes notes."""
        for note in notes:
            keys = tuple({id(one) for one in self._objects(note)})
            for key in keys:
                self._positions.setdefault(key, []).append(len(self._notes))
            self._notes.append((note, keys))

    def about(self, value: object) -> list[Note]:
        """The notes about an object, or about one that had its identity before."""
        return [self._notes[position][0] for position in self._positions.get(id(value), ())]

    def since(self, length: int) -> list[Note]:
        """The notes made since there were so many."""
        return [note for note, _ in self._notes[length:]]

    def take_back(self, length: int) -> None:
        """Forgets the notes made since there were so many."""
        while len(self._notes) > length:
            _, keys = self._notes.pop()
            for key in keys:
                self._positions[key].pop()
                if not self._positions[key]:
                    del self._positions[key]
