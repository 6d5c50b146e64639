"""Containers that are merged item by item: taking them apart, and building one like another."""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections import defaultdict, deque
from collections.abc import Iterator
from types import BuiltinMethodType, FunctionType, MethodType, SimpleNamespace
from typing import Any, cast

import torch

from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.session import Poison
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.exceptions import (
    exception_like,
    exception_parts,
    fill_exception,
    of_one_exception_form,
)
from fxexport.capture.values.functions import function_alike, function_like, function_parts
from fxexport.capture.values.maybe import Maybe
from fxexport.capture.values.uncertain_sets import elements_of, group_like, is_of_constants

__all__ = [
    "has_identity",
    "holds_choice",
    "is_mutable",
    "is_plain_object",
    "keyed_like",
    "keys_of",
    "objects_in",
    "of_one_form",
    "parts_of",
    "rebuild_like",
    "refill",
    "same_kind",
    "state_beside",
]

_HEAP_TYPE = 1 << 9
# Objects of these packages are none of the model's own state.
_FOREIGN = frozenset({"torch", "numpy", "fxexport", "functools", "typing", "types", "collections"})


def is_plain_object(value: object) -> bool:
    """An object of an ordinary Python class, all of whose state is in its ``__dict__``."""
    if type(value) is SimpleNamespace:
        return True
    kind = type(value)
    if not kind.__flags__ & _HEAP_TYPE or not hasattr(value, "__dict__"):
        return False
    if isinstance(value, (torch.nn.Module, torch.Tensor, type, enum.Enum, BaseException)):
        return False
    if isinstance(value, (list, dict, tuple, set, frozenset, deque, str, int, float, bytes)):
        return False
    if kind.__module__.split(".")[0] in _FOREIGN or isinstance(value, (Maybe, Poison)):
        return False
    if getattr(kind, "__new__") is not object.__new__:  # noqa: B009
        return False
    return not any(vars(base).get("__slots__") for base in kind.__mro__[:-1])


def _is_dataclass(value: object) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _by_fields(value: object) -> bool:
    """A dataclass that has only its fields, which an object's own dict may not show."""
    return _is_dataclass(value) and not is_plain_object(value)


def state_beside(value: object) -> dict[str, object]:
    """What a container carries beside its items: attributes of its own, and its settings."""
    if isinstance(value, BaseException):
        return {}
    beside = (
        {} if _is_dataclass(value) or is_plain_object(value) else {**getattr(value, "__dict__", {})}
    )
    for name in ("maxlen", "default_factory"):
        if hasattr(value, name) and isinstance(value, (deque, defaultdict)):
            beside[name] = getattr(value, name)
    return beside


def parts_of(value: Any) -> list[object] | None:
    """The items of a container that is merged item by item; None for any other value."""
    if isinstance(value, Maybe):
        return [value.present, value.value]
    if isinstance(value, Choice):
        return [*value.flags, *value.values]
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (list, tuple, deque)):
        return list(value)
    if isinstance(value, BaseException):
        return exception_parts(value)
    if is_of_constants(value):
        return list(elements_of(value).values())
    if _by_fields(value):
        return [getattr(value, field.name, UNSET) for field in dataclasses.fields(value)]
    if type(value) is functools.partial:
        return [*_made_in(value), *value.args, *value.keywords.values()]
    if isinstance(value, _Method):
        return [value.owner]
    if _is_method_of_a_value(value):
        return [value.__self__]
    if type(value) is FunctionType:
        return function_parts(value, parts_of)
    if is_plain_object(value):
        return list(vars(value).values())
    return None


def _made_in(value: functools.partial[object]) -> list[object]:
    """The function of a partial call, where it may have parts."""
    return [value.func] if type(value.func) is FunctionType else []


def holds_choice(value: object) -> bool:
    """Whether a value is one of several, or has such a part."""
    return isinstance(value, Choice) or any(map(holds_choice, parts_of(value) or []))


def keys_of(value: object) -> list[object] | None:
    """The keys of a dict, the elements of a set, or the names of an object's attributes.

    Returns:
        None for a sequence.
    """
    if isinstance(value, dict):
        return list(value)
    if is_of_constants(value):
        return list(elements_of(value))
    if isinstance(value, (Maybe, Choice)) or not is_plain_object(value):
        return None
    return list(vars(value))


class _Method:
    """A method of a tensor that is there only when a branch has been merged."""

    def __init__(self, owner: object, name: str) -> None:
        self.owner, self.name = owner, name


def _is_method_of_a_value(value: object) -> bool:
    """A method bound to an object or tensor of the program, which may itself be merged."""
    if type(value) is MethodType:
        return is_plain_object(value.__self__)
    return type(value) is BuiltinMethodType and isinstance(value.__self__, torch.Tensor)


def of_one_form(a: object, b: object) -> bool:
    """Whether two values are tensors that one tensor can stand for."""
    if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):
        return False
    return a.dim() == b.dim() and a.dtype == b.dtype


