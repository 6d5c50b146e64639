"""Lists whose length is known only when the model runs: what Python's own lists do.

An open list holds Spreads beside ordinary items. What concerns only the ordinary ones at its ends
happens in the Python list itself; for everything else the whole becomes one run of items first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from fxexport.capture import prelude
from fxexport.capture.containers import rebuild_like
from fxexport.capture.elements import item_of, join, single, with_item, without
from fxexport.capture.frames import user_location
from fxexport.capture.iteration import Dynamic
from fxexport.capture.kinds import Mismatch
from fxexport.capture.patterns import DTYPE_OF, Number, TensorOf
from fxexport.capture.session import is_dynamic, is_symbolic
from fxexport.capture.spread import Spread, is_open, length_of, refuse_open
from fxexport.capture.widening import Widening
from fxexport.errors import UnsupportedError

if TYPE_CHECKING:
    from fxexport.capture.operators import Operators

__all__ = ["OpenLists"]


class OpenLists:
    """The operations on open lists, for the operators of one capture."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators
        self._session = operators.session
        self._methods: dict[str, Callable[..., Any]] = {
            "insert": self.insert,
            "pop": self.pop,
            "popleft": lambda items: self.pop(items, 0),
            "reverse": lambda items: self._assign(items, self._python(prelude.reversed_of, items)),
            "index": lambda items, item: self._python(prelude.index_of, items, item),
            "count": lambda items, item: self._python(prelude.count_of, items, item),
            "remove": lambda items, item: self.pop(
                items, self._python(prelude.index_of, items, item)
            ),
        }
        # Functions that join the tensors of a list, and whether they stack them.
        self._joins = {
            torch.stack: True,
            torch.cat: False,
            torch.concat: False,
            torch.concatenate: False,
        }

    def method(self, name: str, items: Any) -> Callable[..., Any] | None:
        """What a method of an open list becomes; None where Python's own does."""
        if name in ("append", "clear", "copy", "appendleft", "__len__"):
            return None
        if name in ("extend", "__iadd__"):
            return lambda more: items.extend(self._operators.listed(more))
        own = self._methods.get(name)
        if own is None:
            raise refuse_open(f"used with {name}()")
        return lambda *args: own(items, *args)

    # -- reading ---------------------------------------------------------------------------------

    def dynamic(self, items: Any) -> Dynamic:
        """The list as something to loop over; the loop sees its items as they are now."""
        spread = self.single(items)
        return Dynamic(
            spread.length, lambda k: item_of(self._session, spread, k), "a list", [items]
        )

    def get(self, items: Any, key: Any) -> Any:
        """``items[key]``."""
        if isinstance(key, slice):
            return self._slice(items, key)
        place = _place(items, key)
        if place is not None:
            return items[place]
        self._inside(items, key)
        return item_of(self._session, self.single(items), key)

    def _slice(self, items: Any, key: slice) -> Any:
        if key == slice(None):
            return self._operators.fresh(items[:])
        if key == slice(None, None, -1):
            return self._of_type(items, self._python(prelude.reversed_of, items))
        if is_dynamic(key.step):
            raise refuse_open("sliced with a step that is known only then as well")
        if key.step not in (None, 1):
            bounds = key.start, key.stop, key.step
            return self._of_type(items, self._python(prelude.stepped_slice_of, items, *bounds))
        plain = self._plain_slice(items, key) if is_open(items) else None
        if plain is not None:
            return self._operators.fresh(plain)
        return self._of_type(items, self._python(prelude.slice_of, items, key.start, key.stop))

    def _plain_slice(self, items: Any, key: slice) -> Any:
        """A slice whose bounds lie among the ordinary items at the ends."""
        bounds = []
        for bound, whole in ((key.start, 0), (key.stop, len(items))):
            place = whole if bound is None else _place(items, bound)
            if place is None:
                return None
            bounds.append(place)
        return items[bounds[0] : bounds[1]]

    def _of_type(self, items: Any, made: Any) -> Any:
        return tuple(made) if isinstance(items, tuple) else made

    def join(self, function: Any, items: Any, dim: Any = 0, *, out: Any = None) -> Any:
        """``torch.stack`` and ``torch.cat`` of an open list."""
        stacked = self._joins[function]
        try:
            leaf = Widening(self._session).element_of(list(items))
        except Mismatch as reason:
            raise refuse_open(f"joined, and {reason}") from None
        if not isinstance(leaf, TensorOf) or out is not None:
            raise refuse_open("joined, and its items are no tensors" if out is None else "out=")
        self._not_empty(items, f"torch.{function.__name__}")
        rank = len(leaf.dims) + stacked
        if not -rank <= dim < rank:
            raise IndexError(f"Dimension out of range (got {dim}, and there are {rank})")
        return join(self._session, list(items), dim % rank, stacked, leaf)

    def tensor(self, items: Any, dtype: Any = None, device: Any = None) -> Any:
        """``torch.tensor`` of an open list of numbers."""
        spread = self.single(items)
        kind = spread.element.kind if isinstance(spread.element, Number) else None
        if kind is None:
            raise refuse_open("made a tensor, and its items are no numbers")
        if dtype is None:
            # PyTorch gives float32 for an empty list, whatever its items would have been.
            if kind is not float:
                self._not_empty(items, "torch.tensor")
            dtype = torch.get_default_dtype() if kind is float else DTYPE_OF[kind]
        # With one item more there is something to join even where the list is empty.
        start = torch.zeros((), dtype=DTYPE_OF[kind])
        leaf = TensorOf(DTYPE_OF[kind], ())
        return join(self._session, [start, spread], 0, True, leaf)[1:].to(dtype)

    def joins(self, function: Any) -> bool:
        """Whether a function joins the tensors of a list."""
        return function in self._joins

    def closed(self, items: Any) -> Any:
        """A list with its items one by one; anything else as it is.

        Raises:
            UnsupportedError: the number of items is known only when the model runs.
        """
        if not is_open(items):
            return items
        if is_symbolic(length_of(items)):
            raise refuse_open("given to a function that needs its items one by one")
        out: list[Any] = []
        for item in items:
            if not isinstance(item, Spread):
                out.append(item)
                continue
            out.extend(item_of(self._session, item, k) for k in range(item.length))
        return rebuild_like(items, out)

    # -- writing ---------------------------------------------------------------------------------

    def set(self, items: Any, key: Any, value: Any) -> None:
        """``items[key] = value``."""
        if isinstance(key, slice):
            raise refuse_open("assigned to by a slice")
        place = _place(items, key)
        if place is not None:
            items[place] = value
            return
        self._inside(items, key)
        spread = self.single(items)
        index = self.from_start(key, spread.length)
        self._put(
            items, with_item(self._session, without(self._session, spread, index), value, index)
        )

    def delete(self, items: Any, key: Any) -> None:
        """``del items[key]``."""
        if isinstance(key, slice):
            raise refuse_open("shortened by del with a slice")
        self.pop(items, key)

    def pop(self, items: Any, key: Any = -1) -> Any:
        """``items.pop(key)``."""
        place = _place(items, key)
        if place is not None:
            value = items[place]
            del items[place]
            return value
        self._inside(items, key)
        spread = self.single(items)
        value = item_of(self._session, spread, key)
        self._put(items, without(self._session, spread, key))
        return value

    def insert(self, items: Any, key: Any, value: Any) -> None:
        """``items.insert(key, value)``; a key outside means the nearest end, as in Python."""
        if isinstance(key, int) and key == 0:
            items.insert(0, value)
            return
        spread = self.single(items)
        index = self.from_start(key, spread.length)
        index = torch.sym_max(0, torch.sym_min(index, spread.length))
        self._put(items, with_item(self._session, spread, value, index))

    # -- inside ----------------------------------------------------------------------------------

    def single(self, items: Any) -> Spread:
        """The list as one run of items, written into the present frame."""
        try:
            return single(self._session, items)
        except Mismatch as reason:
            raise UnsupportedError(
                f"the items of a list of varying length differ: {reason}",
                location=user_location(),
                hint="keep values of one kind, dtype and rank in it",
            ) from None

    def _put(self, items: Any, spread: Spread) -> None:
        items.clear()
        items.append(spread)

    def _assign(self, items: Any, values: list[Any]) -> None:
        items[:] = values

    def _python(self, function: Any, *args: Any) -> Any:
        return self._operators.call(function)(*args)

    def from_start(self, key: Any, length: Any) -> Any:
        """An index that may count from the end, as one that counts from the start."""
        if not is_symbolic(key):
            return key + length if key < 0 else key
        negative = self._session.known(key < 0)
        if negative is None:
            return self._operators.if_exp(key < 0, lambda: key + length, lambda: key, ())
        return key + length if negative else key

    def _inside(self, items: Any, key: Any) -> None:
        length = length_of(items)
        if not is_symbolic(key) and not is_symbolic(length) and not -length <= key < length:
            raise IndexError("list index out of range")
        for condition in (key < length, key >= -length):
            self.take_for_granted(condition, "this index is inside the list")

    def _not_empty(self, items: Any, what: str) -> None:
        if not is_symbolic(length_of(items)):
            return
        self.take_for_granted(length_of(items) > 0, f"{what} gets a list that is not empty")

    def take_for_granted(self, condition: Any, text: str) -> None:
        """Python raises otherwise, so that the file need not care."""
        session = self._session
        known = session.known(condition)
        if known is False:
            raise IndexError(f"never true in the declared ranges: {text}")
        if known is None:
            session.env.assume(condition, text)
            session.note("assumption", text)
            session.require(condition)


def _place(items: Any, key: Any) -> int | None:
    """The position in the Python list of an item that no run stands before (or after)."""
    if not isinstance(key, int):
        return None
    spreads = [k for k, item in enumerate(items) if isinstance(item, Spread)]
    if 0 <= key < spreads[0]:
        return key
    if key < 0 and len(items) + key > spreads[-1]:
        return len(items) + key
    return None
