"""What stands in a Python list for items whose number is known only when the model runs."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn, Protocol, TypeGuard

import torch

from fxexport.capture.recording.types import Size, Value
from fxexport.capture.session.refusals import Poison
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.sequences import SequenceVal
from fxexport.source.frames import user_location

__all__ = [
    "Pattern",
    "Spread",
    "Views",
    "closed_items",
    "holds_open",
    "is_open",
    "length_of",
    "only_run",
    "refuse_open",
]


class Pattern:
    """What all values of one slot, or all items of a list, have in common (see staging)."""

    def holds(self, kind: type) -> bool:
        """Whether such a value is, or has in it, an object of a class, or a tensor."""
        raise NotImplementedError


class Views(Protocol):
    """Items that are views of one tensor: the rows of ``unbind``, the pieces of ``split``."""

    @property
    def source(self) -> Value:
        """The tensor."""

    def item(self, k: Size) -> Value:
        """The view at an index from 0 to the last one, made where it is read."""

    def columns(self) -> list[SequenceVal]:
        """Copies of all of them as a sequence, written into the present frame."""

    def are(self, count: int) -> bool | torch.SymBool:
        """Whether there are just so many."""

    def has(self, k: int) -> bool | torch.SymBool:
        """Whether there are more than `k`."""


class Spread:
    """A run of items in a list, tuple or deque.

    The container stays a Python object with its identity; ``[a, <Spread>, b]`` is a list of
    `length` + 2 items. Only the operators of this package understand it; whatever else meets one
    is refused.

    Attributes:
        length: number of items (int or SymInt).
        views: how items are made that the graph does not keep yet; None for a run that it keeps.
        shared: the classes, torch.Tensor among them, of which two items may hold one object;
            `object` stands for all.
        relied_on: the classes of which something was done since no two items share one.
        same_places: runs that have the same items at the same places, but for changes of items.
        places_relied_on: whether something was done since the places are the same.
        stale: why its items are out of date, if they are.
        location: the line that has made it.
        slices: runs that are slices of this one, and where they begin here.
        rest_of: a run of which this one is what is left after an item was taken out.
        gone: objects, and bases of tensors, that were taken out in earlier iterations of a loop.
        gone_relied_on: whether something was done since these are in no item.
    """

    def __init__(self, element: Pattern, columns: list[SequenceVal] | Views, length: Size) -> None:
        self._element = element
        self.length = length
        self._columns = columns if isinstance(columns, list) else None
        self.views = None if isinstance(columns, list) else columns
        self.shared: frozenset[type] = frozenset({object})
        self.relied_on: set[type] = set()
        self.same_places: list[Spread] = []
        self.places_relied_on = False
        self.stale: Poison | None = None
        self.location = user_location()
        self.slices: weakref.WeakKeyDictionary[Spread, Size] = weakref.WeakKeyDictionary()
        self.rest_of: Spread | None = None
        self.gone: list[Value] = []
        self.gone_relied_on = False
        self._made_of: list[Spread] = []
        self._makes: weakref.WeakSet[Spread] = weakref.WeakSet()

    @property
    def element(self) -> Pattern:
        """The pattern of an item."""
        return self._element

    @property
    def columns(self) -> list[SequenceVal]:
        """A sequence of the graph for each tensor or number in an item."""
        self.refuse_if_stale()
        if self.views is not None:
            return self.views.columns()
        assert self._columns is not None
        return self._columns

    def refuse_if_stale(self) -> None:
        """Refuses to read items that are out of date (see `Lending`)."""
        if self.stale is not None:
            raise self.stale.refuse()

    def made_of(self, other: Spread) -> None:
        """Notes that this run holds items of another one, which lives as long as this one.

        What may not change while the other one holds it may not while this one does.
        """
        if other is not self:
            self._made_of.append(other)
            other._makes.add(self)

    def copy(self) -> Spread:
        """The same items as another run, for what replaces this one."""
        columns = self._columns if self.views is None else self.views
        assert columns is not None
        return Spread(self.element, columns, self.length)

    def may_hold(self, kind: type) -> bool:
        """Whether an item may be, or have in it, an object of a class, or a tensor."""
        return self._element.holds(kind)

    def keeps_places_of(self, other: Spread) -> bool:
        """Whether each item is where it is in another run, though perhaps changed."""
        if self is other:
            return True
        before = self.same_places
        return bool(before) and all(run.keeps_places_of(other) for run in before)

    def wholes(self) -> Iterator[Spread]:
        """This run, what it is the rest of, what that one is the rest of, ..."""
        run: Spread | None = self
        while run is not None:
            yield run
            run = run.rest_of

    def rely_on_places(self, other: Spread | None = None) -> None:
        """Notes that `keeps_places_of` decides something, for what it goes back to.

        Args:
            other: the run that it was asked for; None for all.
        """
        if self is other:
            return
        self.places_relied_on = True
        for run in self.same_places:
            run.rely_on_places(other)

    def related(self) -> list[Spread]:
        """The runs that this one holds items of, and those that hold items of it."""
        return [*self._made_of, *self._makes]

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Value], types: Value, args: Value = (), kwargs: Value = None
    ) -> NoReturn:
        raise refuse_open(f"given to {getattr(func, '__name__', func)}")


def is_open(value: Value) -> TypeGuard[list[Value] | tuple[Value, ...] | deque[Value]]:
    """Whether a value is a list, tuple or deque whose length is known only at run time."""
    return isinstance(value, (list, tuple, deque)) and any(
        isinstance(item, Spread) for item in value
    )


def holds_open(value: Value) -> bool:
    """Whether a list of open length is among the items of a list or tuple, or of those in it."""
    if not isinstance(value, (list, tuple)):
        return False
    return is_open(value) or any(holds_open(item) for item in value)


def only_run(items: Iterable[Value]) -> Spread | None:
    """The run that is all that a list holds; None where it holds anything else."""
    parts = list(items)
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Spread) else None


def length_of(items: Iterable[Value]) -> Size:
    """The length of an open list."""
    total: Size = 0
    for item in items:
        total = total + (item.length if isinstance(item, Spread) else 1)
    return total


def closed_items(items: Iterable[Value]) -> list[Value]:
    """The items of a list that is not open.

    Raises:
        UnsupportedError: it is open.
    """
    if is_open(items):
        raise refuse_open("used where Python needs all its items at once")
    return list(items)


def refuse_open(what: str) -> UnsupportedError:
    """The refusal for a use that an open list does not support."""
    return UnsupportedError(
        f"a list whose length is known only when the model runs is {what}",
        code=Code.OPEN_LIST,
        location=user_location(),
        hint="loop over it, index it, or join it with torch.stack or torch.cat first",
    )
