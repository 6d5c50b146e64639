"""What values are to the graph: tensors, numbers of a type, constants."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch

from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.session import sym_type
from fxexport.capture.values.containers import keys_of, parts_of, same_kind
from fxexport.capture.values.maybe import HOLE

__all__ = [
    "Mismatch",
    "as_kind",
    "describe",
    "fits",
    "leaf_kind",
    "lengths_differ",
    "same_constant",
    "same_sort",
]


class Mismatch(Exception):
    """Two values that no single value can stand for; the message says why.

    Attributes:
        final: whether a choice between the two cannot stand for them either.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def leaf_kind(value: object) -> type | None:
    """torch.Tensor, int, float or bool for a value that a graph can hold; None for others."""
    if isinstance(value, torch.Tensor):
        return torch.Tensor
    return sym_type(value)


def same_constant(a: object, b: object) -> bool:
    """Whether two Python objects are interchangeable constants."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (str, bytes, torch.dtype, torch.device, range, slice, type(None), complex)):
        return bool(a == b)
    if callable(a) and getattr(a, "__self__", None) is not None:
        return bool(a == b)
    return False


def same_sort(a: Any, b: Any) -> bool:
    """Whether two values are one alternative of a choice, which is then merged as other values."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.dim() == b.dim() and a.dtype == b.dtype
    kinds = leaf_kind(a), leaf_kind(b)
    if kinds[0] is not None or kinds[1] is not None:
        return torch.Tensor not in kinds and None not in kinds
    if parts_of(a) is None or not same_kind(a, b):
        return same_constant(a, b)
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and not is_open(a) and not is_open(b)
    return keys_of(a) == keys_of(b)


def lengths_differ(then: Any, other: Any) -> bool:
    """Whether two values of one type are lists, tuples or deques of different or open length."""
    if not isinstance(other, (list, tuple, deque)) or hasattr(other, "_fields"):
        return False
    return len(then) != len(other) or is_open(then) or is_open(other)


def fits(kind: type | None, dtype: torch.dtype) -> bool:
    """Whether a Python number keeps its value and category in a tensor of this dtype."""
    if kind is bool:
        return True
    if kind is int:
        return dtype != torch.bool
    return dtype.is_floating_point


def as_kind(value: Any, kind: type) -> Any:
    """A Python or symbolic number as an int or float, as Python would convert it."""
    have = sym_type(value)
    if have is bool and kind is not bool:
        value = torch.sym_ite(value, 1, 0) if isinstance(value, torch.SymBool) else int(value)
    return torch.sym_float(value) if kind is float and have is not float else value


def describe(value: object) -> str:
    """A short description of a value for a message."""
    if isinstance(value, torch.Tensor):
        return f"a {value.dtype} tensor of {value.dim()} dimensions"
    if value is None:
        return "None"
    if value is UNSET or value is HOLE:
        return "nothing"
    return f"a {type(value).__name__}"
