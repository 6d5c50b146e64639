"""Values that are there or not: None on one path and something on the other, or nothing at all.

A `Maybe` carries a presence flag, known when the model runs, beside the value. Asking for it
(`is None`, truth, `isinstance`) is a condition like any other. Whatever else Python would raise on
where there is no value becomes an assumption of the file, reported with its line.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable
from typing import Any

import torch

from fxexport.capture.recording.types import Function, OpArgs, OpKwargs
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.session import Session, is_symbolic
from fxexport.capture.values.choice import Choice, decided, first_in
from fxexport.capture.values.symbolic_text import text_of
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_raised
from fxexport.source.frames import user_location

__all__ = [
    "HOLE",
    "Maybe",
    "absence_of",
    "dynamic_inside",
    "force",
    "is_certain",
    "is_dynamic",
    "lifted",
    "narrowed",
    "uncertain_in",
]


class _Hole:
    """Stands for a value that does not exist and is never read."""

    def __repr__(self) -> str:
        return "<no value>"


HOLE = _Hole()
_CERTAIN = object()
_Error = tuple[type[Exception], str]


class Maybe:
    """A value that is there only where a condition holds.

    Attributes:
        present: the condition, a SymBool (while a branch is merged: what stands for one).
        value: what is there then.
        absent: what Python has otherwise: None, or UNSET for a variable, attribute or key that
            does not exist.
    """

    def __init__(
        self, session: Session, present: Any, value: Any, absent: object, error: _Error
    ) -> None:
        self.fx_session, self.present, self.value = session, present, value
        self.absent, self.fx_error = absent, error
        self.fx_location = user_location()

    def like(self, present: object, value: object) -> object:
        """Another one of its kind; the value itself where it is certainly there."""
        if present is True:
            return value
        if present is False:
            return self.absent
        again = Maybe(self.fx_session, present, value, self.absent, self.fx_error)
        again.fx_location = self.fx_location
        return again

    def __getattr__(self, name: str) -> object:
        if name.startswith(("fx_", "__")) or name in ("present", "value", "absent"):
            raise AttributeError(name)
        return getattr(force(self, AttributeError), name)

    def __str__(self) -> str:
        return text_of("what may be None")

    def __format__(self, spec: str) -> str:
        return str(self)

    def __copy__(self) -> object:
        return self.like(self.present, copy.copy(self.value))

    def __deepcopy__(self, memo: dict[int, object]) -> object:
        return self.like(self.present, copy.deepcopy(self.value, memo))

    @classmethod
    def __torch_function__(
        cls, func: Function, types: object, args: OpArgs = (), kwargs: OpKwargs | None = None
    ) -> object:
        # Operators fail on None; other functions may take it.
        name = getattr(func, "__name__", "")
        operates = name.startswith("__") and name not in ("__eq__", "__ne__")
        certain = _forced_inside if operates else _certain_inside
        return func(
            *(certain(arg) for arg in args),
            **{key: certain(arg) for key, arg in (kwargs or {}).items()},
        )


def _certain(value: object) -> object:
    """A value that is known to be there, or not to be, in code that is not rewritten."""
    value = narrowed(value)
    if isinstance(value, Maybe):
        raise UnsupportedError(
            "whether a value is None decides something here, in code that fxexport cannot read",
            code=Code.DECISION_IN_UNREAD_CODE,
            location=user_location(),
            hint="test it with `is None` in the model's own code",
        )
    return value


def _certain_inside(value: object) -> object:
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_certain_inside(item) for item in value)
    return _certain(value)


def _forced_inside(value: object) -> object:
    if isinstance(value, Maybe):
        return force(value)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_forced_inside(item) for item in value)
    return value


def _forwarded(name: str) -> Function:
    def method(self: object, *args: object) -> Any:
        return getattr(force(self), name)(*(_forced_inside(arg) for arg in args))

    return method


def _arithmetic(
    function: Callable[[Any, Any], object], swap: bool
) -> Callable[[object, object], object]:
    def method(self: object, other: object) -> Any:
        a, b = force(self), _forced_inside(other)
        return function(b, a) if swap else function(a, b)

    return method


# What Python does with an operand or a container, in code that is not rewritten.
for _name in ("len", "iter", "next", "getitem", "setitem", "delitem", "contains", "call",
              "index", "int", "float", "neg", "pos", "abs", "invert", "enter", "exit"):  # fmt: skip
    setattr(Maybe, f"__{_name}__", _forwarded(f"__{_name}__"))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift",
              "rshift", "and_", "or_", "xor"):  # fmt: skip
    _function = getattr(operator, _name)
    setattr(Maybe, f"__{_name.rstrip('_')}__", _arithmetic(_function, False))
    setattr(Maybe, f"__r{_name.rstrip('_')}__", _arithmetic(_function, True))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Maybe, f"__{_name}__", _arithmetic(getattr(operator, _name), False))


def _settled(name: str) -> Function:
    def method(self: object, *args: object) -> Any:
        return getattr(_certain(self), name)(*args)

    return method


# Python does not raise on None here, so nothing may be assumed.
for _name in ("bool", "hash", "eq", "ne"):
    setattr(Maybe, f"__{_name}__", _settled(f"__{_name}__"))


# -- what is known of one --------------------------------------------------------------------------


def narrowed(value: object) -> Any:
    """What a value is that may be absent, or one of several, as far as that is known here."""
    while isinstance(value, (Maybe, Choice)):
        if isinstance(value, Choice):
            one = decided(value)
            if isinstance(one, Choice):
                return one
            value = one
            continue
        known = value.fx_session.known(value.present)
        if known is None:
            return value
        value = value.value if known else value.absent
    return value


def force(value: Any, without: type[Exception] = TypeError) -> Any:
    """The value, where using it makes Python raise if it is not there.

    Args:
        value: any value.
        without: the class of what Python raises where it is None.
    """
    while isinstance(value, Maybe):
        session, (error, text) = value.fx_session, value.fx_error
        error = without if value.absent is None else error
        known = session.known(value.present)
        if known is False:
            raise note_raised(error(f"this line requires that {text}"))
        if known is None:
            if session.raises_where_caught(value.present, text, error.__name__):
                value = value.value
                continue
            session.guard(value.present, f"{error.__name__}: expected that {text}")
            session.note("assumption", f"{text}; otherwise the model raises {error.__name__}")
            session.env.assume(value.present, text)
        value = value.value
    return value


def is_dynamic(value: object) -> bool:
    """Whether a value, or its presence, is known only when the model runs; tensors included."""
    return is_symbolic(value) or isinstance(value, (torch.Tensor, Maybe, Choice))


def dynamic_inside(values: Iterable[object]) -> bool:
    """Whether a tuple or list, nested or not, holds something dynamic."""
    return any(
        dynamic_inside(value) if isinstance(value, (tuple, list)) else is_dynamic(value)
        for value in values
    )


def uncertain_in(value: object) -> Maybe | Choice | None:
    """The first uncertain value in an argument, looked for in plain containers and slices."""
    found: Maybe | Choice | None = first_in(value, (Maybe, Choice))
    return found


# -- merging ---------------------------------------------------------------------------------------


def absence_of(*values: object) -> object:
    """What the values may be instead of a value: UNSET, None, or `_CERTAIN` for neither."""
    for absent in (UNSET, None):
        if any(v is absent or (isinstance(v, Maybe) and v.absent is absent) for v in values):
            return absent
    return _CERTAIN


def is_certain(absent: object) -> bool:
    """Whether `absence_of` found that there is always a value."""
    return absent is _CERTAIN


def lifted(value: object, absent: object) -> tuple[object, object]:
    """Presence and value of anything that may be absent as `absent` says."""
    if isinstance(value, Maybe) and value.absent is absent:
        return value.present, value.value
    return (False, HOLE) if value is absent or value is HOLE else (True, value)


def error_for(absent: object, slot_name: str, values: tuple[object, ...]) -> _Error:
    """What Python raises where the value is used and not there, and what holds otherwise."""
    for value in values:
        if isinstance(value, Maybe) and value.absent is absent:
            return value.fx_error
    if absent is None:
        return TypeError, "this value is not None here"
    if slot_name.startswith("the key "):
        return KeyError, f"{slot_name} is in the dict here"
    if "." in slot_name:
        return AttributeError, f"{slot_name} is there here"
    return UnboundLocalError, f"{slot_name!r} is bound here"
