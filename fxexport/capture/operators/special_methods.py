"""Special methods and properties of the program's own classes, which Python calls by itself.

Python would call `__getitem__` or a property's function as it was written: its writes would go
unnoticed, and its conditions could not be kept. They are called as any other function is.
"""

from __future__ import annotations

import contextlib
import dis
import itertools
import operator
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from types import FunctionType, MethodType
from typing import Any

import torch

from fxexport.capture.recording.types import Function

__all__ = [
    "Context",
    "Operand",
    "attribute_function",
    "has_operators",
    "may_catch",
    "special_method",
]

_OPERATORS = {
    name: getattr(operator, name + "_" if name in ("and", "or") else name)
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or",
                 "xor", "lshift", "rshift")
}  # fmt: skip


def special_method(value: object, name: str) -> MethodType | None:
    """A special method that is written in Python, bound to a value; None for any other."""
    found = getattr(type(value), name, None)
    if type(found) is not FunctionType or isinstance(value, torch.Tensor):
        return None
    module = (found.__module__ or "").split(".")[0]
    if module == "collections" and isinstance(value, (dict, list, tuple, set, deque)):
        return None
    return None if module in ("torch", "fxexport") else MethodType(found, value)


def attribute_function(owner: object, name: str) -> Any:
    """The property (or cached property) of a class that an attribute is; None for any other."""
    if isinstance(owner, torch.Tensor):
        return None
    found = getattr(type(owner), name, None)
    if type(owner) is super:
        parent: Any = owner
        classes = parent.__self_class__.__mro__
        after = classes[classes.index(parent.__thisclass__) + 1 :]
        found = next((vars(cls)[name] for cls in after if name in vars(cls)), None)
    if type(found) is property and type(found.fget) is FunctionType:
        return found
    return found if type(found) is cached_property else None


def has_operators(value: object) -> bool:
    """Whether a value's class says in Python what its arithmetic means."""
    if isinstance(value, (int, float, str, torch.Tensor, list, tuple)):
        return False
    return any(
        special_method(value, f"__{side}{name}__") is not None
        for name in _OPERATORS
        for side in ("", "r")
    )


class Operand:
    """Stands for such a value in one arithmetic expression."""

    def __init__(self, call: Callable[[object], Function], value: object) -> None:
        self.fx_call, self.fx_value = call, value


def _plain(value: object) -> Any:
    return value.fx_value if isinstance(value, Operand) else value


def _operate(call: Callable[[object], Function], name: str, a: object, b: object) -> object:
    for owner, method, other in ((a, f"__{name}__", b), (b, f"__r{name}__", a)):
        own = special_method(owner, method)
        if own is not None:
            result = call(own)(other)
            if result is not NotImplemented:
                return result
    return _OPERATORS[name](a, b)


def _define(name: str) -> None:
    def forward(self: Operand, other: object) -> object:
        return _operate(self.fx_call, name, self.fx_value, _plain(other))

    def backward(self: Operand, other: object) -> object:
        return _operate(self.fx_call, name, _plain(other), self.fx_value)

    def in_place(self: Operand, other: object) -> object:
        own = special_method(self.fx_value, f"__i{name}__")
        return forward(self, other) if own is None else self.fx_call(own)(_plain(other))

    for prefix, method in (("", forward), ("r", backward), ("i", in_place)):
        setattr(Operand, f"__{prefix}{name}__", method)


for _name in _OPERATORS:
    _define(_name)
for _name in ("neg", "pos", "abs", "invert"):

    def _unary(self: Operand, method: str = f"__{_name}__") -> object:
        own = special_method(self.fx_value, method)
        return getattr(self.fx_value, method)() if own is None else self.fx_call(own)()

    setattr(Operand, f"__{_name}__", _unary)


class Context:
    """A context manager whose methods are called as other functions are."""

    def __init__(
        self,
        call: Callable[[object], Function],
        manager: AbstractContextManager[Any],
        catching: AbstractContextManager[object],
    ) -> None:
        """`catching` is entered around what the manager may catch the exceptions of."""
        self._call, self._manager = call, manager
        self._catching = catching

    def __enter__(self) -> object:
        entered = self._call(MethodType(type(self._manager).__enter__, self._manager))()
        self._catching.__enter__()
        return entered

    def __exit__(self, *error: Any) -> object:
        self._catching.__exit__(*error)
        return self._call(MethodType(type(self._manager).__exit__, self._manager))(*error)


def may_catch(manager: AbstractContextManager[Any]) -> bool:
    """Whether a context manager may catch exceptions: its ``__exit__`` gives something true.

    A generator under ``@contextmanager`` has a try statement for that, which is read as any other.
    """
    leave = type(manager).__exit__
    if isinstance(manager, contextlib._GeneratorContextManager) or type(leave) is not FunctionType:
        return False
    code = list(dis.get_instructions(leave))
    given = [
        (before if this.opname == "RETURN_VALUE" else this)
        for before, this in itertools.pairwise(code)
        if this.opname in ("RETURN_VALUE", "RETURN_CONST")
    ]
    nothing = ("LOAD_CONST", "RETURN_CONST")
    return any(one.opname not in nothing or one.argval for one in given)
