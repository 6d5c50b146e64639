"""Items of lists of varying length that the program changes where they are.

A list of varying length holds copies of its items; what is read from it is a loan. A change of a
loan is written back into the list (see `Loan`). In Python the item is one object, whoever holds
it: what else may be that object, another loan, the object that was put into the list, another list
with the same items, is out of date from then on, and reading it is refused.
"""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Size, Value
from fxexport.capture.session.journal import Container, ContainerSlot
from fxexport.capture.session.list_runs import Spread
from fxexport.capture.session.memory import Sharing, item_changed
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.sharing_notes import Lost, Remembered
from fxexport.codes.ids import Code
from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation

__all__ = ["Lending", "Loan", "kind_of"]


@dataclass(eq=False)
class Loan:
    """An item as it was read from a list.

    Attributes:
        container: the list; None for an item that has left it.
        found: what the list held.
        run: the run of items that it was read from.
        key: its index there.
        item: the item.
        things: the tensors (their bases) and the objects in the item.
        changed: gives the run with the item as it is when it is asked for.
        left: the run that the item has left, for one that was taken out of the list.
    """

    container: Value
    found: list[Value]
    run: Spread
    key: Size
    item: Value
    things: list[Value]
    changed: Callable[[], Spread]
    left: Spread | None = None


_OUT_OF_DATE = (
    "an item of a list whose length is known only when the model runs was changed, and this may "
    "be the same item under another name"
)


def _no_tensor() -> None:
    return None


def _contents(value: Any) -> list[Value]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, deque)) else list(vars(value).values())


def _refill(value: Any, contents: Sequence[Value]) -> None:
    if isinstance(value, (list, deque)):
        value.clear()
        value.extend(contents)
        return
    target = value if isinstance(value, dict) else vars(value)
    for key, item in zip(list(target), contents, strict=True):
        target[key] = item


def _restore(value: Any, contents: Sequence[Value], poison: Poison) -> None:
    """Gives an object back what it held, unless writes that were taken back have done so."""
    if any(item is poison for item in _contents(value)):
        _refill(value, contents)


@dataclass
class _Connected:
    """What may be, or hold, the items of a run."""

    runs: dict[int, Spread] = field(default_factory=dict)
    others: dict[int, Value] = field(default_factory=dict)


