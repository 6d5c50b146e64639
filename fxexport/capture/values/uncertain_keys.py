"""Dicts whose keys differ between paths: an uncertain key's item is a `Maybe`."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, ValuesView
from typing import Any, TypeGuard

import torch

from fxexport.capture.session.journal import UNSET
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.containers import keys_of
from fxexport.capture.values.maybe import Maybe, narrowed
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = [
    "aligned",
    "count_of",
    "is_iterator",
    "is_uncertain",
    "joined_keys",
    "place_key",
    "presence",
    "settled",
]

_VIEWS: tuple[type, ...] = (
    type({}.keys()),
    type({}.values()),
    type({}.items()),
    KeysView,
    ValuesView,
    ItemsView,
)


def joined_keys(a: object, b: object) -> list[object] | None:
    """The keys of two dicts (or the attributes of two objects) in an order that fits both.

    Returns:
        None where the common keys of dicts come in two orders. The order of attributes does not
        matter: only `vars` shows it.
    """
    first, second = keys_of(a) or [], keys_of(b) or []
    common = set(first) & set(second)
    if not isinstance(a, dict):
        return first + [key for key in second if key not in common]
    if [k for k in first if k in common] != [k for k in second if k in common]:
        return None
    joined: list[object] = []
    rest = list(second)
    for key in first:
        if key in common:
            index = rest.index(key)
            joined.extend(rest[:index])
            rest = rest[index + 1 :]
        joined.append(key)
    return joined + rest


def aligned(value: object, keys: list[Any]) -> list[object]:
    """The items of a dict, or the attributes of an object, for some keys; UNSET for none."""
    items = value if isinstance(value, dict) else vars(value)
    return [items.get(key, UNSET) for key in keys]


def is_uncertain(value: object) -> TypeGuard[Maybe]:
    """Whether this stands where there may be no key, attribute or variable."""
    return isinstance(value, Maybe) and value.absent is UNSET


def settled(value: Any) -> object:
    """A value that Python is about to go through; a dict's keys must all be known.

    Raises:
        UnsupportedError: whether a key is there is known only when the model runs.
    """
    items = value
    if isinstance(value, (Maybe, Choice)):
        return value
    if isinstance(value, _VIEWS):
        items = getattr(value, "mapping", None)
    if not hasattr(items, "values") or isinstance(items, torch.Tensor):
        return value
    if isinstance(items, dict) or items is not value:
        for key, item in items.items():
            if is_uncertain(item):
                raise UnsupportedError(
                    f"all keys of a dict are needed here, and whether {key!r} is among them (or "
                    "where) is known only when the model runs",
                    location=user_location(),
                    hint="give the key a value on every path, None for example",
                )
    return value


def is_iterator(value: object) -> bool:
    """Whether going through a value uses it up."""
    return hasattr(type(value), "__next__") and not isinstance(value, (torch.Tensor, Maybe, Choice))


def presence(container: dict[object, object], key: object) -> bool | torch.SymBool:
    """Whether a key is in a dict: a bool or a SymBool."""
    item: Any = dict.get(container, key, UNSET)
    if is_uncertain(item):
        item = narrowed(item) if item.present is not True else True
    return item.present if is_uncertain(item) else item is not UNSET


def count_of(container: dict[object, object]) -> Any:
    """The number of keys that are there."""
    total: Any = 0
    for key in container:
        here = presence(container, key)
        total = total + (here if isinstance(here, bool) else torch.sym_ite(here, 1, 0))
    return total


def place_key(container: dict[object, object], key: object, value: object) -> object:
    """What to store under a key; its place is unknown if it was there on some ways only."""
    old = dict.get(container, key, UNSET)
    if not is_uncertain(old) or next(reversed(container)) == key:
        return value
    return Maybe(old.fx_session, True, value, UNSET, old.fx_error)
