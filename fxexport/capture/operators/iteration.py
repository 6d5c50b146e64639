"""What iterating, unpacking and starring become in rewritten code."""

from __future__ import annotations

from collections import UserList, deque
from collections.abc import Callable, Iterator, Sequence
from types import MethodType
from typing import Any

import torch

from fxexport.capture.operators import staged_functions
from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.dynamic_iterables import Dynamic, Filtered, Generated, rows
from fxexport.capture.operators.open_lists import OpenLists
from fxexport.capture.operators.special_methods import special_method
from fxexport.capture.operators.variables import whole
from fxexport.capture.recording.types import Function
from fxexport.capture.session.journal import AttributeSlot
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.session import Poison, Session, is_symbolic
from fxexport.capture.staging.alternatives import (
    each_alternative,
    for_each,
    is_one_of_several,
)
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.maybe import narrowed
from fxexport.capture.values.uncertain_keys import with_and_without
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_raised
from fxexport.source.frames import user_location

__all__ = ["Iteration", "is_staged"]


def is_staged(source: object) -> bool:
    """Whether a loop over this source has a trip count that is known only at run time."""
    return isinstance(source, Dynamic) and is_symbolic(source.length)


def _always(item: object) -> bool:
    return True


class Iteration:
    """The operators that iterate over something.

    A *source* is what an iterable is looped over as: a `Dynamic`, or something that Python can
    loop over.
    """

    def __init__(
        self,
        session: Session,
        calls: Calls,
        lists: OpenLists,
        truth: Callable[[object], bool],
    ) -> None:
        """`truth` decides a condition where both paths cannot be kept."""
        self._session = session
        self._truth = truth
        self._calls = calls
        self._lists = lists

    def source_of(self, iterable: object) -> Any:
        """The source of an iterable.

        Raises:
            UnsupportedError: it has no single value here.
        """
        there = narrowed(iterable)
        if not isinstance(there, Generated) or not there.is_new:
            there = whole(self._session, iterable)
        if isinstance(there, Poison):
            raise there.refuse()
        if isinstance(there, Choice):
            raise UnsupportedError(
                "what is gone through here is one of several values, which one is known only when "
                "the model runs",
                code=Code.ONE_OF_SEVERAL,
                location=user_location(),
                hint="write it as a for loop",
            )
        if isinstance(there, torch.Tensor):
            return rows(there)
        if isinstance(there, UserList) and type(there).__iter__ is Sequence.__iter__:
            return self.source_of(there.data)
        if isinstance(there, Generated):
            return there
        own = special_method(there, "__iter__")
        # That of a Sequence counts up until an index is outside, which a list may not tell here.
        if own is not None and own.__func__ is not Sequence.__iter__:
            there = whole(self._session, self._calls.call(own)())
            if isinstance(there, (Dynamic, torch.Tensor)):
                raise TypeError(f"iter() returned non-iterator of type '{type(there).__name__}'")
        own = special_method(there, "__next__")
        if own is not None:
            return self._called(own)
        return self._lists.dynamic(there) if is_open(there) else there

    def _called(self, own: MethodType) -> Iterator[Any]:
        """The items of an iterator of the program's own class."""
        while True:
            try:
                with self._session.tries.catching(StopIteration):
                    item = self._calls.call(own)()
            except StopIteration:
                return
            yield item

    def consumed(self, source: object) -> Any:
        """A source that is iterated over from here on; an iterator is used up by that."""
        if isinstance(source, (Dynamic, Filtered)):
            source.refuse_if_stale()
            if source.once:
                self._session.journal.touch(AttributeSlot(source, "used"))
                source.used = True
        return source

    @for_each(0, goes_through=True)
    def generator(
        self, iterable: object, element: Function, several: bool, test: Function | None = None
    ) -> Any:
        """A generator expression over one iterable; `test` tells which items it is about."""
        source = self.source_of(iterable)
        make = (lambda item: element(*self.iterate(item))) if several else element
        if test is not None or isinstance(source, (Filtered, Generated)):
            asks = (lambda item: test(*self.iterate(item))) if several and test else test
            lazy = isinstance(source, (Dynamic, Filtered, Generated))
            items = source if lazy else iter(source)
            return Filtered(asks or _always, self.consumed(items), self._truth, make)
        if isinstance(source, Dynamic):
            self.consumed(source)
            made = Dynamic(
                source.length,
                lambda k: make(source.item(k)),
                "a generator",
                source.lists,
                once=True,
                computed=True,
            )
            return self._session.journal.made(made)
        return (make(item) for item in source)

    @for_each(0, goes_through=True)
    def pour(self, iterable: object, add: Function) -> None:
        """Gives the items to a method of a list one by one, each before the next one is made.

        What makes an item may look at those before it (``y.extend(y[-1] * 2 for _ in range(3))``).
        Of a list, Python takes the items that are there at the start.
        """
        if not isinstance(iterable, Generated):
            iterable = whole(self._session, iterable)
        source = self.source_of(iterable)
        if (is_staged(source) and source.computed) or isinstance(source, (Filtered, Generated)):
            self._calls.call(staged_functions.poured)(source, add)
            return
        snapshot = is_staged(source) or isinstance(iterable, (list, tuple, deque))
        for item in self.listed(iterable) if snapshot else self.iterate(source):
            self._calls.call(add)(item)

    def iterate(self, iterable: object) -> Any:
        """What Python iterates over by itself."""
        source = self.source_of(iterable)
        if isinstance(source, Dynamic) and not is_symbolic(source.length):
            self.consumed(source)
            return (source.item(k) for k in range(source.length))
        return iter(whole(self._session, source) if isinstance(source, Generated) else source)

    def unpack(self, value: object, before: int, after: int | None = None) -> Any:
        """The right side of an unpacking.

        Args:
            value: what is unpacked.
            before: number of names, before a starred one if there is one.
            after: number of names after the starred one; None if there is none.
        """
        value = with_and_without(self._session, value)
        if is_one_of_several(value):
            parts: Any = each_alternative(
                self._session, value, lambda one: self._taken_apart(one, before, after)
            )
            middle = [] if after is None else parts[before]
            return [*parts[:before], *middle, *parts[before + (after is not None) :]]
        value = whole(self._session, value)
        if isinstance(value, (list, tuple)) and not is_open(value):
            return value
        source = self.source_of(value)
        if not is_staged(source):
            return self.iterate(source) if isinstance(source, (Dynamic, tuple)) else value
        self.consumed(source)
        least = before + (after or 0)
        length = source.length
        fits = source.are(least) if after is None else source.has(least)
        self._lists.take_for_granted(fits, f"there are {least} to unpack", "ValueError")
        if after is None:
            return [source.item(k) for k in range(before)]
        rest = self._calls.call(staged_functions.slice_of)(value, before, length - after)
        tail = [source.item(length - after + k) for k in range(after)]
        return [*(source.item(k) for k in range(before)), *rest, *tail]

    def _taken_apart(self, value: object, before: int, after: int | None) -> list[Any]:
        """A value for each name of an unpacking; a starred one gets a list."""
        items = list(self.unpack(value, before, after))
        # A run of items is behind all others, or in the starred part.
        count = before + (after or 0)
        made = self._session.journal.made
        if len(items) < count or (after is None and len(items) > count):
            raise note_raised(ValueError(f"{len(items)} values to unpack, expected {count}"))
        if after is None:
            return made(items)
        end = len(items) - after
        return made([*items[:before], made(items[before:end]), *items[end:]])

    @for_each(0, goes_through=True)
    def listed(self, iterable: object) -> list[Any]:
        """``list(iterable)``, or ``*iterable``; what has a dynamic length becomes an open list."""
        if not isinstance(iterable, Generated):
            iterable = whole(self._session, iterable)
        source = rows(iterable) if isinstance(iterable, torch.Tensor) else iterable
        if is_staged(source) or isinstance(source, (Filtered, Generated)):
            made: list[Any] = self._calls.call(staged_functions.collected)(source)
            return made
        if isinstance(source, (list, tuple, deque)):
            return list(source)
        return list(self.iterate(source))