class Lending(Sharing):
    """The part of a capture's state that knows the items of lists."""

    def __init__(self) -> None:
        super().__init__()
        # Each thing in an item that was read -> its loan, by the identity of the thing.
        self._loans: dict[int, Loan] = {}
        # A list, by its identity -> the loans of its items.
        self._lent_from: dict[int, list[Loan]] = {}
        # What is written into the graph before a branch, a loop or a path of one begins or ends.
        self.pending: list[Callable[[], None]] = []

    def lend(self, loan: Loan) -> None:
        """Notes that an item was read from a list."""
        self._loans.update((id(thing), loan) for thing in loan.things)
        self._lent_from.setdefault(id(loan.container), []).append(loan)

    def lent(self, container: Value, key: Size, fits: Callable[[Value], bool]) -> Value:
        """The item that was last read from a list at an index, and is there now.

        Args:
            container: the list.
            key: the index.
            fits: tells of an item whether it can be taken: it may have been read in a branch or
                loop that has ended, or be out of date.

        Returns:
            None where there is none.
        """
        for loan in reversed(self._lent_from.get(id(container), [])):
            there = loan.container is container and self.same(loan.key, key)
            if there and self._is_there(loan) and fits(loan.item):
                _rely_on_place(loan)
                return loan.item
        return None

    def is_lent(self, item: Value, container: Value, key: Size) -> bool:
        """Whether a list holds an item at an index because it was read from there."""
        for thing in (item, self._base_of(item)):
            loan = self._loans.get(id(thing))
            if loan is not None and loan.item is item and loan.container is container:
                alike = loan.left is None and self.same(loan.key, key)
                if alike and self._is_there(loan):
                    _rely_on_place(loan)
                    return True
        return False

    def _base_of(self, item: Value) -> Value:
        return self.tensors.base_of(item) if isinstance(item, compat.FunctionalTensor) else item

    def same(self, a: Value, b: Value) -> bool:
        """Whether two Python or symbolic scalars certainly have the same type and value."""
        raise NotImplementedError

    def known(self, condition: Value) -> bool | None:
        """The value of a condition, where it is known."""
        raise NotImplementedError

    def settle(self) -> None:
        """Writes the items that were changed here, as they are now, into the present frame."""
        while self.pending:
            self.pending.pop(0)()

    def is_fresh(self, thing: Value) -> bool:
        """Whether an object, or the base of a tensor, was made here and is in no run yet.

        What is put into a list in a loop is another one each time only if the iteration made it.
        """
        if isinstance(thing, torch.Tensor):
            born = self.tensors.born(thing)
            noted = any(True for _ in self._tensors_about(thing))
            return born >= self.journal.opened and not noted
        about = self._frozen.about(thing)
        frozen = any(note.value is thing and note.holder() is not None for note in about)
        new = self.journal.born(thing) >= self.journal.opened
        return new and not frozen and self.is_one_alone(thing)

    def is_one_alone(self, thing: Value) -> bool:
        """Whether an object neither stands for another one nor another one for it."""
        notes = self.aliases.notes.about(thing)
        return not any(thing is note.merged or thing is note.source for note in notes)

    def connected_to(self, run: Spread) -> set[int]:
        """The identities of a run, of what may be in it, and of runs that may hold that."""
        found = self._connected(run, False, None)
        return {*found.runs, *found.others}

    def spoil(self, thing: Value, location: SourceLocation | None) -> None:
        """An object, tensor or run is out of date: reading it is refused."""
        if isinstance(thing, torch.Tensor):
            self._lose(thing, location)
            return
        poison = Poison("an item of a list", _OUT_OF_DATE, location, code=Code.ITEM_CHANGES)
        if isinstance(thing, Spread):
            before, thing.stale = thing.stale, poison
            restore = functools.partial(setattr, thing, "stale", before)
        else:
            contents = _contents(thing)
            restore = functools.partial(_restore, thing, contents, poison)
            _refill(thing, [poison] * len(contents))
        self._lost.add(Lost(_no_tensor, location, thing, restore))

    def spoil_made(self, noted: Remembered, since: int) -> None:
        """Objects made in a part of the program are out of date after it as they were in it.

        What was there before is left to `lose`: until values are merged, it is as it was.
        """
        for note in noted.lost:
            made = note.value is not None and not isinstance(note.value, Spread)
            if made and self.journal.born(note.value) >= since:
                self.spoil(note.value, note.location)

    def _item_changes(self, thing: Value, what: str) -> None:
        loan = self._loans.get(id(thing))
        if loan is None or not any(one is thing for one in loan.things):
            raise item_changed(what)
        kind = kind_of(thing)
        if not loan.run.shared.isdisjoint({kind, object}):
            raise item_changed(what)
        if loan.left is None and not self._is_there(loan):
            raise item_changed(what)
        connected = self._connected(loan.run, kind is torch.Tensor, loan.left, loan.key)
        own = {id(one) for one in loan.things}
        runs = [run for run in connected.runs.values() if run.may_hold(kind)]
        others = [
            one for one in connected.others.values() if kind_of(one) is kind and id(one) not in own
        ]
        if others and kind in (set, frozenset):
            raise item_changed(what)
        for run in connected.runs.values():
            run.relied_on.add(kind)
        location = user_location()
        if loan.left is None:
            self._write_back(loan, what, location)
        for one in (*runs, *others):
            if one is not loan.run or loan.left is not None:
                self.spoil(one, location)

    def _is_there(self, loan: Loan) -> bool:
        """Whether the list still holds the item where it was read."""
        now = list(cast("Iterable[Value]", loan.container))
        if len(now) == len(loan.found) and all(map(_is, now, loan.found)):
            return True
        return len(now) == 1 and isinstance(now[0], Spread) and now[0].keeps_places_of(loan.run)

    def _write_back(self, loan: Loan, what: str, location: SourceLocation | None) -> None:
        container = cast(Container, loan.container)
        if not isinstance(container, (list, deque)) or getattr(container, "maxlen", None):
            raise item_changed(what)
        self._check_items(container)
        self.aliases.about_to_write(container)
        self.journal.touch(ContainerSlot(container))
        restore = functools.partial(_put_back, loan, loan.run, loan.found)
        self._lost.add(Lost(_no_tensor, location, None, restore))
        first = next(iter(container))
        if len(container) == 1 and isinstance(first, Spread) and first.keeps_places_of(loan.run):
            first.rely_on_places(loan.run)
            loan.run = first
        loan.run = loan.changed()
        container.clear()
        container.append(loan.run)
        loan.found = [loan.run]

    def may_be_one(self, a: Value, b: Value) -> bool:
        """Whether two different objects may be one and the same in Python on some path."""
        if super().may_be_one(a, b):
            return True
        if kind_of(a) is not kind_of(b) or not len(self._held) + len(self._frozen):
            return False
        one, other = self._base_of(a), self._base_of(b)
        found = self._connected(one, isinstance(a, torch.Tensor), None)
        return id(other) in found.others

    def _connected(
        self, start: Value, in_tensor: bool, without: Spread | None, key: Size | None = None
    ) -> _Connected:
        """What may be, or hold, what a run or an object or tensor is, or holds.

        With a `key` only the item at that index of a run counts.
        """
        found = _Connected()
        apart = set() if key is None else self._slices_without(cast("Spread", start), key)
        gone = _gone_from(start)
        queue: list[Value] = [start]
        while queue:
            thing = queue.pop()
            if id(thing) in gone:
                gone[id(thing)].gone_relied_on = True
                continue
            known = found.runs if isinstance(thing, Spread) else found.others
            if id(thing) in known or thing is without or id(thing) in apart:
                continue
            if isinstance(thing, Spread):
                found.runs[id(thing)] = thing
                queue.extend(thing.related())
            else:
                found.others[id(thing)] = thing
            queue.extend(self._tensors_about(thing) if in_tensor else self._objects_about(thing))
        return found

    def taken_out(self, end: Spread, start: Spread) -> list[Value]:
        """The objects and tensors that were taken out of a run until another one was left of it."""
        runs = list(end.wholes())
        if not any(run is start for run in runs):
            return []
        rests = set(map(id, itertools.takewhile(lambda run: run is not start, runs)))
        loans = {id(one): one for one in self._loans.values() if id(one.left) in rests}
        return [thing for loan in loans.values() for thing in loan.things]

    def _slices_without(self, run: Spread, key: Size) -> set[int]:
        """The slices of a run that do not have its item at an index."""
        found: set[int] = set()
        wholes = [run]
        for whole in wholes:
            place = key + whole.length if isinstance(key, int) and key < 0 else key
            for part, first in whole.slices.items():
                outside = (place < first, place >= first + part.length)
                if any(self.known(condition) is True for condition in outside):
                    found.add(id(part))
            wholes.extend(one for one in whole.same_places if run.keeps_places_of(one))
        if found:
            run.rely_on_places()
        return found

    def _tensors_about(self, thing: Value) -> Iterable[Value]:
        for held in self._held.about(thing):
            if held.tensor() is thing or held.holder() is thing:
                yield from filter(_there, (held.tensor(), held.holder()))
        if isinstance(thing, torch.Tensor):
            yield from (near for near, _ in self._shared.near(thing))

    def _objects_about(self, thing: Value) -> Iterable[Value]:
        for frozen in self._frozen.about(thing):
            if frozen.value is thing or frozen.holder() is thing:
                yield from filter(_there, (frozen.value, frozen.holder()))
        for alias in self.aliases.notes.about(thing):
            if alias.merged is thing or alias.source is thing:
                yield from (alias.merged, alias.source)


def _gone_from(start: Value) -> dict[int, Spread]:
    """What was taken out of a run, by its identity, with the run that it was taken out of."""
    runs = start.wholes() if isinstance(start, Spread) else ()
    return {id(thing): run for run in runs for thing in run.gone}


def _rely_on_place(loan: Loan) -> None:
    """Notes that the item is taken to be where it was read."""
    for run in cast("Iterable[Value]", loan.container):
        if isinstance(run, Spread) and not any(run is one for one in loan.found):
            run.rely_on_places(loan.run)


def kind_of(thing: Value) -> type:
    """The class of an object; torch.Tensor for a tensor."""
    return torch.Tensor if isinstance(thing, torch.Tensor) else type(thing)


def _put_back(loan: Loan, run: Spread, found: list[Value]) -> None:
    loan.run, loan.found = run, found


def _is(a: Value, b: Value) -> bool:
    return a is b


def _there(value: Value) -> bool:
    return value is not None
