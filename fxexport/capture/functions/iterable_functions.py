"""Python's functions that make, measure or go through iterables, where a length is dynamic."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Iterable
from types import FunctionType
from typing import Any

import torch

from fxexport.capture.operators import staged_functions
from fxexport.capture.operators.dynamic_iterables import (
    Dynamic,
    Filtered,
    Generated,
    dynamic_enumerate,
    dynamic_map,
    dynamic_range,
    dynamic_reversed,
    dynamic_zip,
    rows,
)
from fxexport.capture.operators.iteration import is_staged
from fxexport.capture.operators.operators import Operators
from fxexport.capture.operators.reading import whole
from fxexport.capture.operators.special_methods import special_method
from fxexport.capture.operators.staged_functions import column_of
from fxexport.capture.recording.types import Function, Size
from fxexport.capture.session.list_runs import is_open, length_of, refuse_open
from fxexport.capture.session.session import is_symbolic
from fxexport.capture.staging.patterns import Parts, TensorOf
from fxexport.capture.values.symbolic_text import refuse_open_text
from fxexport.capture.values.uncertain_keys import count_of, settled
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import errors_of_the_program
from fxexport.source.frames import user_location

__all__ = ["IterableFunctions", "index_of", "items_of", "loop_source"]


def index_of(value: object) -> Any:
    """A number where Python asks for an index."""
    return value.item() if isinstance(value, torch.Tensor) else value


def items_of(operators: Operators, iterable: Any) -> Iterable[Any]:
    """What one of Python's functions iterates over."""
    return operators.iterate(whole(operators.session, iterable))


def loop_source(operators: Operators, iterable: object) -> Any:
    """An iterable; a tensor or list of dynamic length as what can be looped over."""
    if isinstance(iterable, torch.Tensor):
        source = rows(iterable)
        return source if is_staged(source) else iterable
    if not is_open(iterable):
        return iterable
    source = operators.iteration.source_of(iterable)
    return source if is_staged(source) else iterable


