"""Sets whose elements differ between paths: an uncertain element is held as a `Perhaps`."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.values.symbolic_text import text_of

__all__ = [
    "Group",
    "Perhaps",
    "elements_of",
    "group_like",
    "holds_perhaps",
    "in_order",
    "is_of_constants",
]

Group = set[Any] | frozenset[Any]

# What is told apart by its value; a set of other things is not taken apart.
_CONSTANTS = (bool, int, float, complex, str, bytes, type(None), enum.Enum, type, torch.dtype)


class Perhaps:
    """An element of a set that is in it on some ways.

    Attributes:
        element: the element.
        present: whether it is there: a SymBool (while a branch is merged: what stands for one).
    """

    def __init__(self, element: Value, present: Value) -> None:
        self.element, self.present = element, present

    def __repr__(self) -> str:
        return text_of("what may be in a set")

    def __deepcopy__(self, memo: dict[int, object]) -> Perhaps:
        return self


def is_of_constants(value: object) -> TypeGuard[Group]:
    """Whether a value is a set of constants, some of which may not be there."""
    if type(value) is not set and type(value) is not frozenset:
        return False
    return all(map(_is_constant, value))


def _is_constant(element: object) -> bool:
    if isinstance(element, Perhaps):
        return True
    if isinstance(element, tuple):
        return all(map(_is_constant, element))
    return isinstance(element, _CONSTANTS)


def holds_perhaps(value: object) -> TypeGuard[Group]:
    """Whether a value is a set some of whose elements may not be there."""
    if not isinstance(value, (set, frozenset)):
        return False
    return any(isinstance(element, Perhaps) for element in value)


def in_order(elements: Iterable[Value]) -> list[Value]:
    """Elements in an order that is the same in each process."""
    return sorted(elements, key=lambda one: (type(one).__name__, str(one)))


def elements_of(group: Group) -> dict[Any, Any]:
    """Each element of a set, and whether it is there: True or a SymBool."""
    found = {
        one.element if isinstance(one, Perhaps) else one: (
            one.present if isinstance(one, Perhaps) else True
        )
        for one in group
    }
    return {element: found[element] for element in in_order(found)}


def group_like(like: Group, elements: Mapping[Any, Any]) -> Group:
    """A set of the kind of another one; `elements` says of each element whether it is there."""
    return type(like)(
        element if present is True else Perhaps(element, present)
        for element, present in elements.items()
        if present is not False
    )
