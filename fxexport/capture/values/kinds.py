"""What values are to the graph: tensors, numbers of a type, constants."""

from __future__ import annotations

from collections import deque
from types import FunctionType
from typing import Any

import torch

from fxexport.capture.session.journal import UNSET, contents_of
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.session import sym_type
from fxexport.capture.values.containers import keys_of, of_one_form, parts_of, same_kind
from fxexport.capture.values.maybe import HOLE

__all__ = [
    "Mismatch",
    "as_kind",
    "describe",
    "equal_numbers",
    "equal_sets",
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
    if type(a) is FunctionType and type(b) is FunctionType:
        return _same_function(a, b)
    if callable(a) and getattr(a, "__self__", None) is not None:
        return bool(a == b)
    return False


def _same_function(a: FunctionType, b: FunctionType) -> bool:
    """Whether two functions do the same: one code, and the same variables and defaults."""
    if a.__code__ is not b.__code__:
        return False
    cells = zip(a.__closure__ or (), b.__closure__ or (), strict=True)
    names = a.__code__.co_freevars
    # Two variables that hold the same now need not do so later; ours do.
    variables = all(
        mine is its or (name.startswith("_fx_") and _same_held(contents_of(mine), contents_of(its)))
        for (mine, its), name in zip(cells, names, strict=True)
    )
    defaults = zip(_defaults_of(a), _defaults_of(b), strict=False)
    return variables and all(_same_held(mine, its) for mine, its in defaults)


def _defaults_of(function: FunctionType) -> list[object]:
    return [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def _same_held(a: object, b: object) -> bool:
    if isinstance(a, (int, float)):
        return a is b or (type(a) is type(b) and a == b)
    return a is b or (not isinstance(a, torch.Tensor) and same_constant(a, b))


def same_sort(a: Any, b: Any) -> bool:
    """Whether two values are one alternative of a choice, which is then merged as other values."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return of_one_form(a, b)
    kinds = leaf_kind(a), leaf_kind(b)
    if kinds[0] is not None or kinds[1] is not None:
        return torch.Tensor not in kinds and None not in kinds
    if parts_of(a) is None or not same_kind(a, b):
        return same_constant(a, b)
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and not is_open(a) and not is_open(b)
    return keys_of(a) == keys_of(b)


def equal_numbers(a: Any, b: Any) -> bool:
    """Whether two values are Python numbers of one type and equal."""
    return type(a) is type(b) and isinstance(a, (int, float)) and a == b


def equal_sets(a: Any, b: Any) -> bool:
    """Whether two values are frozen sets and equal: nothing can tell which of them it is."""
    return type(a) is type(b) and isinstance(a, frozenset) and bool(a == b)


def lengths_differ(then: Any, other: Any) -> bool:
    """Whether two values of one type are lists, tuples or deques of different or open length.

    The shapes of tensors of different ranks are none: what takes a shape has to know its length.
    """
    if not isinstance(other, (list, tuple, deque)) or hasattr(other, "_fields"):
        return False
    if isinstance(then, torch.Size) and isinstance(other, torch.Size):
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
