"""The methods of dicts some of whose keys may not be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from fxexport.capture.operators.conditionals import Conditionals
from fxexport.capture.operators.iteration import Iteration
from fxexport.capture.operators.lookups import Lookups, is_open_key
from fxexport.capture.operators.subscripts import Subscripts
from fxexport.capture.operators.writing import about_to_change
from fxexport.capture.recording.types import Function
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.session import Session
from fxexport.capture.values.identity import keep_apart
from fxexport.capture.values.maybe import Maybe, force
from fxexport.capture.values.symbolic_text import refuse_open_text
from fxexport.capture.values.uncertain_keys import is_uncertain, settled

__all__ = ["DictMethods"]

# Methods that need all keys, which Python's own may then do.
_NEED_ALL_KEYS = frozenset({"popitem", "move_to_end", "__iter__"})


class DictMethods:
    """What the methods of dicts become in rewritten code."""

    def __init__(
        self,
        session: Session,
        conditionals: Conditionals,
        subscripts: Subscripts,
        iteration: Iteration,
        lookups: Lookups,
    ) -> None:
        self._session = session
        self._conditionals = conditionals
        self._subscripts = subscripts
        self._iteration = iteration
        self._lookups = lookups
        self._methods: dict[str, Function] = {
            "get": self._get,
            "setdefault": self._setdefault,
            "pop": self._pop,
            "update": self._update,
        }

    def find(self, name: str, owner: dict[object, object]) -> Callable[..., object] | None:
        """What to call instead of a dict's method; None for the method itself.

        Raises:
            UnsupportedError: the method needs all keys, and not all are known.
        """
        own = self._methods.get(name)
        if own is not None:
            return lambda *args, **kwargs: own(owner, *args, **kwargs)
        if name in _NEED_ALL_KEYS:
            settled(owner)
        return None

    def _get(self, owner: dict[object, object], key: object, default: object = None) -> object:
        if is_open_key(key):
            return self._lookups.find(
                key, list(owner), lambda known: self._get(owner, known, default), lambda: default
            )
        keep_apart(self._session, key, owner)
        item = dict.get(owner, key, UNSET)
        if not is_uncertain(item):
            return default if item is UNSET else item
        return self._conditionals.if_exp(item.present, lambda: item.value, lambda: default)

    def _setdefault(
        self, owner: dict[object, object], key: object, default: object = None
    ) -> object:
        refuse_open_text(key)
        item = self._get(owner, key, default)
        self._subscripts.set_item(item, owner, key)
        return item

    def _pop(self, owner: dict[object, object], key: object, *default: object) -> object:
        refuse_open_text(key)
        item = self._get(owner, key, *default) if default else force(owner[key])
        about_to_change(self._session, owner)
        owner.pop(key, None)
        return item

    def _update(self, owner: dict[object, object], *others: Any, **more: object) -> None:
        for other in (*others, more):
            if isinstance(owner, Counter):
                settled(other)
                about_to_change(self._session, owner)
                type(owner).update(owner, other)
                continue
            for key, item in self._pairs(other):
                new = self._overlaid(owner, key, item) if is_uncertain(item) else item
                self._subscripts.set_item(new, owner, key)

    def _pairs(self, other: Any) -> Iterable[tuple[object, object]]:
        """Keys and items to put into a dict, each made when those before it are there."""
        if isinstance(other, dict):
            return list(other.items())
        if hasattr(other, "keys"):
            keys = self._iteration.iterate(other.keys())
            return ((key, self._subscripts.get_item(other, key)) for key in keys)
        # ``keys`` tells a mapping, as `dict.update` does, from an iterable of pairs.
        return (self._iteration.unpack(pair, 2) for pair in self._iteration.iterate(other))

    def _overlaid(self, owner: dict[object, object], key: object, item: Maybe) -> object:
        """An item that may be there, over the old value, which stays where it is not."""
        old = dict.get(owner, key, UNSET)
        if old is UNSET:
            return item
        return self._conditionals.if_exp(item.present, lambda: item.value, lambda: force(old))
