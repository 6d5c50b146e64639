"""What reads and writes of subscripts become in rewritten code."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Any

import torch

from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.conditionals import Conditionals
from fxexport.capture.operators.lookups import Lookups, is_open_key
from fxexport.capture.operators.open_lists import OpenLists
from fxexport.capture.operators.special_methods import special_method
from fxexport.capture.operators.writing import about_to_change
from fxexport.capture.session.capture_errors import unsaid
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.session import Session, is_symbolic
from fxexport.capture.staging.alternatives import LONGEST_CHAIN, for_each, is_one_of_tensors
from fxexport.capture.staging.chosen_tensors import view_of_each
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.containers import is_mutable, parts_of
from fxexport.capture.values.identity import keep_apart
from fxexport.capture.values.kinds import leaf_kind, same_constant
from fxexport.capture.values.maybe import Maybe, force, narrowed, uncertain_in
from fxexport.capture.values.symbolic_text import refuse_open_text
from fxexport.capture.values.uncertain_keys import place_key
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph import scalars
from fxexport.source.exceptions import errors_of_the_program, note_raised
from fxexport.source.frames import user_location

__all__ = ["Subscripts"]

# A list of at most so many items is read or written at a dynamic index by branches.
_MOST_ITEMS = 64
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
            if key not in container and isinstance(container, defaultdict):
                return self._made_where_missing(container, key)
        if isinstance(container, torch.Tensor):
            return self._of_tensor(container, key)
        with errors_of_the_program():
            item = container[key]
        if isinstance(container, dict):
            if isinstance(item, Maybe) and item.absent is UNSET:
                return self._perhaps_missing(container, key, item)
            return item
        return self._session.journal.made(item) if _is_new_list(key, item) else item

    def _of_tensor(self, tensor: torch.Tensor, key: Any) -> object:
        """``tensor[key]``."""
        self._index_fits(tensor, key)
        with errors_of_the_program(), self._session.tries.raising_only(IndexError, RuntimeError):
            return tensor[key]

    def _index_fits(self, container: torch.Tensor, key: object) -> None:
        """A number that is no index of a tensor's dimension is an error that may be caught."""
        if not self._session.tries.may_catch(IndexError):
            return
        for number, size in numbers_at(container.shape, key):
            text = "this index is inside its dimension"
            for condition in (number < size, number >= -size):
                if self._session.known(condition) is None:
                    self._session.raises_where_caught(condition, text, "IndexError")

    def _look_up(self, container: Any, key: object) -> object:
        """``container[key]`` of a dict, by a key that only the run knows."""

        def missing() -> object:
            raise note_raised(KeyError(unsaid("this key is in the dict")))

        return self._lookups.find(
            key, container.keys(), lambda known: self.get_item(container, known), missing
        )

    def _made_where_missing(self, container: defaultdict[object, object], key: object) -> object:
        """``container[key]`` of a defaultdict without the key: it makes an item, and keeps it."""
        if container.default_factory is None:
            raise note_raised(KeyError(key))
        value = self._calls.call(container.default_factory)()
        journal = self._session.journal
        if is_mutable(value) and journal.born(container) < journal.opened:
            # A list that a branch or loop makes and fills could not be told from that of another
            # path. Python makes one that is taken for there before, and is empty then.
            return container[key]
        self.set_item(value, container, key)
        return value

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
        """An item of a Python sequence at a dynamic index, by branches on the index."""
        count = len(items)
        if count == 0 or count > _MOST_ITEMS:
            raise UnsupportedError(
                f"a Python sequence of {count} items is read at an index that is known only when "
                "the model runs",
                code=Code.ITEM_AT_OPEN_INDEX,
                location=user_location(),
                hint="stack the items into a tensor and index that",
            )
        self._keep_inside(key, count)
        position = self._lists.from_start(key, count)
        # Where there is an alternative to staging, that is better than a choice.
        if not self._session.trials and all(map(_is_constant, items)):
            return self._one_of(list(items), position)

        def among(first: int, end: int) -> object:
            """The item at a place from `first` to before `end`."""
            if end - first == 1:
                return items[first]
            # Files with many ifs inside each other are read by no runtime.
            middle = first + 1 if count <= LONGEST_CHAIN else (first + end) // 2
            return self._conditionals.if_exp(
                position == first if middle == first + 1 else position < middle,
                lambda: among(first, middle),
                lambda: among(middle, end),
            )

        return among(0, count)

    def _one_of(self, items: list[object], position: Any) -> object:
        """One of several modules, functions or texts: no branch has to say which."""
        session = self._session
        flags: list[Any] = []
        values: list[object] = []
        for k, item in enumerate(items):
            flag = position == k
            known = session.known(flag)
            if known:
                return item
            same = next((n for n, value in enumerate(values) if same_constant(value, item)), None)
            if known is None and same is None:
                flags.append(flag)
                values.append(item)
            elif known is None and same is not None:
                flags[same] = session.recorder.scalar_op(scalars.or_, flags[same], flag)
        return values[0] if len(values) == 1 else Choice(session, flags, values)

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
        if isinstance(container, torch.Tensor):
            self._index_fits(container, key)
        with errors_of_the_program():
            placed = place_key(container, key, value) if isinstance(container, dict) else value
            container[key] = placed

    def _put(self, items: list[object] | deque[object], key: torch.SymInt, value: object) -> None:
        """``items[key] = value`` at a dynamic index: each item may be the one."""
        count = len(items)
        if count > _MOST_ITEMS:
            raise UnsupportedError(
                f"an item of a Python list of {count} items is set at an index that is known only "
                "when the model runs",
                code=Code.ITEM_AT_OPEN_INDEX,
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


def numbers_at(shape: Sequence[Any], key: object) -> list[tuple[Any, Any]]:
    """The numbers in an index of a tensor, each with the size of its dimension."""
    parts: list[Any] = list(key) if isinstance(key, tuple) else [key]
    if any(isinstance(part, (list, tuple)) for part in parts):
        return []
    widths = [_dimensions_taken(part) for part in parts]
    found, dim = [], 0
    for part, width in zip(parts, widths, strict=True):
        number = isinstance(part, (int, torch.SymInt)) and not isinstance(part, bool)
        if number and dim < len(shape):
            found.append((part, shape[dim]))
        dim += len(shape) - sum(widths) if part is ... else width
    return found


def _dimensions_taken(part: Any) -> int:
    """How many dimensions of a tensor a part of an index is about."""
    if part is None or part is ... or isinstance(part, bool):
        return 0
    is_mask = isinstance(part, torch.Tensor) and part.dtype in (torch.bool, torch.uint8)
    return int(part.dim()) if is_mask else 1


def _is_constant(item: object) -> bool:
    """Whether no graph holds anything of an item: a module, a function, text."""
    if item is None or isinstance(item, Poison) or is_mutable(item):
        return False
    return leaf_kind(item) is None and parts_of(item) is None
