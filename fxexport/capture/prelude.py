"""Python's reductions written in Python, for iterables of dynamic length.

These functions are rewritten like the user's own, so their loops and early returns are staged.
"""

from __future__ import annotations

from typing import Any

__all__ = ["all_of", "any_of", "max_of", "min_of", "sum_of"]


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
    return best


def max_of(items: Any) -> Any:
    """``max(items)``; no items are an error, as in Python."""
    best = None
    for item in items:
        if best is None or item > best:
            best = item
    return best
