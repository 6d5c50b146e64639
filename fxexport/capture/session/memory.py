"""Which tensors share memory on some paths or all, and what may therefore not be written to.

On some path, a merged or carried tensor shares the memory of those that it stands for in PyTorch;
lists of varying length hold copies where Python's hold the objects themselves. Where a write would
not reach such a copy in the graph, the write is refused, or the tensor is noted as lost: its value
is no longer valid, and reading it is refused.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any

import torch
from torch.utils.weak import WeakIdKeyDictionary

from fxexport.capture.recording.tensor_mode import TensorMode
from fxexport.capture.recording.types import Value
from fxexport.capture.session.aliases import Aliases
from fxexport.capture.session.journal import ContentsSlot, Journal
from fxexport.capture.session.notes import Notes
from fxexport.capture.session.refusals import AliasRefused, Place, Way
from fxexport.capture.session.shared_tensors import SharedTensors
from fxexport.capture.session.sharing_notes import (
    Frozen,
    Held,
    Lost,
    LostNotes,
    Remembered,
    alive,
    there,
)
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation

__all__ = ["Sharing", "item_changed"]


class Sharing:
    """The part of a capture's state that knows about shared memory.

    Attributes:
        journal: notes the writes.
        tensors: the program's tensors.
        aliases: objects other than tensors.
    """

    journal: Journal
    tensors: TensorMode
    aliases: Aliases

    def __init__(self) -> None:
        # Each is found by the objects that it is about, while they are there.
        self._lost = LostNotes(lambda note: alive(note.tensor))
        self._shared = SharedTensors()
        self._held = Notes[Held](lambda note: there(note.tensor(), note.holder()))
        self._frozen = Notes[Frozen](lambda note: there(note.value, note.holder()))
        # tensor -> the operator that has given it other sizes in place
        self._reshaped: MutableMapping[torch.Tensor, str] = WeakIdKeyDictionary()
        # The path that is being merged: what is noted is so on it alone.
        self.way: Way | None = None
        self._branches = itertools.count()
        # The lists that are being looped over, innermost last.
        self._iterated: list[Value] = []

    # -- what is noted in one part of the program ------------------------------------------------

    def mark(self) -> tuple[int, ...]:
        """How much is noted now; for `since` and `take_back`."""
        return tuple(map(len, self._books()))

    def savepoint(self) -> Callable[[], None]:
        """Returns a function that takes back what is noted from now on."""
        return functools.partial(self.take_back, self.mark())

    def since(self, mark: tuple[int, ...]) -> Remembered:
        """What has been noted since."""
        lost, shared, held, frozen, aliases = mark
        return Remembered(
            self._lost.since(lost),
            self._shared.since(shared),
            self._held.since(held),
            self._frozen.since(frozen),
            self.aliases.notes.since(aliases),
        )

    def take_back(self, mark: tuple[int, ...]) -> None:
        """Takes back what has been noted since."""
        for book, length in zip(self._books(), mark, strict=True):
            book.take_back(length)

    def remember(self, noted: Remembered) -> None:
        """Notes again what was noted in a part of the program that has been taken back.

        What is lost is left to `lose`: until values are merged, each is read as its part left it.
        """
        self._shared.add(*noted.shared)
        self._held.add(*noted.held)
        self._frozen.add(*noted.frozen)
        self.aliases.notes.add(*noted.aliases)

    def lose(self, notes: Iterable[Lost]) -> None:
        """Notes that tensors are lost which were lost in a part that has been taken back."""
        for note in notes:
            tensor = note.tensor()
            if tensor is not None:
                self._lose(tensor, note.location, note.places)
            elif note.value is not None:
                self.spoil(note.value, note.location)

    def spoil(self, thing: Value, location: SourceLocation | None) -> None:
        """An object or run is out of date; see `Lending`."""
        raise NotImplementedError

    def _books(self) -> tuple[Notes[Any], ...]:
        return (self._lost, self._shared, self._held, self._frozen, self.aliases.notes)

    # -- tensors ---------------------------------------------------------------------------------

    def contents(self, tensor: torch.Tensor) -> ContentsSlot:
        """The slot of the values of a tensor that is no view."""
        return ContentsSlot(
            tensor,
            lambda t: self.tensors.wrap(self.tensors.inner(t)),
            lambda t, value: self.tensors.replace(t, self.tensors.inner(value)),
            self.tensors.born(tensor),
        )

    def about_to_reshape(self, tensor: torch.Tensor, name: str) -> None:
        """Refuses operators in place that change what cannot be given back after a branch."""
        plain = name.rstrip("_")
        if plain == "set":
            hint = "assign a new tensor to the name instead"
            raise UnsupportedError(
                f"{name} gives a tensor other memory in place",
                code=Code.MEMORY,
                location=user_location(),
                hint=hint,
            )
        if self.tensors.born(tensor) < self.journal.opened:
            raise UnsupportedError(
                f"{name} changes the sizes of a tensor from outside a branch or loop in place",
                code=Code.MEMORY,
                location=user_location(),
                hint=f"write y = y.{plain}(...) instead",
            )
        self._reshaped[tensor] = name

    def may_share(self, tensor: torch.Tensor, source: torch.Tensor) -> None:
        """Remembers a copy that is a view where some size is 1, to refuse later writes."""
        self.merged_from(tensor, source)

    def about_to_write(self, base: torch.Tensor) -> None:
        """Notes a write: what shares the memory on some paths is lost after it."""
        for other, shared in self._shared.near(base):
            self._lose(other, places=shared.places)
        name = self._reshaped.get(base)
        if name is not None and self.tensors.born(base) < self.journal.opened:
            raise UnsupportedError(
                f"a tensor is written in place in a branch or loop after {name} has changed its "
                "sizes in place",
                code=Code.MEMORY,
                location=user_location(),
                hint=f"write y = y.{name.rstrip('_')}(...) instead",
            )
        real = self.tensors.real_of(base)
        if real is not None and self.tensors.sharing_memory(real):
            self.reads_under_another_name(real)
        if any(h.tensor() is base and h.holder() is not None for h in self._held.about(base)):
            self._item_changes(base, "a tensor is written in place")
        self.journal.touch(self.contents(base))

    def _lose(
        self,
        base: torch.Tensor,
        location: SourceLocation | None = None,
        places: frozenset[Place] = frozenset(),
    ) -> None:
        known = [lost for lost in self._lost.about(base) if lost.tensor() is base]
        if not known or not any(places <= lost.places for lost in known):
            self._lost.add(Lost(weakref.ref(base), location or user_location(), places=places))

    def is_lost(self, tensor: Value, elsewhere: Iterable[Lost] = ()) -> Lost | None:
        """What is noted where a tensor was perhaps written under another name.

        Args:
            tensor: anything; only tensors are lost.
            elsewhere: further notes, of a part of the program that has been taken back.

        Returns:
            The note; None for a tensor that holds what it should.
        """
        if not isinstance(tensor, torch.Tensor):
            return None
        base = self.tensors.base_of(tensor)
        notes = (*self._lost.about(base), *elsewhere)
        return next((lost for lost in notes if lost.tensor() is base), None)

    def lose_as(self, tensors: Iterable[torch.Tensor], notes: Iterable[Lost | None]) -> None:
        """New tensors are lost where those that they stand for were (`is_lost` said)."""
        for tensor, lost in zip(tensors, notes, strict=False):
            if lost is not None:
                self._lose(self.tensors.base_of(tensor), lost.location, lost.places)

    def about_to_read(self, tensor: torch.Tensor) -> None:
        """Refuses a read of what was perhaps written under another name."""
        found = self.is_lost(tensor) if len(self._lost) else None
        if found is not None:
            base = self.tensors.base_of(tensor)
            raise AliasRefused(
                "a tensor is written in place that shares memory with another one on some paths "
                "through the model (a branch, a loop, sizes of 1) and not on others, and the other "
                "one is read afterwards",
                frozenset().union(*(lost.places for lost in self._lost.about(base))),
                location=found.location,
                hint="make a new tensor instead (y = y + 1), or clone() it where it is made",
            )

    def held_by(self, tensor: torch.Tensor, holder: Value) -> None:
        """Remembers that a list of varying length holds a tensor: it may not be written to."""
        base = self.tensors.base_of(self.tensors.lift(tensor))
        self._held.add(Held(weakref.ref(base), weakref.ref(holder), self.way))
        for _, shared in self._shared.merged_of(base):
            elsewhere = self.way is not None and _exclude(shared.way, self.way)
            if not elsewhere:
                self._held.add(Held(shared.merged, weakref.ref(holder), self.way))

    def freeze(self, value: Value, holder: Value) -> None:
        """Remembers that an object is, or is in, an item of a list of varying length."""
        self._frozen.add(Frozen(value, weakref.ref(holder), self.way))

    def check_changeable(self, value: Value) -> None:
        """To be called before a container or object changes.

        Raises:
            UnsupportedError: a list of varying length holds it.
        """
        if any(value is iterated for iterated in self._iterated):
            raise UnsupportedError(
                "a list changes while a loop of unknown length goes over it",
                code=Code.CHANGED_WHILE_READ,
                location=user_location(),
                hint="loop over a copy of it",
            )
        self._check_items(value)

    def _check_items(self, value: Value) -> None:
        """The part of `check_changeable` about the items of lists."""
        notes = self._frozen.about(value)
        if any(frozen.value is value and frozen.holder() is not None for frozen in notes):
            self._item_changes(value, f"a {type(value).__name__} changes")

    def _item_changes(self, thing: Value, what: str) -> None:
        """An object, or the base of a tensor, is about to change that a run of items holds."""
        raise item_changed(what)

    def held_as(self, tensor: torch.Tensor, old: torch.Tensor) -> None:
        """A tensor stands for another one: the lists that hold that one hold it."""
        base, source = self.tensors.base_of(tensor), self.tensors.base_of(old)
        if base is source:
            return
        known = {id(held.holder()) for held in self._held.about(base) if held.tensor() is base}
        for held in self._held.about(source):
            holder = held.holder()
            if held.tensor() is source and holder is not None and id(holder) not in known:
                known.add(id(holder))
                self._held.add(Held(weakref.ref(base), held.holder))

    def frozen_as(self, value: Value, old: Value) -> None:
        """The same for an object."""
        if value is old:
            return
        known = {id(one.holder()) for one in self._frozen.about(value) if one.value is value}
        for frozen in self._frozen.about(old):
            holder = frozen.holder()
            if frozen.value is old and holder is not None and id(holder) not in known:
                known.add(id(holder))
                self._frozen.add(Frozen(value, frozen.holder))

    @contextlib.contextmanager
    def iterating(self, containers: Sequence[Value]) -> Iterator[None]:
        """While a loop that is staged goes over lists."""
        self._iterated.extend(containers)
        try:
            yield
        finally:
            del self._iterated[len(self._iterated) - len(containers) :]

    def reads_under_another_name(self, real: torch.Tensor) -> None:
        """Refuses a write that two of the model's own tensors see."""
        raise UnsupportedError(
            "a tensor that the model keeps is written in place, and another one that it keeps is a "
            "view of it, or shares its memory otherwise",
            code=Code.MEMORY,
            location=user_location(),
            hint="keep one of them, and make the view in forward",
        )

    def merged_from(
        self,
        merged: torch.Tensor,
        *sources: Value,
        place: Place | None = None,
        through: torch.Tensor | None = None,
    ) -> None:
        """Remembers what a merged tensor may share memory with, to refuse later writes.

        Args:
            merged: the tensor.
            *sources: tensors, and whatever else was merged.
            place: where it was merged.
            through: the tensor by which it may share memory with these.
        """
        merged = self.tensors.base_of(merged)
        lifted = [self.tensors.lift(s) for s in sources if isinstance(s, torch.Tensor)]
        bases = [self.tensors.base_of(s) for s in lifted]
        bases = [base for base in self._shared.related(bases) if base is not merged]
        if bases:
            places = frozenset([] if place is None else [place]).union(
                *(self._shared.places_of(one) for one in (*bases, through) if one is not None)
            )
            self._shared.merge(merged, bases, places, self.way)

    def fresh_branch(self) -> int:
        """A number for a branch, by which its paths are told apart."""
        return next(self._branches)

    @contextlib.contextmanager
    def on_way(self, branch: int, side: str) -> Iterator[None]:
        """While it is noted what holds on one path of a branch."""
        before, self.way = self.way, (branch, side)
        try:
            yield
        finally:
            self.way = before

    def may_be_one(self, a: Value, b: Value) -> bool:
        """Whether two different objects may be one and the same in Python on some path."""
        if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):
            return self.aliases.may_be_one(a, b)
        return not self._bases(a).isdisjoint(self._bases(b))

    def places_about(self, a: Value, b: Value) -> frozenset[Place]:
        """Where values were merged that may be these two."""
        found = set(self.aliases.places_about(a, b))
        for value in (a, b):
            if isinstance(value, torch.Tensor):
                for base in self._shared.origins([self.tensors.base_of(value)]):
                    found.update(*(shared.places for _, shared in self._shared.near(base)))
        return frozenset(found)

    def _bases(self, tensor: torch.Tensor) -> set[int]:
        """The identities of the tensors that a merged one may be, or look into."""
        return set(map(id, self._shared.origins([self.tensors.base_of(tensor)])))

    def outer_sources(self, base: torch.Tensor, since: int) -> list[torch.Tensor]:
        """The tensors made before `since` whose memory a tensor is in, or may be in."""
        if self.tensors.born(base) < since:
            return [base]
        found = {
            id(source): source
            for source, _ in self._shared.sources(base)
            if self.tensors.born(source) < since
        }
        return list(found.values())

    def share_as(
        self,
        tensors: Sequence[torch.Tensor],
        before: Sequence[Value],
        since: int,
        lost: Sequence[Lost],
        places: Sequence[Place | None],
    ) -> None:
        """New tensors stand for others: what these share, they may share.

        Args:
            tensors: merged or carried tensors.
            places: where each of them was merged.
            before: what each of them stands for on one path, or at the end of an iteration.
            since: the journal's number when that path or iteration began.
            lost: what is lost on that path or in that iteration, beside what is lost here.
        """
        groups: dict[int, list[tuple[torch.Tensor, Place | None]]] = {}
        for tensor, old, place in zip(tensors, before, places, strict=False):
            if not isinstance(old, torch.Tensor) or tensor is old:
                continue
            base = self.tensors.base_of(self.tensors.lift(old))
            groups.setdefault(id(base), []).append((tensor, place))
            outer = self.outer_sources(base, since)
            self.merged_from(tensor, *outer, place=place, through=base)
            self.held_as(tensor, old)
            self.lose_as([tensor], [self.is_lost(old, lost)])
        for group in groups.values():
            for tensor, place in group:
                others = (other for other, _ in group if other is not tensor)
                self.merged_from(tensor, *others, place=place)


def _exclude(a: Way | None, b: Way) -> bool:
    """Whether two paths are of one branch."""
    return a is not None and a[0] == b[0] and a[1] != b[1]


def item_changed(what: str) -> UnsupportedError:
    """The refusal of a change to an item of a list that the list would not see."""
    return UnsupportedError(
        f"{what} that is an item of a list whose length is known only when the model runs",
        code=Code.ITEM_CHANGES,
        location=user_location(),
        hint="make a new one and put it into the list: items[i] = items[i] + 1; "
        "or append a clone()",
    )
