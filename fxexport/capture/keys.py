"""Dicts whose keys differ from way to way: an uncertain key's item is a `Maybe`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import ItemsView, KeysView, ValuesView
from typing import Any

import torch

from fxexport.capture.containers import keys_of
from fxexport.capture.frames import user_location
from fxexport.capture.journal import UNSET
from fxexport.capture.optional import Maybe, force, narrowed
from fxexport.errors import UnsupportedError

__all__ = [
    "DictMethods",
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


def joined_keys(a: Any, b: Any) -> list[Any] | None:
    """The keys of two dicts (or the attributes of two objects) in an order that fits both.

    Returns:
        None where the common keys come in two orders.
    """
    first, second = keys_of(a) or [], keys_of(b) or []
    common = set(first) & set(second)
    if [k for k in first if k in common] != [k for k in second if k in common]:
        return None
    joined: list[Any] = []
    rest = list(second)
    for key in first:
        if key in common:
            place = rest.index(key)
            joined.extend(rest[:place])
            rest = rest[place + 1 :]
        joined.append(key)
    return joined + rest


def aligned(value: Any, keys: list[Any]) -> list[Any]:
    """The items of a dict, or the attributes of an object, for some keys; UNSET for none."""
    items = value if isinstance(value, dict) else vars(value)
    return [items.get(key, UNSET) for key in keys]


def is_uncertain(value: Any) -> bool:
    """Whether this stands where there may be no key, attribute or variable."""
    return isinstance(value, Maybe) and value.absent is UNSET


def settled(value: Any) -> Any:
    """A value that Python is about to go through; a dict's keys must all be known.

    Raises:
        UnsupportedError: whether a key is there is known only when the model runs.
    """
    items = value
    if isinstance(value, Maybe):
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
                    hint="give the key a value on every way, None for example",
                )
    return value


def is_iterator(value: Any) -> bool:
    """Whether going through a value uses it up."""
    return hasattr(type(value), "__next__") and not isinstance(value, (torch.Tensor, Maybe))


def presence(container: dict[Any, Any], key: Any) -> Any:
    """Whether a key is in a dict: a bool or a SymBool."""
    item = dict.get(container, key, UNSET)
    if is_uncertain(item):
        item = narrowed(item) if item.present is not True else True
    return item.present if is_uncertain(item) else item is not UNSET


def count_of(container: dict[Any, Any]) -> Any:
    """The number of keys that are there."""
    total: Any = 0
    for key in container:
        here = presence(container, key)
        total = total + (here if isinstance(here, bool) else torch.sym_ite(here, 1, 0))
    return total


def place_key(container: dict[Any, Any], key: Any, value: Any) -> Any:
    """What to store under a key; its place is unknown if it was there on some ways only."""
    old = dict.get(container, key, UNSET)
    if not is_uncertain(old) or next(reversed(container)) == key:
        return value
    return Maybe(old.fx_session, True, value, UNSET, old.fx_error)


class DictMethods:
    """The methods of dicts some of whose keys may not be there."""

    def __init__(self, operators: Any) -> None:
        self._operators = operators

    def find(self, method: Any, owner: dict[Any, Any]) -> Any:
        """What to call instead of a bound method; None for the method itself."""
        own = getattr(self, f"_{method.__name__}", None)
        if own is not None:
            return lambda *args, **kwargs: own(owner, *args, **kwargs)
        if method.__name__ in ("keys", "values", "items", "popitem", "move_to_end", "__iter__"):
            settled(owner)
        return None

    def _get(self, owner: dict[Any, Any], key: Any, default: Any = None) -> Any:
        item = dict.get(owner, key, UNSET)
        if not is_uncertain(item):
            return default if item is UNSET else item
        return self._operators.if_exp(item.present, lambda: item.value, lambda: default, ())

    def _setdefault(self, owner: dict[Any, Any], key: Any, default: Any = None) -> Any:
        item = self._get(owner, key, default)
        self._operators.set_item(item, owner, key)
        return item

    def _pop(self, owner: dict[Any, Any], key: Any, *default: Any) -> Any:
        item = self._get(owner, key, *default) if default else force(owner[key])
        self._operators.touch(owner)
        owner.pop(key, None)
        return item

    def _update(self, owner: dict[Any, Any], *others: Any, **more: Any) -> None:
        for other in (*others, more):
            pairs = other.items() if isinstance(other, dict) else dict(other).items()
            if isinstance(owner, Counter):
                settled(other)
                self._operators.touch(owner)
                type(owner).update(owner, other)
                continue
            for key, item in list(pairs):
                if is_uncertain(item):
                    old = self._operators.if_exp  # the old value stays where there is no new one
                    item = self._overlaid(owner, key, item, old)
                self._operators.set_item(item, owner, key)

    def _overlaid(self, owner: dict[Any, Any], key: Any, item: Maybe, choose: Any) -> Any:
        old = dict.get(owner, key, UNSET)
        if old is UNSET:
            return item
        return choose(item.present, lambda: item.value, lambda: force(old), ())

    def missing(self, owner: dict[Any, Any], key: Any) -> Any:
        """``owner[key]`` of a dict that has a value for every key."""
        item = owner[key]
        if isinstance(owner, defaultdict) and owner.default_factory is not None:
            make = self._operators.call(owner.default_factory)
            value = self._operators.if_exp(item.present, lambda: item.value, make, ())
            self._operators.set_item(value, owner, key)
            return value
        if isinstance(owner, Counter):
            return self._operators.if_exp(item.present, lambda: item.value, lambda: 0, ())
        return force(item)
