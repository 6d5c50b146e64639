"""The methods of lists, dicts, sets and deques in rewritten code."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from types import BuiltinMethodType, MethodWrapperType
from typing import Any

from fxexport.capture.functions.iterable_functions import index_of
from fxexport.capture.operators import staged_functions
from fxexport.capture.operators.operators import Operators
from fxexport.capture.operators.writing import about_to_change
from fxexport.capture.recording.types import Function
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.session import is_symbolic
from fxexport.capture.values.identity import keep_apart
from fxexport.source.exceptions import errors_of_the_program

__all__ = ["Container", "ContainerMethods"]

Container = list[object] | dict[object, object] | set[object] | deque[object]

_MUTATORS = frozenset(
    [
        "append",
        "extend",
        "insert",
        "pop",
        "remove",
        "clear",
        "sort",
        "reverse",
        "update",
        "setdefault",
        "popitem",
        "add",
        "discard",
        "appendleft",
        "popleft",
        "extendleft",
        "rotate",
        "difference_update",
        "intersection_update",
        "symmetric_difference_update",
        "__setitem__",
        "__delitem__",
        "__iadd__",
        "move_to_end",
    ]
)


class ContainerMethods:
    """Finds the replacement of a method of a container.

    Args:
        operators: the operators of the capture.
        sort: ``sorted`` on values that may be dynamic.
    """

    def __init__(self, operators: Operators, sort: Callable[..., list[object]]) -> None:
        self._operators = operators
        self._sort = sort

    def replacement_for(
        self, method: BuiltinMethodType | MethodWrapperType, owner: Container
    ) -> Function | None:
        """What to call instead of a bound method; None for the method itself."""
        if method.__name__ in _MUTATORS:
            about_to_change(self._operators.session, owner)
        if isinstance(owner, dict):
            found = self._operators.dicts.find(method.__name__, owner)
            if found is not None:
                return found
        if isinstance(owner, (set, frozenset)):
            found = self._operators.sets.find(method.__name__, owner)
            if found is not None:
                return found
        filled = isinstance(owner, (list, deque))
        if filled and method.__name__ in ("extend", "extendleft", "__iadd__"):
            return functools.partial(self._extend, owner, method.__name__)
        if is_open(owner) and method.__name__ != "sort":
            own = self._operators.lists.method(method.__name__, owner)
            if own is not None:
                return own
        if filled and method.__name__ in ("pop", "insert"):
            return functools.partial(self._at, method, owner)
        if method.__name__ == "sort" and isinstance(owner, list):
            return functools.partial(self._sorted_in_place, owner)
        if method.__name__ in ("index", "count", "remove") and isinstance(owner, (list, deque)):
            return functools.partial(self.search, method, owner)
        if isinstance(owner, set) and method.__name__ in ("add", "discard", "remove"):
            return functools.partial(self._one_of, method, owner)
        if method.__name__ == "copy":
            return lambda: self._operators.fresh(method())
        return None

    def _extend(self, owner: Container, name: str, more: object) -> Container | None:
        """``extend``, ``extendleft`` and ``+=``: a generator may look at what it fills."""
        # Python's own methods, not those of a class of the program.
        plain: Any = list.append if isinstance(owner, list) else deque.append
        one = deque.appendleft if name == "extendleft" else plain
        self._operators.iteration.pour(more, one.__get__(owner))
        return owner if name == "__iadd__" else None

    def _sorted_in_place(self, owner: list[object], **kwargs: object) -> None:
        owner[:] = self._sort(owner, **kwargs)

    def _at(
        self, method: BuiltinMethodType | MethodWrapperType, owner: Container, *args: object
    ) -> object:
        """``pop`` and ``insert`` at an index that may be known only when the model runs."""
        own = self._operators.lists.method(method.__name__, owner)
        if own is not None and args and is_symbolic(index_of(args[0])):
            return own(index_of(args[0]), *args[1:])
        with errors_of_the_program():
            return method(*args)

    def search(
        self,
        method: BuiltinMethodType | MethodWrapperType,
        owner: Sequence[object],
        item: object,
        *bounds: object,
    ) -> object:
        """``index``, ``count`` and ``remove``: the first item that is the one wanted, or equal."""
        if not bounds and self._operators.membership.searched(owner, item):
            if method.__name__ == "count":
                return self._operators.call(staged_functions.count_of)(owner, item)
            index = self._operators.call(staged_functions.index_of)(owner, item)
            if method.__name__ == "index":
                return index
            self._operators.lists.delete(owner, index)
            return None
        with errors_of_the_program():
            return method(item, *bounds)

    def _one_of(
        self, method: BuiltinMethodType | MethodWrapperType, owner: set[object], item: object
    ) -> object:
        """``add``, ``discard`` and ``remove`` of a set."""
        keep_apart(self._operators.session, item, owner)
        with errors_of_the_program():
            return method(item)
