"""Which functions outside of the rewritten code pass their arguments on without a look at them."""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from types import BuiltinMethodType, SimpleNamespace

__all__ = ["stores_anything", "takes_anything"]

_KEEPING = (list, tuple, dict, set, frozenset, deque)
_METHODS = frozenset(
    [
        "append",
        "appendleft",
        "insert",
        "extend",
        "update",
        "setdefault",
        "get",
        "pop",
        "__setitem__",
    ]
)


def takes_anything(function: object) -> bool:
    """Whether a callable only stores what it is given."""
    if isinstance(function, BuiltinMethodType):
        return isinstance(function.__self__, _KEEPING) and function.__name__ in _METHODS
    return isinstance(function, type) and stores_anything(function)


def stores_anything(cls: type) -> bool:
    """Whether the constructor of a class only stores its arguments."""
    if issubclass(cls, (functools.partial, SimpleNamespace, BaseException)):
        return True
    if dataclasses.is_dataclass(cls):
        return not hasattr(cls, "__post_init__")
    return issubclass(cls, _KEEPING)
