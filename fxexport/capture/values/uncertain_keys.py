"""Dicts whose keys differ between paths: an uncertain key's item is a `Maybe`."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, ValuesView
from typing import Any, TypeGuard

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.session import Session
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.containers import keyed_like, keys_of
from fxexport.capture.values.maybe import Maybe, narrowed
from fxexport.capture.values.uncertain_sets import (
    Group,
    elements_of,
    group_like,
    holds_perhaps,
    in_order,
)
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = [
    "VIEWS",
    "aligned",
    "count_of",
    "is_iterator",
    "is_uncertain",
    "joined_keys",
    "name_of_key",
    "place_key",
    "presence",
    "settled",
    "with_and_without",
]

VIEWS: tuple[type, ...] = (
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
    if isinstance(a, (set, frozenset)):
        return in_order({*first, *second})
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
    """The items of a dict, or the attributes of an object, for some keys; UNSET for none.

    Of a set, whether it has each of these elements.
    """
    if isinstance(value, (set, frozenset)):
        there = elements_of(value)
        return [there.get(key, False) for key in keys]
    items = value if isinstance(value, dict) else vars(value)
    return [items.get(key, UNSET) for key in keys]


def name_of_key(value: object, key: object) -> str:
    """What messages call the item of a dict, or an attribute of an object."""
    return f"the key {key!r}" if isinstance(value, dict) else f"{type(value).__name__}.{key}"


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
    if holds_perhaps(value):
        raise UnsupportedError(
            "all elements of a set are needed here, and which those are is known only when the "
            "model runs",
            code=Code.UNKNOWN_KEYS,
            location=user_location(),
            hint="ask for each of them: `if element in elements`",
        )
    if isinstance(value, VIEWS):
        items = getattr(value, "mapping", None)
    if not hasattr(items, "values") or isinstance(items, torch.Tensor):
        return value
    if isinstance(items, dict) or items is not value:
        for key, item in items.items():
            if is_uncertain(item):
                raise UnsupportedError(
                    f"all keys of a dict are needed here, and whether {key!r} is among them (or "
                    "where) is known only when the model runs",
                    code=Code.UNKNOWN_KEYS,
                    location=user_location(),
                    hint="give the key a value on every path, None for example",
                )
    return value


def with_and_without(session: Session, value: Any) -> Value:
    """A dict, a view of one, or a set as a choice: with its first uncertain key, and without it.

    Returns:
        The value itself where all keys are known, or where the place of one depends on more than
        whether it is there.
    """
    if holds_perhaps(value):
        return _set_with_and_without(session, value)
    if not isinstance(value, (dict, *VIEWS)):
        return value
    owner = value if isinstance(value, dict) else dict(getattr(value, "mapping", {}))
    if any(is_uncertain(item) and item.present is True for item in owner.values()):
        return value
    items = [(key, narrowed(item) if is_uncertain(item) else item) for key, item in owner.items()]
    certain = {key: item for key, item in items if item is not UNSET}
    first = next((key for key, item in certain.items() if is_uncertain(item)), None)
    if first is None:
        known = len(certain) == len(owner) and not any(map(is_uncertain, owner.values()))
        return value if known else _seen_alike(value, owner, certain)
    item = certain[first]
    there = {**certain, first: item.value}
    del certain[first]
    flags = [item.present, torch.sym_not(item.present)]
    return Choice(
        item.fx_session, flags, [_seen_alike(value, owner, each) for each in (there, certain)]
    )


def _set_with_and_without(session: Session, group: Group) -> Value:
    there = elements_of(group)
    known = {
        key: present if present is True else session.known(present)
        for key, present in there.items()
    }
    first = next((key for key, present in known.items() if present is None), None)
    certain = {key: there[key] if present is None else present for key, present in known.items()}
    if first is None:
        return group_like(group, certain)
    flags = [there[first], torch.sym_not(there[first])]
    both = [group_like(group, {**certain, first: present}) for present in (True, False)]
    return Choice(session, flags, both)


def _seen_alike(value: object, owner: dict[Any, Any], items: dict[Any, Any]) -> object:
    """A dict with other items, or a view of it where a value is one."""
    made: Any = keyed_like(owner, list(items), list(items.values()))
    if not isinstance(value, VIEWS):
        return made
    if isinstance(value, (KeysView, VIEWS[0])):
        return made.keys()
    return made.items() if isinstance(value, (ItemsView, VIEWS[2])) else made.values()


def is_iterator(value: object) -> bool:
    """Whether going through a value uses it up."""
    return hasattr(type(value), "__next__") and not isinstance(value, (torch.Tensor, Maybe, Choice))


def presence(container: dict[object, object], key: object) -> bool | torch.SymBool:
    """Whether a key is in a dict: a bool or a SymBool."""
    item: Any = dict.get(container, key, UNSET)
    if is_uncertain(item):
        item = narrowed(item) if item.present is not True else True
    return item.present if is_uncertain(item) else item is not UNSET


def count_of(container: dict[object, object] | Group) -> Any:
    """The number of keys or elements that are there."""
    total: Any = 0
    if isinstance(container, dict):
        there = [presence(container, key) for key in container]
    else:
        there = list(elements_of(container).values())
    for here in there:
        # As an int: PyTorch 2.11 adds a bool to a SymInt as a truth value, and fails.
        total = total + (int(here) if isinstance(here, bool) else torch.sym_ite(here, 1, 0))
    return total


def place_key(container: dict[object, object], key: object, value: object) -> object:
    """What to store under a key; its place is unknown if it was there on some ways only."""
    old = dict.get(container, key, UNSET)
    if not is_uncertain(old) or next(reversed(container)) == key:
        return value
    return Maybe(old.fx_session, True, value, UNSET, old.fx_error)
