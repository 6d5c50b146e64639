"""Lists whose length is known only when the model runs: what Python's own lists do.

An open list holds Spreads beside ordinary items. What concerns only the ordinary ones at its ends
happens in the Python list itself; for everything else the whole becomes one run of items first.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, cast

import torch

from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.conditionals import Conditionals
from fxexport.capture.operators.dynamic_iterables import Dynamic
from fxexport.capture.operators.staged_functions import (
    count_of,
    index_of,
    reversed_of,
    slice_of,
    spliced,
    stepped_slice_of,
)
from fxexport.capture.recording.types import Function, Size
from fxexport.capture.session.journal import ContainerSlot
from fxexport.capture.session.list_runs import (
    Spread,
    Views,
    is_open,
    length_of,
    only_run,
    refuse_open,
)
from fxexport.capture.session.loans import Loan
from fxexport.capture.session.session import Session, is_symbolic
from fxexport.capture.staging.lending import lent
from fxexport.capture.staging.list_elements import Elements
from fxexport.capture.staging.patterns import Parts, TensorOf
from fxexport.capture.staging.runs import every, single, things_in, with_item, without
from fxexport.capture.staging.sequence_items import item_of
from fxexport.capture.staging.sequence_nodes import join
from fxexport.capture.values.containers import objects_in, rebuild_like
from fxexport.capture.values.kinds import Mismatch
from fxexport.capture.values.maybe import Maybe, is_dynamic
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["OpenLists"]


# A list or deque, or for reading a tuple or ModuleList: what is done with each depends on which.
_Items: TypeAlias = Any


class OpenLists:
    """The operations on open lists, for the operators of one capture.

    Args:
        session: the capture.
        conditionals: stage a choice between indices.
        calls: call the functions that are written in Python.
    """

    def __init__(self, session: Session, conditionals: Conditionals, calls: Calls) -> None:
        self._session = session
        self._conditionals = conditionals
        self._calls = calls
        self._methods: dict[str, Function] = {
            "__getitem__": self.get,
            "insert": self.insert,
            "pop": self.pop,
            "popleft": lambda items: self.pop(items, 0),
            "reverse": lambda items: self._assign(items, self._python(reversed_of, items)),
            "index": lambda items, item: self._python(index_of, items, item),
            "count": lambda items, item: self._python(count_of, items, item),
            "remove": lambda items, item: self.pop(items, self._python(index_of, items, item)),
        }
        # Functions that join the tensors of a list, and whether they stack them.
        self._joins = {
            torch.stack: True,
            torch.cat: False,
            torch.concat: False,
            torch.concatenate: False,
        }

    def method(self, name: str, items: object) -> Function | None:
        """What a method of an open list becomes; None where Python's own does."""
        if name in ("append", "clear", "copy", "appendleft", "__len__"):
            return None
        own = self._methods.get(name)
        if own is None:
            raise refuse_open(f"used with {name}()")
        return lambda *args: own(items, *args)

    # -- reading ---------------------------------------------------------------------------------

    def dynamic(self, items: Sequence[Any]) -> Dynamic:
        """The list as something to loop over; the loop sees its items as they are now."""
        spread = self._to_read(items)
        found = list(items)

        def item(k: Size) -> object:
            # In the loop, items may be changed where they are, which leaves another run.
            same = len(items) == len(found) and all(map(operator.is_, items, found))
            return self._lent(items, spread if same else self._to_read(items), k)

        return Dynamic(
            spread.length,
            item,
            "a list",
            [items],
            views=spread.views,
        )

    def get(self, items: _Items, key: Size | slice) -> object:
        """``items[key]``."""
        if isinstance(key, slice):
            return self._slice(items, key)
        position = _position(items, key)
        if position is not None:
            return items[position]
        self._inside(items, key)
        spread = self._to_read(items)
        if spread.views is not None:
            key = self.from_start(key, spread.length)
        return self._lent(items, spread, key)

    def _lent(self, items: _Items, run: Spread, key: Size) -> object:
        """An item of a list, which may be changed where it is."""
        return lent(self._session, items, run, key, self.from_start)

    def _slice(self, items: _Items, key: slice) -> object:
        if key == slice(None):
            return self._session.journal.made(items[:])
        if not is_dynamic(key.step) and key == slice(None, None, -1):
            return self._of_type(items, self._python(reversed_of, items))
        if is_dynamic(key.step):
            self.take_for_granted(key.step > 0, "the step of a slice is above 0")
        if is_dynamic(key.step) or key.step not in (None, 1):
            bounds = key.start, key.stop, key.step
            return self._of_type(items, self._python(stepped_slice_of, items, *bounds))
        plain = self._plain_slice(items, key) if is_open(items) else None
        if plain is not None:
            return self._session.journal.made(plain)
        made = self._python(slice_of, items, key.start, key.stop)
        self._note_slice(items, made, key.start)
        return self._of_type(items, made)

    def _note_slice(self, items: _Items, made: list[object], start: Size | None) -> None:
        """Says which run a slice is cut out of, where it is known at which index."""
        whole, part = only_run(items), only_run(made)
        first = 0 if start is None else start
        if whole is not None and part is not None and not is_symbolic(first) and first >= 0:
            whole.slices[part] = first

    def _plain_slice(self, items: _Items, key: slice) -> object:
        """A slice whose bounds lie among the ordinary items at the ends."""
        bounds = self._plain_bounds(items, key)
        return None if bounds is None else items[slice(*bounds)]

    def _plain_bounds(self, items: _Items, key: slice) -> list[int] | None:
        """Where a slice begins and ends in the Python list, if no run lies between an end and it.

        A bound that the list may be too short for is none of these.
        """
        bounds = []
        for bound, whole in ((key.start, 0), (key.stop, len(items))):
            position = whole if bound is None else _position(items, bound)
            if position is None:
                return None
            bounds.append(position)
        return bounds

    def _of_type(self, items: _Items, made: list[object]) -> object:
        return tuple(made) if isinstance(items, tuple) else made

    def join(
        self, function: Function, items: _Items, dim: int = 0, *, out: object = None
    ) -> object:
        """``torch.stack`` and ``torch.cat`` of an open list."""
        stacked = self._joins[function]
        try:
            leaf = Elements(self._session, mixed=False).element_of(list(items))
        except Mismatch as reason:
            raise refuse_open(f"joined, and {reason}") from None
        if isinstance(leaf, Parts) and isinstance(leaf.like, Maybe) and leaf.like.absent is None:
            items = [self._all_there(items)]
            leaf = items[0].element
        if not isinstance(leaf, TensorOf) or out is not None:
            raise refuse_open("joined, and its items are no tensors" if out is None else "out=")
        self.not_empty(items, f"torch.{function.__name__}", "RuntimeError")
        rank = len(leaf.dims) + stacked
        if not -rank <= dim < rank:
            raise IndexError(f"Dimension out of range (got {dim}, and there are {rank})")
        return join(self._session, list(items), dim % rank, stacked, leaf)

    def _all_there(self, items: _Items) -> Spread:
        """A run of the values of items that may be None, none of which is."""
        run = self.single(items)
        assert isinstance(run.element, Parts)
        flags, *values = run.columns
        there = every(self._session, flags, run.length)
        self.take_for_granted(there, "no item of the list is None", "TypeError")
        return Spread(run.element.items[1], values, run.length)

    def joins(self, function: object) -> bool:
        """Whether a function joins the tensors of a list."""
        return function in self._joins

    def closed(self, items: _Items) -> object:
        """A list with its items one by one; anything else as it is.

        Raises:
            UnsupportedError: the number of items is known only when the model runs.
        """
        if not is_open(items):
            return items
        if is_symbolic(length_of(items)):
            raise refuse_open("given to a function that needs its items one by one")
        out: list[object] = []
        for item in items:
            if not isinstance(item, Spread):
                out.append(item)
                continue
            out.extend(item_of(self._session, item, k) for k in range(item.length))
        return rebuild_like(items, out)

    # -- writing ---------------------------------------------------------------------------------

    def set(self, items: _Items, key: Size | slice, value: object) -> None:
        """``items[key] = value``."""
        if isinstance(key, slice):
            self._splice(items, key, value)
            return
        position = _position(items, key)
        if position is not None:
            items[position] = value
            return
        if self._session.is_lent(value, items, key):
            return  # what `items[key] += …` stores has been written where it is
        self._inside(items, key)
        spread = self.single(items)
        index = self.from_start(key, spread.length)
        self._put(items, self._with_item(without(self._session, spread, index), value, index))

    def delete(self, items: _Items, key: Size | slice) -> None:
        """``del items[key]``."""
        if isinstance(key, slice):
            self._splice(items, key, [])
        else:
            self.pop(items, key)

    def _splice(self, items: _Items, key: slice, values: object) -> None:
        """``items[start:stop] = values``."""
        if is_dynamic(key.step) or key.step not in (None, 1):
            raise refuse_open("changed at a slice with a step")
        bounds = self._plain_bounds(items, key)
        if bounds is not None and isinstance(values, list):
            items[slice(*bounds)] = values
            return
        self._assign(items, self._python(spliced, items, key.start, key.stop, values))

    def pop(self, items: _Items, key: Size = -1) -> object:
        """``items.pop(key)``."""
        position = _position(items, key)
        if position is not None:
            value = items[position]
            del items[position]
            return value
        self._inside(items, key)
        spread = self.single(items)
        value = item_of(self._session, spread, key)
        shorter = without(self._session, spread, key)
        things = things_in(self._session, value)
        loan = Loan(None, [], spread, key, value, things, lambda: shorter, left=shorter)
        self._session.lend(loan)
        self._put(items, shorter)
        return value

    def insert(self, items: _Items, key: Size, value: object) -> None:
        """``items.insert(key, value)``; a key outside means the nearest end, as in Python."""
        if isinstance(key, int) and key == 0:
            items.insert(0, value)
            return
        spread = self.single(items)
        index = self.from_start(key, spread.length)
        index = torch.sym_max(0, torch.sym_min(index, spread.length))
        self._put(items, self._with_item(spread, value, index))

    # -- inside ----------------------------------------------------------------------------------

    def single(self, items: Iterable[object]) -> Spread:
        """The list as one run of items, written into the present frame."""
        try:
            return single(self._session, items)
        except Mismatch as reason:
            raise _differing(reason) from None

    def _with_item(self, run: Spread, value: object, index: Size) -> Spread:
        """A run with one more item before an index."""
        try:
            return with_item(self._session, run, value, index)
        except Mismatch as reason:
            raise _differing(reason) from None

    def _to_read(self, items: Iterable[object]) -> Spread:
        """The list as one run of items, which stay views of a tensor where they are."""
        parts = list(items)
        if len(parts) == 1 and isinstance(parts[0], Spread):
            return parts[0]
        run = self.single(parts)
        objects = (one for part in parts for one in objects_in(part))
        if isinstance(items, (list, deque)) and next(objects, None) is not None:
            # From here on, the run's objects are those of the list.
            self._session.journal.touch(ContainerSlot(items))
            self._put(items, run)
        return run

    def _put(self, items: _Items, spread: Spread) -> None:
        items.clear()
        items.append(spread)

    def _assign(self, items: _Items, values: list[object]) -> None:
        items[:] = values

    def _python(self, function: object, *args: object) -> Any:
        return self._calls.call(function)(*args)

    def from_start(self, key: Size, length: Size) -> Size:
        """An index that may count from the end, as one that counts from the start."""
        if not is_symbolic(key):
            return key + length if key < 0 else key
        negative = self._session.known(key < 0)
        if negative is None:
            index = self._conditionals.if_exp(key < 0, lambda: key + length, lambda: key)
            return cast("Size", index)
        return key + length if negative else key

    def _inside(self, items: Iterable[object], key: Size) -> None:
        length = length_of(items)
        if not is_symbolic(key) and not is_symbolic(length) and not -length <= key < length:
            raise IndexError("list index out of range")
        views = _views(items)
        conditions: list[bool | torch.SymBool] = [key < length, key >= -length]
        if views is not None and isinstance(key, int):
            conditions = [views.has(key if key >= 0 else -key - 1)]
        for condition in conditions:
            self.take_for_granted(condition, "this index is inside the list", "IndexError")

    def not_empty(self, items: Iterable[object], what: str, error: str = "") -> None:
        """Assumes that a list has an item."""
        if not is_symbolic(length_of(items)):
            return
        views = _views(items)
        some = length_of(items) > 0 if views is None else views.has(0)
        self.take_for_granted(some, f"{what} gets a list that is not empty", error)

    def take_for_granted(self, condition: bool | torch.SymBool, text: str, error: str = "") -> None:
        """Assumes a condition without which Python raises; the file raises as well."""
        known = self._session.known(condition)
        if known is False:
            raise IndexError(f"never true in the declared ranges: {text}")
        if known is None:
            self._session.take_for_granted(condition, text, error)


def _differing(reason: Mismatch) -> UnsupportedError:
    return UnsupportedError(
        f"the items of a list of varying length differ: {reason}",
        code=Code.ITEMS_DIFFER,
        location=user_location(),
        hint="keep values of one kind, dtype and rank in it",
    )


def _views(items: Iterable[object]) -> Views | None:
    """The items of a list all of which are views of one tensor."""
    parts = list(items)
    return parts[0].views if len(parts) == 1 and isinstance(parts[0], Spread) else None


def _position(items: _Items, key: Size) -> int | None:
    """The position in the Python list of an item that no run stands before (or after)."""
    if not isinstance(key, int):
        return None
    spreads = [k for k, item in enumerate(items) if isinstance(item, Spread)]
    if not spreads:
        return key
    if 0 <= key < spreads[0]:
        return key
    if key < 0 and len(items) + key > spreads[-1]:
        return len(items) + key
    return None
