"""Python's functions that make, measure or go through iterables, where a length is dynamic."""

from __future__ import annotations

import builtins
import itertools
import operator
from collections.abc import Iterable
from types import FunctionType
from typing import Any

import torch

from fxexport.capture.functions.known_sources import read_by_index
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
from fxexport.capture.operators.special_methods import special_method
from fxexport.capture.operators.staged_functions import column_of
from fxexport.capture.operators.variables import whole
from fxexport.capture.recording.types import Function, Size
from fxexport.capture.session.list_runs import is_open, length_of, refuse_open
from fxexport.capture.session.session import PinNeeded, is_symbolic
from fxexport.capture.staging.patterns import Parts, TensorOf
from fxexport.capture.staging.raised_paths import run_with_default
from fxexport.capture.values.maybe import dynamic_inside
from fxexport.capture.values.symbolic_text import refuse_open_text
from fxexport.capture.values.uncertain_keys import VIEWS, count_of, settled
from fxexport.capture.values.uncertain_sets import holds_perhaps
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import errors_of_the_program

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
            itertools.chain: lambda *parts: self._chain(parts),
            itertools.chain.from_iterable: self._chain,
            itertools.accumulate: self._accumulate,
            itertools.pairwise: self._pairwise,
            itertools.product: self._product,
            itertools.islice: self._islice,
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
        if isinstance(value, VIEWS):
            return count_of(dict(getattr(value, "mapping", {})))
        if isinstance(value, dict) or holds_perhaps(value):
            return count_of(value)
        settled(value)
        refuse_open_text(value)
        own = getattr(type(value), "__len__", None)
        if type(own) is FunctionType:
            return self._operators.convert(own)(value)
        return len(value)

    def _enumerate(self, iterable: object, start: Size = 0) -> object:
        if isinstance(iterable, Generated):
            return self._operators.call(staged_functions.counted)(iterable, start)
        return self._made(dynamic_enumerate(self._taken(iterable), start))

    def _zip(self, *iterables: object, strict: bool = False) -> object:
        if is_open(iterables):
            return self._columns(iterables)
        sources = [self._taken(iterable) for iterable in iterables]
        if not any(map(_is_counted, sources)):
            return zip(*sources, strict=strict)
        return self._made(dynamic_zip(read_by_index(self._operators, sources, strict=strict)))

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
            return self._operators.call(staged_functions.made_of)(function, iterables[0])
        sources = [self._taken(iterable) for iterable in iterables]
        own = self._operators.convert(function)
        if not any(map(_is_counted, sources)):
            return itertools.starmap(own, zip(*sources, strict=False))
        return self._made(dynamic_map(own, read_by_index(self._operators, sources)))

    def _taken(self, iterable: object) -> object:
        """An iterable that another one is made of."""
        return self._operators.iteration.consumed(loop_source(self._operators, iterable))

    def _made(self, items: object) -> object:
        return self._operators.session.journal.made(items) if type(items) is Dynamic else items

    def _filter(self, function: object, iterable: object) -> Any:
        test = (lambda value: value) if function is None else self._operators.convert(function)
        source = loop_source(self._operators, iterable)
        if not isinstance(source, (Dynamic, Filtered, Generated)):
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
        if isinstance(iterable, Generated):
            return iterable
        return self._operators.iterate(iterable)

    def _next(self, iterator: Any, *default: object) -> object:
        if isinstance(iterator, (Dynamic, Filtered)):
            return self._first_of(iterator, *default)
        if isinstance(iterator, Generated) and iterator.is_new:
            return self._first_generated(iterator, *default)
        own = special_method(iterator, "__next__")
        if own is None:
            with errors_of_the_program():
                return next(iterator, *default)
        if not default:
            return self._operators.convert(own)()
        advance = self._operators.convert(own)
        return run_with_default(self._operators.session, advance, StopIteration, default[0])

    def _first_generated(self, items: Generated, *default: object) -> object:
        """``next(generator)`` for the first time."""
        try:
            with self._operators.session.trial(), errors_of_the_program():
                return next(items, *default)
        except (UnsupportedError, PinNeeded):
            items.start_again()
        if default:
            return self._operators.call(staged_functions.first_of)(items, *default)
        return self._operators.call(staged_functions.next_of)(items)

    def _first_of(self, items: Dynamic | Filtered, *default: object) -> object:
        """``next(items)`` where how many there are is known only when the model runs.

        It must be the only use of the iterator.
        """
        if isinstance(items, Dynamic) and not items.once:
            raise TypeError(f"{items.text} is not an iterator")
        if default:
            return self._operators.call(staged_functions.first_of)(items, *default)
        return self._operators.call(staged_functions.next_of)(items)

    def _taken_while(self, test: object, items: object) -> object:
        return self._operators.call(staged_functions.taken_while)(test, items)

    def _dropped_while(self, test: object, items: object) -> object:
        return self._operators.call(staged_functions.dropped_while)(test, items)

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
            UnsupportedError: values are compared that are no numbers, nor tuples of numbers.
        """
        operators = self._operators
        items = operators.listed(iterable)
        keys = items
        if key is not None:
            keys = operators.call(staged_functions.applied)(operators.convert(key), items)
        if not is_open(items) and not dynamic_inside(keys):
            order = sorted(range(len(items)), key=keys.__getitem__, reverse=reverse)
            return operators.fresh([items[k] for k in order])  # type: ignore[no-any-return]
        return operators.number_lists.sorted_by(items, keys, operators.as_bool(reverse))

    # -- itertools ---------------------------------------------------------------------------------

    def _chain(self, parts: Any) -> object:
        parts = self._operators.listed(parts) if _is_staged(parts) else list(parts)
        if not is_open(parts) and not any(map(_is_staged, parts)):
            return itertools.chain(*(self._operators.iterate(part) for part in parts))
        return self._iterator(self._operators.call(staged_functions.chained)(parts))

    def _accumulate(self, items: object, func: object = None, *, initial: object = None) -> object:
        function = operator.add if func is None else func
        given = self._operators.convert(function)
        if initial is not None:
            items = [initial, *self._operators.listed(items)]
        if not _is_staged(items):
            return itertools.accumulate(self._operators.iterate(items), given)
        return self._iterator(self._operators.call(staged_functions.accumulated)(items, function))

    def _pairwise(self, items: object) -> object:
        if not _is_staged(items):
            return itertools.pairwise(self._operators.iterate(items))
        there = self._operators.listed(items)
        source = self._operators.iteration.source_of(there)
        if not is_staged(source):
            return itertools.pairwise(self._operators.iterate(there))
        length = torch.sym_max(0, source.length - 1)
        pair = lambda k: (source.item(k), source.item(k + 1))  # noqa: E731
        return self._made(Dynamic(length, pair, "pairwise(...)", source.lists, once=True))

    def _product(self, *pools: object, repeat: int = 1) -> object:
        if not any(map(_is_staged, pools)):
            return itertools.product(*map(self._operators.iterate, pools), repeat=repeat)
        sources = [_counted(self._operators, pool) for pool in pools] * repeat
        length: Any = 1
        for source in sources:
            length = length * source.length

        def item(k: Size) -> tuple[object, ...]:
            found: list[object] = []
            for source in reversed(sources):
                # Python's last pool moves fastest.
                found.append(source.item(k % source.length))
                k = k // source.length
            return tuple(reversed(found))

        lists = [each for source in sources for each in source.lists]
        return self._made(Dynamic(length, item, "product(...)", lists, once=True))

    def _islice(self, items: object, *bounds: Any) -> object:
        if not _is_staged(items) and not any(map(is_symbolic, bounds)):
            return itertools.islice(self._operators.iterate(items), *bounds)
        key = slice(*map(index_of, bounds))
        return self._iterator(self._operators.get_item(self._operators.listed(items), key))

    def _iterator(self, items: Any) -> object:
        """An iterator over a list that nobody else has."""
        source = self._operators.iteration.source_of(items)
        if not is_staged(source):
            return self._operators.iterate(items)
        source.once = True
        return self._made(source)


def _is_counted(source: object) -> bool:
    """Whether there are as many items as a number says that only the run knows."""
    if isinstance(source, torch.Tensor):
        source = rows(source)
    return isinstance(source, Dynamic)


def _counted(operators: Operators, pool: object) -> Dynamic:
    """Items that are read by their index, each as often as it takes."""
    if isinstance(pool, range):
        return Dynamic(len(pool), lambda k: pool.start + k * pool.step, "range(...)")
    source = loop_source(operators, pool)
    if isinstance(source, Dynamic) and not source.computed and not source.once:
        return source
    items = operators.listed(pool)
    length = length_of(items)
    return Dynamic(length, lambda k: operators.get_item(items, k), "a list", [items])


def _is_staged(value: object) -> bool:
    """Whether its length, or which of its items there are, is known only when the model runs."""
    if isinstance(value, torch.Tensor):
        return value.dim() > 0 and is_staged(rows(value))
    lazy = isinstance(value, (Filtered, Generated))
    return lazy or is_open(value) or is_staged(value)
