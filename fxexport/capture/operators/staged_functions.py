"""Python's reductions written in Python, for iterables of dynamic length.

These functions are rewritten like the user's own, so their loops and early returns are staged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

__all__ = [
    "all_of",
    "any_of",
    "collected",
    "column_of",
    "contains",
    "count_of",
    "dropped_while",
    "first_of",
    "first_or",
    "index_of",
    "kept",
    "made",
    "max_of",
    "min_of",
    "numbered",
    "poured",
    "product_of",
    "reduced",
    "reduced_from_first",
    "repeated",
    "reversed_of",
    "slice_of",
    "stepped_slice_of",
    "sum_of",
    "taken_while",
]

# The converter rewrites the functions of this module.
READ_BY_CAPTURE = True

_Item = TypeVar("_Item")


def any_of(items: Iterable[object]) -> bool:
    """``any(items)``."""
    for item in items:  # noqa: SIM110 - any() comes here
        if item:
            return True
    return False


def all_of(items: Iterable[object]) -> bool:
    """``all(items)``."""
    for item in items:  # noqa: SIM110 - all() comes here
        if not item:
            return False
    return True


def sum_of(items: Iterable[Any], start: Any) -> object:
    """``sum(items, start)``."""
    total = start
    for item in items:
        total = total + item
    return total


def min_of(items: Iterable[Any]) -> object:
    """``min(items)``; no items are an error, as in Python."""
    best = None
    for item in items:
        if best is None or item < best:
            best = item
    if best is None:
        raise ValueError("min() iterable argument is empty")
    return best


def max_of(items: Iterable[Any]) -> object:
    """``max(items)``; no items are an error, as in Python."""
    best = None
    for item in items:
        if best is None or item > best:
            best = item
    if best is None:
        raise ValueError("max() iterable argument is empty")
    return best


def product_of(items: Iterable[Any], start: Any) -> object:
    """``math.prod(items, start=start)``."""
    total = start
    for item in items:
        total = total * item
    return total


def collected(items: Iterable[_Item]) -> list[_Item]:
    """``list(items)``."""
    out: list[_Item] = []
    for item in items:
        out.append(item)
    return out


def made(items: Iterable[Any], make: Callable[[Any], Any]) -> Iterator[Any]:
    """``map(make, items)``."""
    for item in items:
        yield make(item)


def kept(
    items: Iterable[Any], test: Callable[[Any], Any], make: Callable[[Any], Any]
) -> Iterator[Any]:
    """``(make(item) for item in items if test(item))``."""
    for item in items:
        if test(item):
            yield make(item)


def numbered(items: Iterable[_Item], start: int) -> Iterator[tuple[int, _Item]]:
    """``enumerate(items, start)``."""
    number = start
    for item in items:
        yield number, item
        number = number + 1


def first_of(items: Iterable[_Item]) -> _Item:
    """``next(items)``."""
    for item in items:
        return item
    raise StopIteration


def first_or(items: Iterable[Any], default: Any) -> Any:
    """``next(items, default)``."""
    for item in items:
        return item
    return default


def taken_while(test: Callable[[Any], Any], items: Iterable[_Item]) -> Iterator[_Item]:
    """``itertools.takewhile(test, items)``."""
    for item in items:
        if not test(item):
            return
        yield item


def dropped_while(test: Callable[[Any], Any], items: Iterable[_Item]) -> Iterator[_Item]:
    """``itertools.dropwhile(test, items)``."""
    dropping = True
    for item in items:
        if dropping:
            dropping = test(item)
        if not dropping:
            yield item


def poured(items: Iterable[_Item], add: Callable[[_Item], object]) -> None:
    """Gives each item to a function before the next one is made."""
    for item in items:
        add(item)


def reduced(
    function: Callable[[Any, Any], object], items: Iterable[object], start: object
) -> object:
    """``functools.reduce(function, items, start)``."""
    total = start
    for item in items:
        total = function(total, item)
    return total


def reduced_from_first(function: Callable[[Any, Any], object], items: Iterable[Any]) -> object:
    """``functools.reduce(function, items)``."""
    total = None
    for item in items:
        total = item if total is None else function(total, item)
    if total is None:
        raise TypeError("reduce() of empty iterable with no initial value")
    return total


def column_of(rows: Iterable[Any], k: int) -> list[Any]:
    """``[row[k] for row in rows]``."""
    out: list[Any] = []
    for row in rows:
        out.append(row[k])
    return out


def repeated(items: Iterable[_Item], times: int) -> list[_Item]:
    """``items * times``."""
    out: list[_Item] = []
    for _ in range(times):
        out.extend(items)
    return out


def reversed_of(items: Sequence[_Item]) -> list[_Item]:
    """``items[::-1]``."""
    out: list[_Item] = []
    count = len(items)
    for k in range(count):
        out.append(items[count - 1 - k])
    return out


def slice_of(items: Sequence[_Item], start: int | None, stop: int | None) -> list[_Item]:
    """``items[start:stop]``."""
    count = len(items)
    if start is None:
        start = 0
    elif start < 0:
        start = max(start + count, 0)
    if stop is None:
        stop = count
    elif stop < 0:
        stop = stop + count
    out: list[_Item] = []
    for k in range(start, min(stop, count)):
        out.append(items[k])
    return out


def stepped_slice_of(
    items: Sequence[_Item], start: int | None, stop: int | None, step: int
) -> list[_Item]:
    """``items[start:stop:step]`` for a step that is known."""
    count = len(items)
    lowest, highest = (0, count) if step > 0 else (-1, count - 1)
    if start is None:
        start = lowest if step > 0 else highest
    elif start < 0:
        start = max(start + count, lowest)
    else:
        start = min(start, highest)
    if stop is None:
        stop = highest if step > 0 else lowest
    elif stop < 0:
        stop = max(stop + count, lowest)
    else:
        stop = min(stop, highest)
    out: list[_Item] = []
    for k in range(start, stop, step):
        out.append(items[k])
    return out


def contains(items: Iterable[object], wanted: object) -> bool:
    """``wanted in items``."""
    for item in items:  # noqa: SIM110 - `in` comes here
        if item is wanted or item == wanted:
            return True
    return False


def index_of(items: Iterable[object], wanted: object) -> int:
    """``items.index(wanted)``."""
    for k, item in enumerate(items):
        if item is wanted or item == wanted:
            return k
    raise ValueError("list.index(x): x not in list")


def count_of(items: Iterable[object], wanted: object) -> int:
    """``items.count(wanted)``."""
    count = 0
    for item in items:
        if item is wanted or item == wanted:
            count += 1
    return count
