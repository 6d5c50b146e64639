"""Python's reductions written in Python, for iterables of dynamic length.

These functions are rewritten like the user's own, so their loops and early returns are staged.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "all_of",
    "any_of",
    "collected",
    "contains",
    "count_of",
    "filtered",
    "index_of",
    "max_of",
    "min_of",
    "product_of",
    "repeated",
    "reversed_of",
    "slice_of",
    "stepped_slice_of",
    "sum_of",
]


def any_of(items: Any) -> Any:
    """``any(items)``."""
    for item in items:  # noqa: SIM110 - any() comes here
        if item:
            return True
    return False


def all_of(items: Any) -> Any:
    """``all(items)``."""
    for item in items:  # noqa: SIM110 - all() comes here
        if not item:
            return False
    return True


def sum_of(items: Any, start: Any) -> Any:
    """``sum(items, start)``."""
    total = start
    for item in items:
        total = total + item
    return total


def min_of(items: Any) -> Any:
    """``min(items)``; no items are an error, as in Python."""
    best = None
    for item in items:
        if best is None or item < best:
            best = item
    if best is None:
        raise ValueError("min() iterable argument is empty")
    return best


def max_of(items: Any) -> Any:
    """``max(items)``; no items are an error, as in Python."""
    best = None
    for item in items:
        if best is None or item > best:
            best = item
    if best is None:
        raise ValueError("max() iterable argument is empty")
    return best


def product_of(items: Any, start: Any) -> Any:
    """``math.prod(items, start=start)``."""
    total = start
    for item in items:
        total = total * item
    return total


def collected(items: Any) -> Any:
    """``list(items)``."""
    out = []
    for item in items:
        out.append(item)
    return out


def repeated(items: Any, times: Any) -> Any:
    """``items * times``."""
    out = []
    for _ in range(times):
        out.extend(items)
    return out


def reversed_of(items: Any) -> Any:
    """``items[::-1]``."""
    out = []
    count = len(items)
    for k in range(count):
        out.append(items[count - 1 - k])
    return out


def slice_of(items: Any, start: Any, stop: Any) -> Any:
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
    out = []
    for k in range(start, min(stop, count)):
        out.append(items[k])
    return out


def stepped_slice_of(items: Any, start: Any, stop: Any, step: Any) -> Any:
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
    out = []
    for k in range(start, stop, step):
        out.append(items[k])
    return out


def contains(items: Any, wanted: Any) -> Any:
    """``wanted in items``."""
    for item in items:  # noqa: SIM110 - `in` comes here
        if item == wanted:
            return True
    return False


def index_of(items: Any, wanted: Any) -> Any:
    """``items.index(wanted)``."""
    for k, item in enumerate(items):
        if item == wanted:
            return k
    raise ValueError("list.index(x): x not in list")


def count_of(items: Any, wanted: Any) -> Any:
    """``items.count(wanted)``."""
    count = 0
    for item in items:
        if item == wanted:
            count += 1
    return count


def filtered(function: Any, items: Any) -> Any:
    """``list(filter(function, items))``."""
    out = []
    for item in items:
        if function(item):
            out.append(item)
    return out
