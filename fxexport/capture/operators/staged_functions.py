"""Python's functions on iterables and lists written in Python, for a dynamic length.

These functions are rewritten like the user's own, so their loops and early returns are staged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch

__all__ = [
    "accumulated",
    "all_of",
    "any_of",
    "applied",
    "chained",
    "collected",
    "column_of",
    "contains",
    "count_of",
    "counted",
    "dropped_while",
    "first_of",
    "index_of",
    "made_of",
    "max_of",
    "min_of",
    "most_of",
    "most_or_default",
    "next_of",
    "padded",
    "picked",
    "poured",
    "product_of",
    "reduced",
    "reduced_from_first",
    "repeated",
    "reversed_of",
    "slice_of",
    "spliced",
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


def _best_of(
    items: Iterable[_Item], key: Callable[[_Item], Any], better: Callable[[Any, Any], Any]
) -> tuple[_Item, Any] | None:
    """The item with the best key, and the key; None where there are no items."""
    best: Any = None
    for item in items:
        item_key = key(item)
        if best is None or better(best[1], item_key):
            best = (item, item_key)
    found: tuple[_Item, Any] | None = best
    return found


def most_of(
    items: Iterable[_Item], key: Callable[[_Item], Any], better: Callable[[Any, Any], Any]
) -> _Item:
    """``max(items, key=key)``, or min; no items are an error, as in Python."""
    best = _best_of(items, key, better)
    if best is None:
        raise ValueError("max() or min() iterable argument is empty")
    found: _Item = best[0]
    return found


def most_or_default(
    items: Iterable[_Item],
    key: Callable[[_Item], Any],
    better: Callable[[Any, Any], Any],
    default: Any,
) -> Any:
    """``max(items, key=key, default=default)``, or min."""
    best = _best_of(items, key, better)
    if best is None:
        return default
    return best[0]


def next_of(items: Iterable[_Item]) -> _Item:
    """``next(items)`` of an iterator that nobody uses again."""
    for item in items:
        return item
    raise StopIteration


def first_of(items: Iterable[_Item], default: Any) -> Any:
    """``next(items, default)`` of an iterator that nobody uses again."""
    for item in items:
        return item
    return default


def applied(function: Callable[[_Item], Any], items: Iterable[_Item]) -> list[Any]:
    """``[function(item) for item in items]``."""
    out: list[Any] = []
    for item in items:
        out.append(function(item))
    return out


def counted(items: Iterable[_Item], start: int) -> Iterator[tuple[int, _Item]]:
    """``enumerate(items, start)`` of a generator."""
    k = start
    for item in items:
        yield k, item
        k = k + 1


def made_of(function: Callable[[_Item], Any], items: Iterable[_Item]) -> Iterator[Any]:
    """``map(function, items)`` of a generator."""
    for item in items:
        yield function(item)


def picked(items: Sequence[_Item], order: Iterable[int]) -> list[_Item]:
    """``[items[k] for k in order]``."""
    out: list[_Item] = []
    for k in order:
        out.append(items[k])
    return out


def chained(parts: Iterable[Iterable[_Item]]) -> list[_Item]:
    """``list(itertools.chain.from_iterable(parts))``."""
    out: list[_Item] = []
    for part in parts:
        for item in part:
            out.append(item)
    return out


def accumulated(items: Iterable[Any], function: Callable[[Any, Any], Any]) -> list[Any]:
    """``list(itertools.accumulate(items, function))``."""
    out: list[Any] = []
    for item in items:
        if out:
            out.append(function(out[-1], item))
        else:
            out.append(item)
    return out


def spliced(
    items: Sequence[_Item], start: int | None, stop: int | None, values: Iterable[_Item]
) -> list[_Item]:
    """What ``items[start:stop] = values`` leaves."""
    count = len(items)
    first = 0 if start is None else start
    if first < 0:
        first = max(first + count, 0)
    last = count if stop is None else stop
    if last < 0:
        last = max(last + count, 0)
    out = list(items[:first])
    out.extend(values)
    out.extend(items[max(first, last) :])
    return out


def padded(
    items: Sequence[torch.Tensor], batch_first: bool, value: float, side: str
) -> torch.Tensor:
    """``nn.utils.rnn.pad_sequence(items)``."""
    longest = 0
    for item in items:
        longest = max(longest, item.shape[0])
    rows: list[torch.Tensor] = []
    for item in items:
        rest = item.new_full((longest - item.shape[0], *item.shape[1:]), value)
        rows.append(torch.cat([rest, item] if side == "left" else [item, rest]))
    return torch.stack(rows, 0 if batch_first else 1)
