"""Values that are one of several things, which one is known when the model runs.

What a branch or loop leaves and cannot merge is kept as a union of alternatives, each with a
condition under which it is the one (Torlak and Bodik, "A lightweight symbolic virtual machine for
solver-aided host languages", PLDI 2014, call it a symbolic union). What uses one is done for each
alternative that the path leaves, in branches.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch

from fxexport.capture.recording.types import Function, OpArgs, OpKwargs, Value
from fxexport.capture.session.session import Session
from fxexport.capture.values.symbolic_text import text_of
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_raised
from fxexport.source.frames import user_location

__all__ = ["MOST_ALTERNATIVES", "Choice", "cases_of", "decided", "first_in", "settled_to"]

MOST_ALTERNATIVES = 64
"""More are refused: each use of a choice is written into the file once for each alternative."""


class Choice:
    """One of several values.

    Attributes:
        flags: for each alternative the condition under which it is the one, a SymBool (while a
            branch is merged: what stands for one). Just one of them holds.
        values: the alternatives.
    """

    def __init__(self, session: Session, flags: Sequence[Value], values: Sequence[Value]) -> None:
        self.fx_session = session
        self.flags, self.values = list(flags), list(values)
        self.fx_location = user_location()

    def like(self, items: Sequence[Value]) -> Value:
        """Another one; the alternative itself where a flag is certain.

        Args:
            items: the flags, and after them the alternatives.
        """
        count = len(items) // 2
        cases = [
            (flag, value)
            for flag, value in zip(items[:count], items[count:], strict=True)
            if flag is not False
        ]
        certain = next((value for flag, value in cases if flag is True), None)
        if len(cases) == 1 or certain is not None:
            return cases[0][1] if certain is None else certain
        again = Choice(self.fx_session, *zip(*cases, strict=True))
        again.fx_location = self.fx_location
        return again

    def __getattr__(self, name: str) -> object:
        if name.startswith(("fx_", "__")) or name in ("flags", "values"):
            raise AttributeError(name)
        return _each(self, lambda value: getattr(value, name))

    def __str__(self) -> str:
        return text_of("one of several values")

    def __format__(self, spec: str) -> str:
        return str(self)

    @classmethod
    def __torch_function__(
        cls, func: Function, types: object, args: OpArgs = (), kwargs: OpKwargs | None = None
    ) -> object:
        given, named = args, kwargs or {}
        choice = first_in((given, named), Choice)
        return _each(
            choice,
            lambda one: func(*settled_to(given, choice, one), **settled_to(named, choice, one)),
        )


def first_in(
    value: Any, kinds: type | tuple[type, ...], around: frozenset[int] = frozenset()
) -> Any:
    """The first value of some classes in an argument, looked for in plain containers and slices.

    `around` has the identities of the containers that it is in: one may contain itself.
    """
    if isinstance(value, kinds):
        return value
    if isinstance(value, slice):
        items: Any = (value.start, value.stop, value.step)
    elif type(value) is dict:
        items = value.values()
    elif isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        items = value
    else:
        return None
    if id(value) in around:
        return None
    within = around | {id(value)}
    found = (first_in(item, kinds, within) for item in items)
    return next((one for one in found if one is not None), None)


def settled_to(value: Any, uncertain: Any, by: Any) -> Any:
    """An argument with one uncertain value in it settled."""
    if value is uncertain:
        return by
    if isinstance(value, type(uncertain)):  # another one, settled in its turn
        return value
    if isinstance(value, slice):
        bounds = (value.start, value.stop, value.step)
        return slice(*(settled_to(bound, uncertain, by) for bound in bounds))
    if first_in(value, type(uncertain)) is None:
        return value
    if type(value) is dict:
        return {key: settled_to(item, uncertain, by) for key, item in value.items()}
    items = [settled_to(item, uncertain, by) for item in value]
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _each(choice: Choice, use: Callable[[Any], Value]) -> Any:
    return choice.fx_session.each(choice, use)


def _operated(function: Callable[..., object], *operands: Any) -> Any:
    """What an operator of Python's gives; where it takes no such operand, the path ends."""
    try:
        return function(*operands)
    except TypeError as error:
        raise note_raised(error) from None


def _unary(function: Callable[[Any], object]) -> Function:
    def method(self: Choice) -> Any:
        operand = self.fx_session.operand
        return _each(self, lambda value: _operated(function, operand(value)))

    return method


def _binary(function: Callable[[Any, Any], object], swap: bool = False) -> Function:
    def method(self: Choice, other: object) -> Any:
        operand = self.fx_session.operand

        def use(mine: Value, theirs: Value) -> Value:
            a, b = operand(mine), operand(theirs)
            return _operated(function, *((b, a) if swap else (a, b)))

        return _each(
            self, lambda mine: self.fx_session.each(other, lambda theirs: use(mine, theirs))
        )

    return method


# What rewritten code leaves to Python, and what code does that is not rewritten.
for _name in ("neg", "pos", "abs", "invert", "index"):
    setattr(Choice, f"__{_name}__", _unary(getattr(operator, _name)))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift",
              "rshift", "and_", "or_", "xor"):  # fmt: skip
    _function = getattr(operator, _name)
    setattr(Choice, f"__{_name.rstrip('_')}__", _binary(_function))
    setattr(Choice, f"__r{_name.rstrip('_')}__", _binary(_function, swap=True))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Choice, f"__{_name}__", _binary(getattr(operator, _name)))


def _refused(function: Callable[..., Any]) -> Function:
    def method(self: Choice, *args: object) -> Any:
        value = decided(self)
        if isinstance(value, Choice):
            raise UnsupportedError(
                "which of several values this is is known only when the model runs, and code that "
                "fxexport cannot read decides something on it",
                code=Code.DECISION_IN_UNREAD_CODE,
                location=user_location(),
                hint="decide it in the model's own code, with an if statement",
            )
        return function(value, *args)

    return method


# Python takes one answer here.
_ANSWERS: dict[str, Callable[..., Any]] = {
    "bool": bool, "hash": hash, "eq": operator.eq, "ne": operator.ne, "len": len, "iter": iter,
    "next": next, "contains": operator.contains, "int": int, "float": float,
}  # fmt: skip
for _name, _function in _ANSWERS.items():
    setattr(Choice, f"__{_name}__", _refused(_function))


def decided(value: Value) -> Value:
    """The alternative of a choice, where it is known here which one it is.

    Returns:
        A choice of those that are left where it is not; any other value as it is.
    """
    if not isinstance(value, Choice):
        return value
    left = []
    for flag, alternative in zip(value.flags, value.values, strict=True):
        known = value.fx_session.known(flag)
        if known:
            return alternative
        if known is None:
            left.append((flag, alternative))
    if len(left) == 1:
        return left[0][1]
    if len(left) == len(value.values) or not left:
        return value
    return value.like([part for column in zip(*left, strict=True) for part in column])


def cases_of(value: Value) -> list[tuple[Value, Value]]:
    """The flags and alternatives of a choice; any other value is its only alternative."""
    if isinstance(value, Choice):
        return list(zip(value.flags, value.values, strict=True))
    return [(True, value)]
