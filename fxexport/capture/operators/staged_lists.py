"""Python's functions on lists written in Python, for lists of dynamic length.

These functions are rewritten like the user's own, so their loops and early returns are staged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch

__all__ = [
    "accumulated",
    "applied",
    "chained",
    "counted",
    "first_of",
    "made_of",
    "most_of",
    "most_or_default",
    "next_of",
    "padded",
    "picked",
    "spliced",
]

# The converter rewrites the functions of this module.
READ_BY_CAPTURE = True

_Item = TypeVar("_Item")


def most_of(
    items: Iterable[_Item], key: Callable[[_Item], Any], better: Callable[[Any, Any], Any]
) -> _Item:
    """``max(items, key=key)``, or min; no items are an error, as in Python."""
    best: Any = None
    for item in items:
        item_key = key(item)
        if best is None or better(best[1], item_key):
            best = (item, item_key)
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
    best: Any = None
    for item in items:
        item_key = key(item)
        if best is None or better(best[1], item_key):
            best = (item, item_key)
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
