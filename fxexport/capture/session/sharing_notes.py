"""What is noted of shared memory: which tensors and objects may be one, and what is out of date."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.session.aliases import Alias
from fxexport.capture.session.notes import Notes
from fxexport.capture.session.refusals import Place, Way
from fxexport.capture.session.shared_tensors import Shared
from fxexport.source.location import SourceLocation

__all__ = ["Frozen", "Held", "Lost", "LostNotes", "Remembered", "alive", "there"]


class Lost(NamedTuple):
    """A tensor whose value is no longer valid after a write under another name, and that line.

    `value` is what else is out of date, an object or a run of items, which `restore` sets right.
    `places` are those where tensors were merged that are one with it on some paths.
    """

    tensor: Callable[[], torch.Tensor | None]
    location: SourceLocation | None
    value: Value = None
    restore: Callable[[], None] | None = None
    places: frozenset[Place] = frozenset()


class LostNotes(Notes[Lost]):
    """Notes of what is out of date; taken back, it is as it was."""

    def take_back(self, length: int) -> None:
        """Forgets the notes made since there were so many."""
        for note in reversed(self.since(length)):
            if note.restore is not None:
                note.restore()
        super().take_back(length)


class Held(NamedTuple):
    """A tensor that is an item of a list of varying length, and that list."""

    tensor: weakref.ref[torch.Tensor]
    holder: weakref.ref[Value]
    way: Way | None = None


class Frozen(NamedTuple):
    """An object that is an item of a list of varying length, and that list."""

    value: Value
    holder: weakref.ref[Value]
    way: Way | None = None


@dataclass(frozen=True)
class Remembered:
    """What was noted in a part of the program."""

    lost: list[Lost] = field(default_factory=list)
    shared: list[Shared] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    frozen: list[Frozen] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)

    def spoilt(self) -> set[int]:
        """The identities of the objects and runs that are out of date at its end."""
        return {id(note.value) for note in self.lost if note.value is not None}


def there(*values: Value) -> list[Value]:
    """Those values that are not None."""
    return [value for value in values if value is not None]


def alive(*refs: Callable[[], torch.Tensor | None]) -> list[torch.Tensor]:
    """The tensors that still exist."""
    return [value for ref in refs if (value := ref()) is not None]
