"""Which objects are taken apart, and how: those of registered classes, and others by attributes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fxexport import _torch_compat as compat
from fxexport.containers import transformers_caches
from fxexport.containers.objects import attributes_of, fresh, holds_tensors
from fxexport.registration import Registration

__all__ = ["ContainerForm", "declared_form", "form_of", "joined_path", "register_container"]


@dataclass(frozen=True)
class ContainerForm:
    """How objects of a class are taken apart.

    Attributes:
        parts: gives what an object holds, by name, in order: tensors, numbers, containers of them.
        rebuild: makes an object like another one around other parts: ``rebuild(like, parts)``.
        counts: tells the numbers, by name, that change with each call: they are always inputs.
        as_output: what an object that the model returns is called, wherever in the result it is;
            "" for the name of its place.
    """

    parts: Callable[[Any], Mapping[str, Any]]
    rebuild: Callable[[Any, Mapping[str, Any]], Any]
    counts: Callable[[str], bool] = lambda name: False
    as_output: str = ""


_REGISTERED: dict[type, ContainerForm] = {}


def register_container(
    cls: type,
    parts: Callable[[Any], Mapping[str, Any]],
    rebuild: Callable[[Any, Mapping[str, Any]], Any],
) -> Registration:
    """Says what objects of a class hold, where they are arguments or results of a model.

    Without it, the inputs of a file are the tensors and the public numbers among an object's
    attributes. Classes that are registered with `torch.utils.pytree` need nothing else.

    Args:
        cls: the class; subclasses are meant as well.
        parts: called with an object; gives what it holds by name: tensors, numbers, and containers
            of them. The file's names are those of the argument and of the parts, with ``_``
            between; a part whose name begins with a dot is joined by it (``past.0.key``).
        rebuild: called as ``rebuild(like, parts)`` with an object and other values by the same
            names; gives a new object that holds them, and leaves `like` as it is.

    Returns:
        A handle whose ``remove()`` undoes it; it is a context manager as well.

    Raises:
        TypeError: an argument is of another kind.

    Example:
        >>> register_container(
        ...     Box, lambda box: {"items": box.items}, lambda like, parts: Box(parts["items"])
        ... )
    """
    if not isinstance(cls, type):
        raise TypeError(f"register_container expects a class, got {cls!r}")
    for name, given in (("parts", parts), ("rebuild", rebuild)):
        if not callable(given):
            raise TypeError(f"register_container expects a function as {name}, got {given!r}")
    return Registration(_REGISTERED, cls, ContainerForm(parts, rebuild))


def declared_form(value: object) -> ContainerForm | None:
    """How an object of a class is taken apart that somebody has said it of; None of others."""
    for cls in type(value).__mro__:
        if cls in _REGISTERED:
            return _REGISTERED[cls]
    if transformers_caches.is_cache(value):
        return _CACHE
    if _is_known_otherwise(value) or not compat.is_pytree_class(type(value)):
        return None
    return _PYTREE


def form_of(value: object) -> ContainerForm | None:
    """How an object is taken apart; None of lists, dicts, dataclasses, and what has no tensors."""
    form = declared_form(value)
    if form is not None or _is_known_otherwise(value):
        return form
    return _OBJECT if attributes_of(value) and holds_tensors(value) else None


def _is_known_otherwise(value: object) -> bool:
    return isinstance(value, (list, tuple, Mapping)) or dataclasses.is_dataclass(value)


def joined_path(path: str, part: str) -> str:
    """The path of a part of what is at a path; of the whole it is empty."""
    if not path or not part:
        return path or part.removeprefix(".")
    return f"{path}{part}" if part.startswith(".") else f"{path}_{part}"


def _attributes_that_are_inputs(value: object) -> dict[str, Any]:
    """The attributes that hold tensors, and the numbers with a public name."""
    return {
        name: part
        for name, part in attributes_of(value).items()
        if holds_tensors(part) or (type(part) in (int, float) and not name.startswith("_"))
    }


def _with_attributes(like: Any, parts: Mapping[str, Any]) -> Any:
    before = attributes_of(like)
    made = fresh(like, {id(before[name]): part for name, part in parts.items()})
    for name, part in parts.items():
        object.__setattr__(made, name, part)  # frozen objects as well: this one is ours
    return made


_OBJECT = ContainerForm(_attributes_that_are_inputs, _with_attributes)
_CACHE = ContainerForm(
    transformers_caches.parts_of,
    transformers_caches.with_parts,
    transformers_caches.is_count,
    "present",
)
_PYTREE = ContainerForm(compat.pytree_parts, compat.pytree_like)