def same_kind(a: object, b: object) -> bool:
    """Whether two values are of one type; a Size becomes a tuple where it is merged.

    Of two partial calls or bound methods, the function must be the same as well; functions of one
    code may differ in what they hold.
    """
    if isinstance(a, BaseException) and isinstance(b, BaseException):
        return of_one_exception_form(a, b)
    if type(a) is FunctionType and type(b) is FunctionType:
        return function_alike(a, b)
    if type(a) is functools.partial and type(b) is functools.partial:
        same = a.func == b.func or (bool(_made_in(a) and _made_in(b)) and same_kind(a.func, b.func))
        return same and list(a.keywords) == list(b.keywords)
    if type(a) is MethodType and type(b) is MethodType:
        return a.__func__ is b.__func__
    if type(a) is BuiltinMethodType and type(b) is BuiltinMethodType:
        return a.__name__ == b.__name__ and of_one_form(a.__self__, b.__self__)
    kinds = (tuple if isinstance(value, torch.Size) else type(value) for value in (a, b))
    return next(kinds) is next(kinds)


def rebuild_like(value: Any, items: list[Any]) -> object:
    """A container like `value` (list, tuple, named tuple, dict, object, …) around other items."""
    if isinstance(value, Maybe):
        return value.like(*items)
    if isinstance(value, Choice):
        return value.like(items)
    if isinstance(value, dict):
        return keyed_like(value, list(value), items)
    if isinstance(value, BaseException):
        return exception_like(value, items)
    if isinstance(value, (set, frozenset)):
        return keyed_like(value, list(elements_of(value)), items)
    if type(value) is functools.partial:
        called, *items = items if _made_in(value) else [value.func, *items]
        count = len(value.args)
        named = dict(zip(value.keywords, items[count:], strict=True))
        return functools.partial(called, *items[:count], **named)
    if type(value) is FunctionType:
        return function_like(value, items)
    if type(value) is MethodType:
        return MethodType(value.__func__, items[0])
    if isinstance(value, (_Method, BuiltinMethodType)):
        name = value.name if isinstance(value, _Method) else value.__name__
        there = isinstance(items[0], torch.Tensor)
        return getattr(items[0], name) if there else _Method(items[0], name)
    if _is_dataclass(value) or is_plain_object(value):
        clone: object = _bare(type(value))
        getattr(clone, "__dict__", {}).update(getattr(value, "__dict__", {}))
        refill(clone, items, like=value)
        return clone
    if isinstance(value, deque):
        return type(value)(items, value.maxlen)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*items)
    if isinstance(value, torch.Size):
        return tuple(items)
    return type(value)(items)


def _bare(kind: Any) -> Any:
    return kind.__new__(kind)


def keyed_like(value: object, keys: list[Any], items: list[object]) -> object:
    """A dict, set or object like `value` with other keys, elements or attributes."""
    if isinstance(value, (set, frozenset)):
        return group_like(value, dict(zip(keys, items, strict=True)))
    if not isinstance(value, dict):
        clone: object = _bare(type(value))
        clone.__dict__.update(zip(keys, items, strict=True))
        return clone
    if isinstance(value, defaultdict):
        made: Any = type(value)(value.default_factory)
    else:
        made = type(value)()
    if not _is_dataclass(value):
        getattr(made, "__dict__", {}).update(getattr(value, "__dict__", {}))
    for key, item in zip(keys, items, strict=True):
        made[key] = item
    return made


def is_mutable(value: object) -> bool:
    """Whether a container can be written to where it is."""
    if isinstance(value, (list, dict, deque, set, BaseException)):
        return True
    if _is_dataclass(value):
        return not type(value).__dataclass_params__.frozen  # type: ignore[attr-defined]
    return is_plain_object(value)


def objects_in(value: object) -> Iterator[object]:
    """The objects in a value that can be written to where they are, itself first."""
    if is_mutable(value):
        yield value
    for part in parts_of(value) or []:
        yield from objects_in(part)


def has_identity(value: object) -> bool:
    """Whether a program may well ask which object a container is: one to write to, or to call."""
    return type(value) is FunctionType or is_mutable(value)


def refill(container: Any, items: list[object], like: Any = None) -> None:
    """Gives a mutable container of ours other items, in the order of `parts_of`."""
    like = container if like is None else like
    if isinstance(container, BaseException):
        fill_exception(container, items)
    elif isinstance(container, list):
        container[:] = items
    elif isinstance(container, dict):
        for key, item in zip(list(container), items, strict=True):
            container[key] = item
    elif isinstance(container, set):
        filled = keyed_like(container, list(elements_of(container)), items)
        container.clear()
        container.update(cast("set[Any]", filled))
    elif isinstance(container, deque):
        container.clear()
        container.extend(items)
    elif _by_fields(like):
        for field, item in zip(dataclasses.fields(like), items, strict=True):
            object.__setattr__(container, field.name, item)
    else:
        container.__dict__.update(zip(vars(like), items, strict=True))
