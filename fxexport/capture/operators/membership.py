"""What ``in`` becomes in rewritten code, and what searches a list.

Python asks of two items whether they are one object, and only then whether they are equal. Keys
are found by their hash first, which for a tensor is its identity.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Collection
from types import FunctionType
from typing import Any

import torch

from fxexport.capture.operators import staged_functions
from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.dynamic_iterables import Dynamic
from fxexport.capture.operators.logic import Logic
from fxexport.capture.operators.special_methods import special_method
from fxexport.capture.operators.variables import whole
from fxexport.capture.session.list_runs import is_open, refuse_open
from fxexport.capture.session.session import Poison, Session, is_symbolic
from fxexport.capture.staging.alternatives import for_each
from fxexport.capture.values.identity import is_found_by_identity, keep_apart
from fxexport.capture.values.maybe import Maybe, force
from fxexport.capture.values.symbolic_text import OpenText, refuse_open_text
from fxexport.capture.values.uncertain_keys import is_iterator, presence
from fxexport.capture.values.uncertain_sets import Group, elements_of, holds_perhaps

__all__ = ["Membership"]

_Compare = Callable[[Any, Any], object]
_KEYS: type = type({}.keys())
_VIEWS: tuple[type, ...] = (type({}.values()), type({}.items()))
_HASHED = (dict, set, frozenset)
_UNKNOWN = (Maybe, OpenText)
# Values whose equality Python decides without a look at tensors.
_PLAIN = (
    bool, int, float, complex, str, bytes, type(None), enum.Enum, type, FunctionType,
    torch.dtype, torch.device, torch.nn.Module,
)  # fmt: skip


class Membership:
    """The operators ``in`` and ``not in``, and the methods that look for an item.

    Args:
        session: the capture.
        calls: call functions that are written in Python.
        logic: connects the comparisons of items.
        eq: ``a == b``.
        is_: ``a is b``.
    """

    def __init__(
        self, session: Session, calls: Calls, logic: Logic, eq: _Compare, is_: _Compare
    ) -> None:
        self._session = session
        self._calls = calls
        self._logic = logic
        self._eq = eq
        self._is = is_

    @for_each(0, 1)
    def contains(self, item: Any, container: Any) -> object:
        """``item in container``."""
        if isinstance(container, Poison):
            raise container.refuse()
        container = force(container)
        own = special_method(container, "__contains__")
        if own is not None:
            return self._logic.as_bool(self._calls.call(own)(item))
        if isinstance(container, _KEYS):
            container = dict(container.mapping)  # type: ignore[attr-defined]
        if isinstance(container, _HASHED):
            return self._among_keys(item, container)
        if isinstance(container, torch.Tensor):
            return (container == item).any()
        if is_iterator(container) or isinstance(container, Dynamic) or is_open(container):
            self._refuse_copies(item, container)
            return self._calls.call(staged_functions.contains)(container, item)
        whole(self._session, container)
        if isinstance(container, range) and is_symbolic(item):
            inside = self._logic.and_(
                lambda: item >= container.start, lambda: item < container.stop
            )
            return inside if container.step == 1 else self._among(item, tuple(container))
        if isinstance(container, (list, tuple, deque, *_VIEWS)):
            items: Any = container
            return self._among(item, items)
        refuse_open_text(item)
        refuse_open_text(container)
        if special_method(container, "__iter__") is not None:
            return self._calls.call(staged_functions.contains)(container, item)
        return item in container

    def lacks(self, item: object, container: object) -> object:
        """``item not in container``."""
        return self._logic.not_(self.contains(item, container))

    def same(self, a: object, b: object) -> object:
        """Whether two items are one object, or else equal."""
        if a is b:
            return True
        unknown = any(is_symbolic(value) or isinstance(value, _UNKNOWN) for value in (a, b))
        # Of tensors with one number each, equality says as much.
        numbers = all(isinstance(value, torch.Tensor) and not value.dim() for value in (a, b))
        if not unknown and not numbers and self._is(a, b) is True:
            return True
        return self._eq(a, b)

    def searched(self, items: Any, item: object) -> bool:
        """Whether looking for an item in a list takes more than Python's own comparison."""
        if any(isinstance(x, OpenText) for x in (item, *items)):
            return True
        return not (isinstance(item, _PLAIN) and all(isinstance(x, _PLAIN) for x in items))

    def _among_keys(self, item: Any, container: Collection[Any]) -> object:
        """``item in container`` for a dict or set."""
        if is_symbolic(item) or isinstance(item, (Maybe, OpenText)):
            if not holds_perhaps(container):
                whole(self._session, container)
            keys: list[Any] = list(container)
            if not isinstance(container, dict):
                # The same file each time: the order of a set can be another in each process.
                keys.sort(key=lambda key: (type(key).__name__, str(key)))
            if holds_perhaps(container):
                return self._among_perhaps(item, container)
            if is_symbolic(item):
                keys = [key for key in keys if isinstance(key, (int, float))]
            return self._logic.or_(*[lambda k=k: self._eq(k, item) for k in keys], lambda: False)
        if holds_perhaps(container):
            return elements_of(container).get(item, False)
        keep_apart(self._session, item, container)
        return presence(container, item) if isinstance(container, dict) else item in container

    def _among_perhaps(self, item: object, container: Group) -> object:
        """``item in container`` for a set whose elements, and the item, only the run knows."""
        found = [
            (key, present)
            for key, present in elements_of(container).items()
            if isinstance(key, (int, float)) or not is_symbolic(item)
        ]
        each = [
            lambda k=k, present=present: self._logic.and_(
                lambda: present, lambda: self._eq(k, item)
            )
            for k, present in found
        ]
        return self._logic.or_(*each, lambda: False)

    def _among(self, item: object, container: Collection[Any]) -> object:
        """``item in container`` for a sequence, item by item where Python cannot say."""
        if not self.searched(container, item):
            return item in container
        return self._logic.or_(*[lambda x=x: self.same(x, item) for x in container], lambda: False)

    def _refuse_copies(self, item: object, container: object) -> None:
        """The items of a run are copies, of which nothing says which objects they are."""
        if is_open(container) and is_found_by_identity(item):  # noqa: SIM102
            if not isinstance(item, torch.Tensor):
                raise refuse_open("searched for an object")
