"""What stands in a Python list for items whose number is known only when the model runs."""

from __future__ import annotations

from collections import deque
from typing import Any

from fxexport.capture.frames import user_location
from fxexport.errors import UnsupportedError
from fxexport.graph.sequences import SequenceVal

__all__ = ["Spread", "closed_items", "is_open", "length_of", "refuse_open"]


class Spread:
    """A run of items in a list, tuple or deque.

    The container stays a Python object with its identity; ``[a, <Spread>, b]`` is a list of
    `length` + 2 items. Only the operators of this package understand it; whatever else meets one
    is refused.

    Attributes:
        element: the pattern of an item.
        columns: a sequence of the graph for each tensor or number in an item.
        length: number of items (int or SymInt).
    """

    def __init__(self, element: Any, columns: list[SequenceVal], length: Any) -> None:
        self.element = element
        self.columns = columns
        self.length = length

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise refuse_open(f"given to {getattr(func, '__name__', func)}")


def is_open(value: Any) -> bool:
    """Whether a value is a list, tuple or deque whose length is known only at run time."""
    return isinstance(value, (list, tuple, deque)) and any(type(item) is Spread for item in value)


def length_of(items: Any) -> Any:
    """The length of an open list (int or SymInt)."""
    total: Any = 0
    for item in items:
        total = total + (item.length if type(item) is Spread else 1)
    return total


def closed_items(items: Any) -> list[Any]:
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
        location=user_location(),
        hint="loop over it, index it, or join it with torch.stack or torch.cat first",
    )
