"""What outputs the parts of a result can be: the forms of values, and of the items of lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, cast

from fxexport.capture.recording.types import Value
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.staging.patterns import ListOf, Number, Packed, Parts, Pattern
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.kinds import leaf_kind
from fxexport.capture.values.maybe import Maybe
from fxexport.capture.values.uncertain_keys import joined_keys
from fxexport.graph.outputs import items_of

__all__ = [
    "form_of",
    "holds_lists",
    "in_one_order",
    "is_uncertain",
    "named",
    "numbers_in_lists",
    "of_form",
]


def form_of(value: object) -> str | None:
    """What outputs a value can be: a number or tensor, text, a list of any length, or its parts."""
    if leaf_kind(value) is not None:
        return "number"
    if isinstance(value, str):
        return "text"
    if is_open(value):
        return "list"
    return "parts" if items_of(value) or isinstance(value, (list, tuple, dict)) else None


def of_form(form: str | None) -> Callable[[Value], Value]:
    """Gives a value of this form as it is, and UNSET for others."""
    return lambda value: value if form_of(value) == form else UNSET


def named(name: str) -> Callable[[Value], Value]:
    """Gives the part of a container that has a name, or UNSET."""
    return lambda value: dict(items_of(value)).get(name, UNSET)


def in_one_order(items: Sequence[dict[str, object]]) -> list[str] | None:
    """The names in all of these, in an order that fits each; None where there is none."""
    names = list(items[0])
    for more in items[1:]:
        joined = joined_keys(dict.fromkeys(names), more)
        if joined is None:
            return None
        names = cast("list[str]", joined)
    return names


def is_uncertain(pattern: Pattern) -> bool:
    """Whether an item of a list may be None, or is one of several things, or has such a part."""
    if isinstance(pattern, Packed):
        return is_uncertain(pattern.element)
    if not isinstance(pattern, Parts):
        return False
    return isinstance(pattern.like, (Maybe, Choice)) or any(map(is_uncertain, pattern.items))


def numbers_in_lists(element: Pattern) -> Literal["", "int", "float", "bool"]:
    """The kind of the numbers, where an item of a list is a list of numbers."""
    if isinstance(element, Packed) and isinstance(element.element, Number):
        return cast('Literal["int", "float", "bool"]', element.element.kind.__name__)
    return ""


def holds_lists(pattern: Pattern) -> bool:
    """Whether an item of a list is, or has in it, a list of varying length."""
    if isinstance(pattern, Parts):
        return any(map(holds_lists, pattern.items))
    return isinstance(pattern, (ListOf, Packed))
