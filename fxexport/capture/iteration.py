"""Things to iterate over whose length is known only when the model runs."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from fxexport.capture.frames import user_location
from fxexport.errors import UnsupportedError

__all__ = [
    "Dynamic",
    "dynamic_enumerate",
    "dynamic_map",
    "dynamic_range",
    "dynamic_reversed",
    "dynamic_zip",
    "rows",
]


class Dynamic:
    """A sequence of dynamic length: its length and a way to its k-th item.

    Attributes:
        length: number of items (SymInt).
        item: gives the item at an index from 0 to length - 1.
        lists: the Python lists whose items these are, or are made of.
        once: whether Python would have an iterator here, which is used up by one loop.
        used: whether it has been; known only at run time after a branch, hence no plain bool.
    """

    def __init__(
        self,
        length: Any,
        item: Callable[[Any], Any],
        text: str,
        lists: Iterable[Any] = (),
        once: bool = False,
    ) -> None:
        self.length = length
        self.item = item
        self.text = text
        self.lists = tuple(lists)
        self.once = once
        self.used: Any = False
        self._found = [list(items) for items in self.lists]

    def refuse_if_gone(self) -> None:
        """To be called before it is looped over.

        Raises:
            UnsupportedError: Python would find other items, or none.
        """
        if self.used is not False:
            raise UnsupportedError(
                f"{self.text} may have been gone through before this line; then nothing is left "
                "in it",
                location=user_location(),
                hint="make it anew for each loop",
            )
        for items, found in zip(self.lists, self._found, strict=True):
            if len(items) != len(found) or any(map(operator.is_not, items, found)):
                raise UnsupportedError(
                    f"a list changes between {self.text} over it and the loop over that",
                    location=user_location(),
                    hint="make it in the line of the loop",
                )

    def __iter__(self) -> Iterator[Any]:
        raise UnsupportedError(
            f"{self.text} has a length that is known only when the model runs, and it is used "
            "where Python needs all its items at once",
            location=user_location(),
            hint="use a for statement over it, or make that dimension static",
        )


def dynamic_range(*args: Any) -> Any:
    """`range` whose bounds may be symbolic."""
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    if not any(isinstance(arg, torch.SymInt) for arg in (start, stop, step)):
        return range(start, stop, step)
    if isinstance(step, torch.SymInt):
        raise UnsupportedError(
            "range() with a step that is known only when the model runs",
            location=user_location(),
            hint="use a while loop",
        )
    if step == 0:
        raise ValueError("range() arg 3 must not be zero")
    span = stop - start if step > 0 else start - stop
    length = torch.sym_max(0, (span + (abs(step) - 1)) // abs(step))
    return Dynamic(length, lambda k: start + k * step, "range(...)")


def rows(tensor: torch.Tensor) -> Any:
    """The rows of a tensor along its first dimension."""
    if tensor.dim() == 0:
        raise TypeError("iteration over a 0-d tensor")
    length = tensor.shape[0]
    if isinstance(length, torch.SymInt):
        return Dynamic(length, lambda k: tensor.select(0, k), "a tensor")
    return tensor.unbind(0)


def _as_dynamic(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return rows(value)
    return value


def _length(value: Any) -> Any:
    return value.length if isinstance(value, Dynamic) else len(value)


def _item(value: Any, k: Any) -> Any:
    if isinstance(value, Dynamic):
        return value.item(k)
    return value.start + k * value.step


def dynamic_enumerate(iterable: Any, start: Any = 0) -> Any:
    """`enumerate` over anything."""
    source = _as_dynamic(iterable)
    if isinstance(source, Dynamic):
        return Dynamic(
            source.length,
            lambda k: (k + start, source.item(k)),
            "enumerate(...)",
            source.lists,
            once=True,
        )
    if isinstance(start, torch.SymInt):
        return ((start + k, item) for k, item in enumerate(source))
    return enumerate(source, start)


def dynamic_zip(*iterables: Any, strict: bool = False) -> Any:
    """`zip` over anything; with a dynamic part, the others must be sequences."""
    sources = [_as_dynamic(iterable) for iterable in iterables]
    if not any(isinstance(source, Dynamic) for source in sources):
        return zip(*sources, strict=strict)
    lists = [one for source in sources for one in _lists_of(source)]
    sources = [s if isinstance(s, (Dynamic, range)) else _stacked(list(s)) for s in sources]
    length: Any = None
    for source in sources:
        here = _length(source)
        length = here if length is None else torch.sym_min(length, here)
    return Dynamic(
        length, lambda k: tuple(_item(s, k) for s in sources), "zip(...)", lists, once=True
    )


def _lists_of(source: Any) -> tuple[Any, ...]:
    if isinstance(source, Dynamic):
        return source.lists
    return (source,) if isinstance(source, list) else ()


def _stacked(items: list[Any]) -> Any:
    """A Python list that is read at a dynamic index: its items must stack."""
    if items and all(isinstance(item, torch.Tensor) for item in items):
        stacked = torch.stack(items)
        return Dynamic(len(items), lambda k: stacked.select(0, k), "a list")
    if items and all(
        isinstance(item, (int, float)) and type(item) is type(items[0]) for item in items
    ):
        table = torch.tensor(items, dtype=torch.float64 if isinstance(items[0], float) else None)
        return Dynamic(len(items), lambda k: table.select(0, k).item(), "a list")
    raise UnsupportedError(
        "zip() of something of dynamic length with a list whose items cannot be stacked",
        location=user_location(),
        hint="loop over an index and take the items from tensors",
    )


def dynamic_reversed(iterable: Any) -> Any:
    """`reversed` over anything."""
    source = _as_dynamic(iterable)
    if isinstance(source, Dynamic):
        last = source.length - 1
        return Dynamic(
            source.length, lambda k: source.item(last - k), "reversed(...)", source.lists, once=True
        )
    return reversed(source)


def dynamic_map(function: Callable[..., Any], *iterables: Any) -> Any:
    """`map` over anything; `function` is converted already."""
    sources = [_as_dynamic(iterable) for iterable in iterables]
    if any(isinstance(source, Dynamic) for source in sources):
        zipped = dynamic_zip(*sources)
        return Dynamic(
            zipped.length, lambda k: function(*zipped.item(k)), "map(...)", zipped.lists, once=True
        )
    return itertools.starmap(function, zip(*sources, strict=False))
