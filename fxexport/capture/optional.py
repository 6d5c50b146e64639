"""Values that are there or not: None on one way and something on the other, or nothing at all.

A `Maybe` carries a presence flag, known when the model runs, beside the value. Asking for it
(`is None`, truth, `isinstance`) is a condition like any other. Whatever else Python would raise on
where there is no value becomes an assumption of the file, reported with its line.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture.frames import user_location
from fxexport.capture.journal import UNSET
from fxexport.capture.session import Session
from fxexport.capture.text import text_of
from fxexport.errors import UnsupportedError

__all__ = [
    "HOLE",
    "Maybe",
    "absence_of",
    "force",
    "holds_maybe",
    "is_certain",
    "lifted",
    "narrowed",
    "one_of",
    "raised_here",
]


class _Hole:
    """Stands where a value would be if there were one: nobody reads it."""

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
        self, session: Session, present: Any, value: Any, absent: Any, error: _Error
    ) -> None:
        self.fx_session, self.present, self.value = session, present, value
        self.absent, self.fx_error = absent, error
        self.fx_location = user_location()

    def like(self, present: Any, value: Any) -> Any:
        """Another one of its kind; the value itself where it is certainly there."""
        if present is True:
            return value
        if present is False:
            return self.absent
        again = Maybe(self.fx_session, present, value, self.absent, self.fx_error)
        again.fx_location = self.fx_location
        return again

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("fx_", "__")) or name in ("present", "value", "absent"):
            raise AttributeError(name)
        return getattr(force(self), name)

    def __str__(self) -> str:
        return text_of("what may be None")

    def __format__(self, spec: str) -> str:
        return str(self)

    def __copy__(self) -> Any:
        return self.like(self.present, copy.copy(self.value))

    def __deepcopy__(self, memo: Any) -> Any:
        return self.like(self.present, copy.deepcopy(self.value, memo))

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Operators fail on None; other functions may take it.
        name = getattr(func, "__name__", "")
        operates = name.startswith("__") and name not in ("__eq__", "__ne__")
        certain = _forced_inside if operates else _certain_inside
        return func(
            *(certain(arg) for arg in args),
            **{key: certain(arg) for key, arg in (kwargs or {}).items()},
        )


def _certain(value: Any) -> Any:
    """A value that is known to be there, or not to be, in code that is not rewritten."""
    value = narrowed(value)
    if isinstance(value, Maybe):
        raise UnsupportedError(
            "whether a value is None decides something here, in code that fxexport cannot read",
            location=user_location(),
            hint="test it with `is None` in the model's own code",
        )
    return value


def _certain_inside(value: Any) -> Any:
    if type(value) in (list, tuple):
        return type(value)(_certain_inside(item) for item in value)
    return _certain(value)


def _forced_inside(value: Any) -> Any:
    if isinstance(value, Maybe):
        return force(value)
    if type(value) in (list, tuple):
        return type(value)(_forced_inside(item) for item in value)
    return value


def _forwarded(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        return getattr(force(self), name)(*(_forced_inside(arg) for arg in args))

    return method


def _arithmetic(function: Callable[[Any, Any], Any], swap: bool) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
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


def _settled(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        return getattr(_certain(self), name)(*args)

    return method


# Python does not raise on None here, so nothing may be assumed.
for _name in ("bool", "hash", "eq", "ne"):
    setattr(Maybe, f"__{_name}__", _settled(f"__{_name}__"))


# -- what is known of one --------------------------------------------------------------------------


def narrowed(value: Any) -> Any:
    """The value itself, or what stands for its absence, where that is known here."""
    while isinstance(value, Maybe):
        known = value.fx_session.known(value.present)
        if known is None:
            return value
        value = value.value if known else value.absent
    return value


def force(value: Any) -> Any:
    """The value, where using it makes Python raise if it is not there.

    Raises:
        UnsupportedError: a `try` around this line may catch what Python raises.
    """
    while isinstance(value, Maybe):
        session, (error, text) = value.fx_session, value.fx_error
        known = session.known(value.present)
        if known is False:
            raise raised_here(error(f"not so: {text}"))
        if known is None:
            if session.try_depth or session.name_tries:
                raise UnsupportedError(
                    "whether this raises depends on the input, and a `try` around it may catch it",
                    location=user_location(),
                    hint="test the condition with an if instead of catching the exception",
                )
            session.note("assumption", f"{text}; otherwise the model raises {error.__name__}")
            session.env.assume(value.present, text)
        value = value.value
    return value


def raised_here(error: Exception) -> Exception:
    """An exception that the program raises at its present line."""
    error.fx_raised = True  # type: ignore[attr-defined]
    error.fx_location = user_location()  # type: ignore[attr-defined]
    return error


def holds_maybe(value: Any) -> Maybe | None:
    """The first uncertain value in an argument, looked for in plain containers and slices."""
    if isinstance(value, Maybe):
        return value
    if isinstance(value, slice):
        value = (value.start, value.stop, value.step)
    if type(value) is dict:
        value = list(value.values())
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        for item in value:
            found = holds_maybe(item)
            if found is not None:
                return found
    return None


def one_of(value: Any, maybe: Maybe, choice: Any) -> Any:
    """An argument with one uncertain value in it settled."""
    if value is maybe:
        return choice
    if isinstance(value, slice):
        return slice(*(one_of(v, maybe, choice) for v in (value.start, value.stop, value.step)))
    if holds_maybe(value) is None:
        return value
    if type(value) is dict:
        return {key: one_of(item, maybe, choice) for key, item in value.items()}
    items = [one_of(item, maybe, choice) for item in value]
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


# -- merging ---------------------------------------------------------------------------------------


def absence_of(*values: Any) -> Any:
    """What the values may be instead of a value: UNSET, None, or `_CERTAIN` for neither."""
    for absent in (UNSET, None):
        if any(v is absent or (isinstance(v, Maybe) and v.absent is absent) for v in values):
            return absent
    return _CERTAIN


def is_certain(absent: Any) -> bool:
    """Whether `absence_of` found that there is always a value."""
    return absent is _CERTAIN


def lifted(value: Any, absent: Any) -> tuple[Any, Any]:
    """Presence and value of anything that may be absent in a certain way."""
    if isinstance(value, Maybe) and value.absent is absent:
        return value.present, value.value
    return (False, HOLE) if value is absent or value is HOLE else (True, value)


def error_for(absent: Any, place: str, values: tuple[Any, ...]) -> _Error:
    """What Python raises where the value is used and not there, and what holds otherwise."""
    for value in values:
        if isinstance(value, Maybe) and value.absent is absent:
            return value.fx_error
    if absent is None:
        return TypeError, "this value is not None here"
    if place.startswith("the key "):
        return KeyError, f"{place} is in the dict here"
    if "." in place:
        return AttributeError, f"{place} is there here"
    return UnboundLocalError, f"{place!r} is bound here"
