"""What outputs the parts of a result can be: the forms of values, and of the items of lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from fxexport.capture.recording.types import Value
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.list_runs import Spread, is_open
from fxexport.capture.staging.patterns import ListOf, Number, Packed, Parts, Pattern, leaves_of
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.kinds import leaf_kind
from fxexport.capture.values.maybe import Maybe
from fxexport.capture.values.uncertain_keys import joined_keys
from fxexport.codes.ids import Code
from fxexport.containers import joined_path
from fxexport.errors import UnsupportedError
from fxexport.graph.outputs import item_names, items_of
from fxexport.source.location import SourceLocation

__all__ = [
    "ItemLeaf",
    "form_of",
    "in_one_order",
    "item_leaves",
    "named",
    "of_form",
]

ItemKind: TypeAlias = Literal["tensor", "int", "float", "bool"]


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


@dataclass
class ItemLeaf:
    """A leaf of an item of a list.

    Attributes:
        kind: what it is.
        list_at: of a list of numbers, which is a tensor of one dimension, where in the item it is.
        tells: of a flag that says whether another leaf is there, what is taken for granted.
    """

    kind: ItemKind
    list_at: str | None = None
    tells: str = ""


def item_leaves(spread: Spread) -> Iterator[ItemLeaf]:
    """The leaves of an item of a list, one for each of its columns.

    Raises:
        UnsupportedError: no sequence can hold the items.
    """
    return _leaves(spread.element, "", spread.location)


def _leaves(pattern: Pattern, path: str, location: SourceLocation | None) -> Iterator[ItemLeaf]:
    if isinstance(pattern, Packed) and isinstance(pattern.element, Number):
        yield ItemLeaf("tensor", path)
    elif isinstance(pattern, Parts) and isinstance(pattern.like, (Maybe, Choice)):
        if isinstance(pattern.like, Choice) or pattern.like.absent is None:
            raise UnsupportedError(
                "the model returns a list whose length is known only when the model runs, and "
                "whose items may be None or of several kinds",
                code=Code.RESULT,
                location=location,
                hint="return a list for each kind, or tensors of one dtype and rank",
            )
        text = f"every item of the list that is returned has {path!r}"
        yield from (ItemLeaf("bool", None, text) for _ in leaves_of(pattern.items[0]))
        yield from _leaves(pattern.items[1], path, location)
    elif isinstance(pattern, (ListOf, Packed)):
        raise UnsupportedError(
            "the model returns a list of lists of tensors or of other things than numbers, and how "
            "many items they have is known only when the model runs",
            code=Code.RESULT,
            location=location,
            hint="return one list for all items, or a tensor (torch.tensor(lists))",
        )
    elif isinstance(pattern, Parts):
        names = item_names(pattern.like)
        if len(names) != len(pattern.items):
            names = [""] * len(pattern.items)
        for name, item in zip(names, pattern.items, strict=True):
            yield from _leaves(item, joined_path(path, name), location)
    else:
        for leaf in leaves_of(pattern):
            kind = leaf.kind.__name__ if isinstance(leaf, Number) else "tensor"
            yield ItemLeaf(cast("ItemKind", kind))
