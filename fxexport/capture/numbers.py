"""Python's functions on numbers, and its reductions, where a number is known only at run time."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

from fxexport.capture import iteration, prelude
from fxexport.capture.frames import user_location
from fxexport.capture.iteration import Dynamic
from fxexport.capture.operators import Operators
from fxexport.capture.session import Poison, is_symbolic, sym_type
from fxexport.capture.spread import is_open
from fxexport.errors import UnsupportedError

__all__ = ["MATH_FUNCTIONS", "Numbers"]

MATH_FUNCTIONS = ("sqrt", "exp", "log", "log2", "sin", "cos", "tan", "tanh", "atan")


class Numbers:
    """The replacements of min, sum, int, round and kin."""

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        self.operators: Operators = None  # type: ignore[assignment]
        self._convert = convert

    def _index(self, value: Any) -> Any:
        """A number where Python asks for an index."""
        return value.item() if isinstance(value, torch.Tensor) else value

    def _items(self, iterable: Any) -> Iterable[Any]:
        iterable = self.operators.whole(iterable)
        return (
            self.operators.iterate(iterable)
            if isinstance(iterable, (torch.Tensor, Poison, Dynamic)) or is_open(iterable)
            else iterable
        )

    def _source(self, iterable: Any) -> Any:
        """An iterable; a list of dynamic length as what can be looped over."""
        if not is_open(iterable):
            return iterable
        source = self.operators.source_of(iterable)
        return source if self.operators.is_staged(source) else iterable

    def _min(self, *args: Any, **kwargs: Any) -> Any:
        return self._extreme(min, torch.sym_min, lambda a, b: b < a, args, kwargs)

    def _max(self, *args: Any, **kwargs: Any) -> Any:
        return self._extreme(max, torch.sym_max, lambda a, b: b > a, args, kwargs)

    def _extreme(self, plain: Any, symbolic: Any, better: Any, args: Any, kwargs: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], torch.Tensor) and args[0].dim() == 1:
            return args[0].min() if plain is min else args[0].max()
        if len(args) == 1 and not kwargs:
            source = self._source(args[0])
            if isinstance(source, Dynamic):
                return self._convert(prelude.min_of if plain is min else prelude.max_of)(source)
        items = list(self._items(args[0])) if len(args) == 1 else list(args)
        key = kwargs.get("key")
        keys = [self._convert(key)(item) for item in items] if key is not None else items
        if not any(is_symbolic(k) or isinstance(k, torch.Tensor) for k in keys):
            if not items:
                return plain(items, **kwargs)
            return items[keys.index(plain(keys))]
        best, best_key = items[0], keys[0]
        for item, item_key in zip(items[1:], keys[1:], strict=True):
            if key is None and all(sym_type(v) is int for v in (item, best)):
                best = best_key = symbolic(best, item)
                continue
            choose = better(best_key, item_key)
            best, best_key = self.operators.if_exp(
                choose, lambda a=(item, item_key): a, lambda a=(best, best_key): a, ()
            )
        return best

    def _sum(self, iterable: Any, start: Any = 0) -> Any:
        if isinstance(iterable, torch.Tensor) and isinstance(iteration.rows(iterable), Dynamic):
            dtype = torch.int64 if iterable.dtype == torch.bool else iterable.dtype
            return iterable.sum(0, dtype=dtype) + start
        iterable = self._source(iterable)
        if isinstance(iterable, Dynamic):
            return self._convert(prelude.sum_of)(iterable, start)
        total = start
        for item in self._items(iterable):
            total = total + self.operators.number(item)
        return total

    def _prod(self, iterable: Any, *, start: Any = 1) -> Any:
        iterable = self._source(iterable)
        if isinstance(iterable, Dynamic):
            return self._convert(prelude.product_of)(iterable, start)
        total = start
        for item in self._items(iterable):
            total = total * item
        return total

    def _any(self, iterable: Any) -> Any:
        iterable = self._source(iterable)
        if isinstance(iterable, Dynamic):
            return self._convert(prelude.any_of)(iterable)
        return self._quantify(iterable, self.operators.or_, stop=True)

    def _all(self, iterable: Any) -> Any:
        iterable = self._source(iterable)
        if isinstance(iterable, Dynamic):
            return self._convert(prelude.all_of)(iterable)
        return self._quantify(iterable, self.operators.and_, stop=False)

    def _quantify(self, iterable: Any, connect: Any, stop: bool) -> Any:
        if isinstance(iterable, torch.Tensor) and iterable.dim() == 1:
            truth = iterable != 0
            return (truth.any() if stop else truth.all()).item()
        total: Any = not stop
        for item in self._items(iterable):
            value = self.operators.as_bool(item)
            if value is stop:
                return stop
            if value is not (not stop):
                total = (
                    value if total is (not stop) else connect(lambda a=total: a, lambda b=value: b)
                )
        return total.item() if isinstance(total, torch.Tensor) else total

    def _abs(self, value: Any) -> Any:
        return abs(value)

    def _int(self, value: Any = 0, *base: Any) -> Any:
        value = self._index(value)
        if isinstance(value, torch.SymBool):
            return torch.sym_ite(value, 1, 0)
        return torch.sym_int(value) if is_symbolic(value) else int(value, *base)

    def _float(self, value: Any = 0.0) -> Any:
        value = self._index(value)
        if isinstance(value, torch.SymBool):
            value = torch.sym_ite(value, 1, 0)
        return torch.sym_float(value) if is_symbolic(value) else float(value)

    def _bool(self, value: Any = False) -> Any:
        truth = self.operators.as_bool(value)
        return truth.item() if isinstance(truth, torch.Tensor) else truth

    def _round(self, value: Any, ndigits: Any = None) -> Any:
        if isinstance(value, torch.Tensor):
            return value.round() if ndigits is None else value.round(decimals=ndigits)
        if isinstance(value, torch.SymInt):
            return value
        if isinstance(value, torch.SymFloat) and ndigits is not None:
            raise UnsupportedError(
                "round(x, n) of a number that is known only when the model runs",
                location=user_location(),
                hint="use torch.round(x, decimals=n) on a tensor",
            )
        return round(value) if ndigits is None else round(value, ndigits)

    def _divmod(self, a: Any, b: Any) -> Any:
        return (a // b, a % b)

    def _math(self, name: str, value: Any) -> Any:
        function = getattr(math, name)
        value = self._index(value)
        if not is_symbolic(value):
            return function(value)
        if name in ("floor", "ceil", "trunc"):
            return value if isinstance(value, torch.SymInt) else function(value)
        number = self._float(value)
        if name == "isnan":
            return number != number
        if name in ("isinf", "isfinite"):
            inside = self.operators.and_(lambda: number < math.inf, lambda: number > -math.inf)
            if name == "isfinite":
                return inside
            return self.operators.and_(
                lambda: number == number, lambda: self.operators.not_(inside)
            )
        return self.operators.session.recorder.scalar_op(function, number)

    def _reduce(self, function: Any, iterable: Any, *initial: Any) -> Any:
        return functools.reduce(self._convert(function), self._items(iterable), *initial)
