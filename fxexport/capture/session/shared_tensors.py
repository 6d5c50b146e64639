"""Which tensors may share memory: pairs of a merged tensor and one that it may be.

Each pair is kept once for each path on which it is so, whatever leads there: over many branches,
the ways from one tensor to another multiply, and the pairs do not.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch

from fxexport.capture.session.notes import Notes
from fxexport.capture.session.refusals import Place, Way

__all__ = ["Shared", "SharedTensors"]


class Shared(NamedTuple):
    """A merged tensor, and one that it may share memory with in PyTorch; both are no views."""

    merged: weakref.ref[torch.Tensor]
    source: weakref.ref[torch.Tensor]
    places: frozenset[Place] = frozenset()
    way: Way | None = None


class SharedTensors(Notes[Shared]):
    """The pairs of one capture. A tensor that is gone is in no pair."""

    def __init__(self) -> None:
        super().__init__(lambda note: [one for ref in note[:2] if (one := ref()) is not None])
        # `places_of` each tensor, by its identity.
        self._places: dict[int, tuple[Callable[[], torch.Tensor | None], frozenset[Place]]] = {}

    def sources(self, merged: torch.Tensor) -> Iterator[tuple[torch.Tensor, Shared]]:
        """What a tensor was merged of, each with the note that says so."""
        for note in self.about(merged):
            source = note.source()
            if note.merged() is merged and source is not None:
                yield source, note

    def merged_of(self, source: torch.Tensor) -> Iterator[tuple[torch.Tensor, Shared]]:
        """What was merged of a tensor, each with the note that says so."""
        for note in self.about(source):
            merged = note.merged()
            if note.source() is source and merged is not None:
                yield merged, note

    def near(self, tensor: torch.Tensor) -> Iterator[tuple[torch.Tensor, Shared]]:
        """Both."""
        yield from self.sources(tensor)
        yield from self.merged_of(tensor)

    def merge(
        self,
        merged: torch.Tensor,
        sources: Sequence[torch.Tensor],
        places: frozenset[Place],
        way: Way | None,
    ) -> None:
        """Notes what a tensor was merged of, as far as that is not known.

        Args:
            merged: the tensor.
            sources: what it was merged of.
            places: where.
            way: the path on which it is one of these, None for any.
        """
        known: dict[int, frozenset[Place]] = {}
        for source, note in self.sources(merged):
            if note.way in (None, way):
                known[id(source)] = known.get(id(source), frozenset()) | note.places
        ref = weakref.ref(merged)
        for source in sources:
            if id(source) not in known or not places <= known[id(source)]:
                self.add(Shared(ref, weakref.ref(source), places, way))

    def related(self, tensors: Iterable[torch.Tensor]) -> list[torch.Tensor]:
        """Tensors, and those that they may share memory with.

        What is noted of one is noted of all that it may share memory with, so there is a pair for
        each of these.
        """
        found = {id(tensor): tensor for tensor in tensors}
        for tensor in list(found.values()):
            found.update((id(other), other) for other, _ in self.near(tensor))
        return list(found.values())

    def origins(self, tensors: Iterable[torch.Tensor]) -> list[torch.Tensor]:
        """Tensors, and those that they may be, over several merges."""
        found = {id(tensor): tensor for tensor in tensors}
        queue = list(found.values())
        while queue:
            for source, _ in self.sources(queue.pop()):
                if id(source) not in found:
                    found[id(source)] = source
                    queue.append(source)
        return list(found.values())

    def places_of(self, merged: torch.Tensor) -> frozenset[Place]:
        """Where a tensor was merged."""
        ref, places = self._places.get(id(merged), (_nothing, frozenset[Place]()))
        if ref() is not merged:
            places = frozenset[Place]().union(*{note.places for _, note in self.sources(merged)})
            self._places[id(merged)] = weakref.ref(merged), places
        return places

    def add(self, *notes: Shared) -> None:
        """Makes notes."""
        for note in notes:
            self._places.pop(id(note.merged()), None)
        super().add(*notes)

    def take_back(self, length: int) -> None:
        """Forgets the notes made since there were so many."""
        if length < len(self):
            self._places.clear()
        super().take_back(length)


def _nothing() -> None:
    return None
