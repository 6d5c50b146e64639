"""Objects of any class: what they hold, and copies of them around other tensors."""

from __future__ import annotations

import contextlib
import copy
import enum
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import torch

__all__ = ["attributes_of", "fresh", "holds_tensors", "within"]

# Objects inside of objects are looked into as deep as this; what is deeper holds no inputs.
_DEPTH = 8

_COLLECTIONS = (list, tuple, deque, set, frozenset)
_LEFT_ALONE = (
    torch.nn.Module, torch.Size, torch.dtype, torch.device, torch.Generator, type, enum.Enum,
    types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType,
)  # fmt: skip


def attributes_of(value: object) -> dict[str, Any]:
    """The attributes that an object itself has, those of ``__slots__`` as well; {} of others."""
    if isinstance(value, (*_LEFT_ALONE, torch.Tensor)):
        return {}
    found = dict(getattr(value, "__dict__", {}))
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found.setdefault(name, getattr(value, name))
    return found


def holds_tensors(value: object) -> bool:
    """Whether a tensor is in a value: in lists, tuples, dicts and objects, to some depth."""
    return any(isinstance(part, torch.Tensor) for part in within(value))


def fresh(value: Any, others: Mapping[int, Any] | None = None) -> Any:
    """A copy that a call may change; modules, functions, and tensors in it are the same.

    Args:
        value: any value. One without parts is given as it is: it may be asked for by `is`.
        others: what stands in the copy for parts of it, by the parts' `id`.
    """
    if not attributes_of(value) and not isinstance(value, (Mapping, *_COLLECTIONS)):
        return value
    memo = {
        id(part): part for part in within(value) if isinstance(part, (*_LEFT_ALONE, torch.Tensor))
    }
    memo.update(others or {})
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # of locks, generators and the like there are no copies
        with contextlib.suppress(Exception):
            return copy.copy(value)
        return value


def within(value: object) -> Iterator[object]:
    """A value and what is in it, to some depth: what lists, dicts and objects hold."""
    yield from _within(value, _DEPTH, set())


def _within(value: object, depth: int, seen: set[int]) -> Iterator[object]:
    if id(value) in seen or depth < 0:
        return
    seen.add(id(value))
    yield value
    inside: Any = attributes_of(value).values()
    if isinstance(value, Mapping):
        inside = [*value.values(), *inside]
    elif isinstance(value, _COLLECTIONS):
        inside = [*value, *inside]
    for part in inside:
        yield from _within(part, depth - 1, seen)