class IterableFunctions:
    """The replacements of len, enumerate, zip, range, list, sorted and kin."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    def table(self) -> dict[object, Function]:
        """What to call instead of Python's functions."""
        return {
            builtins.len: self.length,
            builtins.enumerate: self._enumerate,
            builtins.zip: self._zip,
            builtins.map: self._map,
            builtins.filter: self._filter,
            builtins.reversed: self._reversed,
            builtins.range: self._range,
            builtins.iter: self._iter,
            builtins.next: self._next,
            builtins.list: self._list,
            builtins.tuple: self._tuple,
            builtins.set: self._set,
            builtins.dict: self._dict,
            builtins.sorted: self.sort,
            itertools.takewhile: self._taken_while,
            itertools.dropwhile: self._dropped_while,
        }

    def length(self, value: Any) -> Any:
        """``len(value)``."""
        if isinstance(value, torch.Tensor):
            if value.dim() == 0:
                raise TypeError("len() of a 0-d tensor")
            return value.shape[0]
        if isinstance(value, Dynamic):
            return value.length
        if is_open(value):
            return length_of(value)
        if isinstance(value, dict):
            return count_of(value)
        settled(value)
        refuse_open_text(value)
        own = getattr(type(value), "__len__", None)
        if type(own) is FunctionType:
            return self._operators.convert(own)(value)
        return len(value)

    def _enumerate(self, iterable: object, start: Size = 0) -> object:
        if isinstance(iterable, Generated):
            numbered = self._operators.call(staged_functions.numbered)(iterable, start)
            numbered.loops = iterable.loops
            return numbered
        return self._made(dynamic_enumerate(self._taken(iterable), start))

    def _zip(self, *iterables: object, strict: bool = False) -> object:
        if is_open(iterables):
            return self._columns(iterables)
        sources = [self._taken(iterable) for iterable in iterables]
        return self._made(dynamic_zip(*sources, strict=strict))

    def _columns(self, rows: tuple[object, ...]) -> object:
        """``zip(*rows)`` for a number of rows that is known only when the model runs."""
        spread = self._operators.lists.single(rows)
        element = spread.element
        width: object = None
        if isinstance(element, Parts):
            width = len(element.items)
        elif isinstance(element, TensorOf) and element.dims:
            width = element.dims[0]
        if not isinstance(width, int):
            raise refuse_open("given to zip(*...), and its items are of no length known now")
        self._operators.lists.take_for_granted(
            spread.length > 0, "zip(*...) gets a list that is not empty"
        )
        column = self._operators.call(column_of)
        return iter([tuple(column([spread], k)) for k in range(width)])

    def _map(self, function: object, *iterables: object) -> object:
        if len(iterables) == 1 and isinstance(iterables[0], Generated):
            return self._operators.generator(
                iterables[0], self._operators.convert(function), several=False
            )
        sources = [self._taken(iterable) for iterable in iterables]
        return self._made(dynamic_map(self._operators.convert(function), *sources))

    def _taken(self, iterable: object) -> object:
        """An iterable that another one is made of."""
        return self._operators.iteration.consumed(loop_source(self._operators, iterable))

    def _made(self, items: object) -> object:
        return self._operators.session.journal.made(items) if type(items) is Dynamic else items

    def _filter(self, function: object, iterable: object) -> Any:
        test = (lambda value: value) if function is None else self._operators.convert(function)
        if isinstance(iterable, Generated):
            return self._operators.generator(iterable, lambda value: value, False, test)
        source = loop_source(self._operators, iterable)
        if not isinstance(source, (Dynamic, Filtered)):
            source = self._operators.iterate(source)
        if not isinstance(source, Dynamic):
            return Filtered(test, source, self._operators.truth)
        consumed = self._operators.iteration.consumed(source)
        return Filtered(test, consumed, self._operators.truth)

    def _reversed(self, iterable: object) -> object:
        return self._made(dynamic_reversed(loop_source(self._operators, iterable)))

    def _range(self, *args: object) -> object:
        sizes = [index_of(arg) for arg in args]
        if len(sizes) == 3 and isinstance(sizes[2], torch.SymInt):
            text = "a range's step is not 0"
            self._operators.lists.take_for_granted(sizes[2] != 0, text, "ValueError")
        return dynamic_range(*sizes)

    def _iter(self, iterable: object, *sentinel: object) -> object:
        if sentinel:
            return iter(self._operators.convert(iterable), *sentinel)
        return self._operators.iterate(iterable)

    def _next(self, iterator: Any, *default: object) -> object:
        if isinstance(iterator, Generated) and not iterator.drawn:
            return self._first(iterator, *default)
        own = special_method(iterator, "__next__")
        if own is None:
            with errors_of_the_program():
                return next(iterator, *default)
        if not default:
            return self._operators.convert(own)()
        try:
            with self._operators.session.tries.catching(("StopIteration",)):
                return self._operators.convert(own)()
        except StopIteration:
            return default[0]

    def _first(self, items: Generated, *default: object) -> object:
        try:
            with self._operators.session.trial(), errors_of_the_program():
                return next(items, *default)
        except UnsupportedError:
            items.restart()
        first = staged_functions.first_or if default else staged_functions.first_of
        return self._operators.call(first)(items, *default)

    def _taken_while(self, test: object, iterable: object) -> object:
        return self._while(staged_functions.taken_while, test, iterable)

    def _dropped_while(self, test: object, iterable: object) -> object:
        return self._while(staged_functions.dropped_while, test, iterable)

    def _while(self, function: Function, test: object, iterable: object) -> object:
        made = self._operators.call(function)(self._operators.convert(test), iterable)
        made.loops = isinstance(iterable, Generated) and iterable.loops
        return made

    def _list(self, iterable: object = ()) -> object:
        return self._operators.fresh(self._operators.listed(iterable))

    def _tuple(self, iterable: object = ()) -> object:
        return tuple(self._operators.listed(iterable))

    def _set(self, iterable: object = ()) -> object:
        return self._operators.fresh(set(items_of(self._operators, iterable)))

    def _dict(self, *args: object, **kwargs: object) -> object:
        return self._operators.fresh(dict(*map(self._operators.read, args), **kwargs))

    def sort(self, iterable: object, *, key: object = None, reverse: bool = False) -> list[object]:
        """``sorted(iterable)``.

        Raises:
            UnsupportedError: the order is known only when the model runs.
        """
        items = list(items_of(self._operators, iterable))
        keys = [self._operators.convert(key)(item) for item in items] if key is not None else items
        if any(is_symbolic(k) or isinstance(k, torch.Tensor) for k in keys):
            raise UnsupportedError(
                "sorting a Python list by values that are known only when the model runs",
                location=user_location(),
                hint="stack them into a tensor and use torch.sort",
            )
        order = sorted(range(len(items)), key=keys.__getitem__, reverse=reverse)
        return self._operators.fresh([items[k] for k in order])
