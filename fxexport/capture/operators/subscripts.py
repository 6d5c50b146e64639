"""What reads and writes of subscripts become in rewritten code."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict, deque
from typing import Any

import torch

from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.conditionals import Conditionals
from fxexport.capture.operators.lookups import Lookups, is_open_key
from fxexport.capture.operators.open_lists import OpenLists
from fxexport.capture.operators.special_methods import special_method
from fxexport.capture.operators.writing import about_to_change
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.session import Session, is_symbolic
from fxexport.capture.staging.alternatives import for_each, is_one_of_tensors
from fxexport.capture.staging.chosen_tensors import view_of_each
from fxexport.capture.values.identity import keep_apart
from fxexport.capture.values.maybe import Maybe, force, narrowed, uncertain_in
from fxexport.capture.values.symbolic_text import refuse_open_text
from fxexport.capture.values.uncertain_keys import place_key
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import errors_of_the_program, note_raised
from fxexport.source.frames import user_location

__all__ = ["Subscripts"]

# A list of at most so many items is read or written at a dynamic index by a chain of branches.
_LONGEST_CHAIN = 64
_ORDERED = (list, tuple, deque, str, torch.nn.ModuleList, torch.nn.ParameterList)
_KEYED = (dict, torch.nn.ModuleDict, torch.nn.ParameterDict)


class Subscripts:
    """The operators on subscripts.

    Args:
        session: the capture.
        conditionals: stage a choice between items.
        calls: call the special methods of the program's classes.
        lists: what lists of varying length do.
        lookups: find an item by a key that only the run knows.
    """

    def __init__(
        self,
        session: Session,
        conditionals: Conditionals,
        calls: Calls,
        lists: OpenLists,
        lookups: Lookups,
    ) -> None:
        self._session = session
        self._conditionals = conditionals
        self._calls = calls
        self._lists = lists
        self._lookups = lookups

    def get_item(self, container: Any, key: Any) -> object:
        """``container[key]``."""
        container = narrowed(container)
        if is_one_of_tensors(container):
            return view_of_each(self._session, container, lambda one: self.get_item(one, key))
        return self._get_item(container, key)

    @for_each(0, 1)
    def _get_item(self, container: Any, key: Any) -> object:
        container = force(container)
        if uncertain_in(key) is not None:
            return self._calls.with_certain(self.get_item, (container, key), {})
        if is_open_key(key) and isinstance(container, _KEYED):
            return self._look_up(container, key)
        refuse_open_text(key)
        refuse_open_text(container)
        if isinstance(container, _ORDERED):
            key = _as_index(key)
            if is_open(container):
                return self._lists.get(container, key)
            if isinstance(key, torch.SymInt):
                return self._pick(container, key)
            if _has_symbols(key):
                return self._lists.get(container, key)
        own = special_method(container, "__getitem__")
        if own is not None:
            return self._calls.call(own)(key)
        if isinstance(container, dict):
            keep_apart(self._session, key, container)
        with errors_of_the_program():
            item = container[key]
        if isinstance(container, dict):
            if isinstance(item, Maybe) and item.absent is UNSET:
                return self._perhaps_missing(container, key, item)
            return item
        return self._session.journal.made(item) if _is_new_list(key, item) else item

    def _look_up(self, container: Any, key: object) -> object:
        """``container[key]`` of a dict, by a key that only the run knows."""

        def missing() -> object:
            raise note_raised(KeyError("this key"))

        return self._lookups.find(
            key, container.keys(), lambda known: self.get_item(container, known), missing
        )

    def _perhaps_missing(self, container: dict[object, object], key: object, item: Maybe) -> object:
        """``container[key]`` of a dict whose key may not be there."""
        if_exp = self._conditionals.if_exp
        if isinstance(container, defaultdict) and container.default_factory is not None:
            make = self._calls.call(container.default_factory)
            value = if_exp(item.present, lambda: item.value, make)
            self.set_item(value, container, key)
            return value
        if isinstance(container, Counter):
            return if_exp(item.present, lambda: item.value, lambda: 0)
        return force(item)

    def _pick(self, items: Any, key: torch.SymInt) -> object:
        """An item of a Python sequence at a dynamic index: a chain of branches."""
        count = len(items)
        if count == 0 or count > _LONGEST_CHAIN:
            raise UnsupportedError(
                f"a Python sequence of {count} items is read at an index that is known only when "
                "the model runs",
                location=user_location(),
                hint="stack the items into a tensor and index that",
            )
        self._keep_inside(key, count)
        position = self._lists.from_start(key, count)

        def at(k: int) -> object:
            if k == count - 1:
                return items[k]
            return self._conditionals.if_exp(position == k, lambda: items[k], lambda: at(k + 1))

        return at(0)

    def _keep_inside(self, key: torch.SymInt, count: int) -> None:
        """An index outside a sequence is an error in Python, and in the file."""
        for condition in (key < count, key >= -count):
            if self._session.known(condition) is None:
                text = f"this index is inside its {count} items"
                self._session.take_for_granted(condition, text, "IndexError")

    @for_each(1, 2)
    def set_item(self, value: object, container: Any, key: Any) -> None:
        """``container[key] = value``."""
        container = force(container)
        if uncertain_in(key) is not None or (
            uncertain_in(value) is not None and isinstance(container, torch.Tensor)
        ):
            self._calls.with_certain(self.set_item, (value, container, key), {})
            return
        refuse_open_text(key)
        about_to_change(self._session, container)
        own = special_method(container, "__setitem__")
        if own is not None:
            self._calls.call(own)(key, value)
            return
        if isinstance(container, (list, deque)):
            key = _as_index(key)
            if is_open(container) or _has_symbols(key):
                self._lists.set(container, key, value)
                return
            if isinstance(key, torch.SymInt):
                self._put(container, key, value)
                return
        if isinstance(container, dict):
            keep_apart(self._session, key, container)
        with errors_of_the_program():
            placed = place_key(container, key, value) if isinstance(container, dict) else value
            container[key] = placed

    def _put(self, items: list[object] | deque[object], key: torch.SymInt, value: object) -> None:
        """``items[key] = value`` at a dynamic index: each item may be the one."""
        count = len(items)
        if count > _LONGEST_CHAIN:
            raise UnsupportedError(
                f"an item of a Python list of {count} items is set at an index that is known only "
                "when the model runs",
                location=user_location(),
                hint="keep the items in a tensor",
            )
        self._keep_inside(key, count)
        position = self._lists.from_start(key, count)
        for k in range(count):
            keep = functools.partial(_same, items[k])
            items[k] = self._conditionals.if_exp(position == k, lambda: value, keep)

    @for_each(0, 1)
    def del_item(self, container: Any, key: Any) -> None:
        """``del container[key]``."""
        container = force(container)
        about_to_change(self._session, container)
        own = special_method(container, "__delitem__")
        if own is not None:
            self._calls.call(own)(key)
            return
        if isinstance(container, dict):
            keep_apart(self._session, key, container)
            with errors_of_the_program():
                force(container[key])
        key = _as_index(key) if isinstance(container, (list, deque)) else key
        if is_open(container) or _has_symbols(key) or isinstance(key, torch.SymInt):
            self._lists.delete(container, key)
        else:
            del container[key]


def _as_index(key: Any) -> Any:
    """A subscript of a list: an integer tensor counts as its number."""
    if isinstance(key, torch.Tensor) and not key.dtype.is_floating_point and key.dim() == 0:
        return key.item()
    if isinstance(key, slice) and any(
        isinstance(bound, torch.Tensor) for bound in (key.start, key.stop, key.step)
    ):
        return slice(_as_index(key.start), _as_index(key.stop), _as_index(key.step))
    return key


def _same(value: object) -> object:
    return value


def _has_symbols(key: object) -> bool:
    """Whether a subscript is a slice with bounds that are known only when the model runs."""
    return isinstance(key, slice) and any(map(is_symbolic, (key.start, key.stop, key.step)))


def _is_new_list(key: object, item: object) -> bool:
    """Whether a subscript has made a list: a slice of one."""
    return isinstance(key, slice) and type(item) is list
