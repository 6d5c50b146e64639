"""Python's functions on numbers, and its reductions, where a number is known only at run time."""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import operator
from typing import Any

import torch

from fxexport.capture.functions.iterable_functions import index_of, items_of
from fxexport.capture.numbers.formulas import FORMULAS
from fxexport.capture.numbers.functions import (
    FUNCTIONS,
    int_power,
    logarithm,
    round_float,
    round_int,
)
from fxexport.capture.numbers.numpy_functions import numpy_functions
from fxexport.capture.numbers.tensors import computed
from fxexport.capture.operators import staged_functions
from fxexport.capture.operators.dynamic_iterables import Dynamic, Filtered, Generated, rows
from fxexport.capture.operators.iteration import is_staged
from fxexport.capture.operators.operators import Operators
from fxexport.capture.recording.types import Function, OpArgs, OpKwargs
from fxexport.capture.session.list_runs import is_open, length_of
from fxexport.capture.session.session import is_symbolic, sym_type
from fxexport.capture.values.symbolic_text import number_in, refuse_open_text
from fxexport.capture.values.uncertain_keys import is_iterator
from fxexport.source.exceptions import errors_of_the_program

__all__ = ["MATH_FUNCTIONS", "NumberFunctions"]

_DOMAINS = ("sqrt", "log", "log2")
MATH_FUNCTIONS = ("sqrt", "exp", "log", "log2", "sin", "cos", "tan", "tanh", "atan")
_ORDER = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_BINARY = {
    "sub": "Sub", "truediv": "Div", "floordiv": "FloorDiv", "mod": "Mod", "pow": "Pow",
    "matmul": "MatMult", "lshift": "LShift", "rshift": "RShift",
}  # fmt: skip
_BITS = {"and_": "BitAnd", "or_": "BitOr", "xor": "BitXor"}
_EXACT = ("floor", "ceil", "trunc", "isnan", "isinf", "isfinite")


class NumberFunctions:
    """The replacements of min, sum, int, round and kin."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    def table(self) -> dict[object, Function]:
        """What to call instead of Python's functions."""
        return {
            builtins.min: self._min,
            builtins.max: self._max,
            builtins.sum: self._sum,
            builtins.any: self._any,
            builtins.all: self._all,
            builtins.abs: abs,
            builtins.int: self._int,
            builtins.float: self._float,
            builtins.bool: self._bool,
            builtins.round: self._round,
            builtins.divmod: self._divmod,
            builtins.pow: self._pow,
            math.prod: self._prod,
            functools.reduce: self._reduce,
            **{
                getattr(math, name): functools.partial(self._math, name)
                for name in (*_EXACT, *MATH_FUNCTIONS)
            },
            **{
                function: functools.partial(self._of_numbers, function, self._formula(formula))
                for name, formula in FORMULAS.items()
                if (function := getattr(math, name, None)) is not None
            },
            **{
                function: functools.partial(self._of_numbers, function, staged)
                for function, staged in FUNCTIONS.items()
            },
            **{
                function: functools.partial(self._of_numpy, function, staged, of_list)
                for function, (staged, of_list) in numpy_functions().items()
            },
            math.log: self._log,
            **self._operator_functions(),
        }

    def _operator_functions(self) -> dict[object, Function]:
        """The functions of `operator` that do what an operator does."""
        ops = self._operators
        parts = functools.partial
        return {
            operator.add: ops.add,
            operator.concat: ops.add,
            operator.mul: ops.multiply,
            operator.pos: parts(ops.unary, "UAdd"),
            operator.inv: parts(ops.unary, "Invert"),
            operator.invert: parts(ops.unary, "Invert"),
            operator.neg: lambda value: -ops.number(value),
            operator.abs: abs,
            operator.truth: self._bool,
            operator.index: self._index,
            operator.eq: ops.eq,
            operator.ne: ops.ne,
            **{getattr(operator, name): parts(ops.order, sign) for name, sign in _ORDER.items()},
            **{getattr(operator, name): parts(ops.binary, sign) for name, sign in _BINARY.items()},
            **{getattr(operator, name): parts(ops.bitwise, sign) for name, sign in _BITS.items()},
            **{
                getattr(operator, f"i{name.rstrip('_')}"): parts(ops.augment, sign)
                for name, sign in (*_BINARY.items(), *_BITS.items())
            },
        }

    def _index(self, value: object) -> object:
        number = self._operators.number(value)
        return number if isinstance(number, torch.SymInt) else operator.index(number)

    def _formula(self, formula: Function) -> Function:
        return lambda *args: computed(formula, *args)

    def _of_numbers(
        self, function: Function, staged: Function, *args: object, **kwargs: object
    ) -> object:
        """A function of `math`: Python's own, or another where a number is symbolic."""
        args = tuple(self._numbers_in(arg) for arg in args)
        if not any(map(_has_symbolic, (*args, *kwargs.values()))):
            with errors_of_the_program():
                return function(*args, **kwargs)
        return self._operators.call(staged)(*args, **kwargs)

    def _of_numpy(
        self, function: Any, staged: Function, of_list: bool, *args: Any, **kwargs: object
    ) -> object:
        """A function of NumPy: its own, or another where numbers alone are given, some symbolic."""
        one = len(args) == 1 and isinstance(args[0], list | tuple)
        given = args[0] if of_list and one else () if of_list else args
        given = [arg for arg in (*given, *kwargs.values()) if arg is not None]
        if not any(map(is_symbolic, given)) or not all(map(_is_number, given)):
            return function(*args, **kwargs)
        if not kwargs.keys() <= inspect.signature(staged).parameters.keys():
            return function(*args, **kwargs)
        return self._operators.call(staged)(*args, **kwargs)

    def _numbers_in(self, value: object) -> object:
        if isinstance(value, (list, tuple)):
            return [self._numbers_in(item) for item in value]
        return self._operators.number(index_of(value))

    def _log(self, value: object, *base: object) -> object:
        if base:
            return self._of_numbers(math.log, logarithm, value, *base)
        return self._math("log", value)

    def _divmod(self, a: object, b: object) -> tuple[object, object]:
        return self._operators.binary("FloorDiv", a, b), self._operators.binary("Mod", a, b)

    def _pow(self, base: object, exp: object, mod: object = None) -> object:
        if mod is None:
            return self._operators.binary("Pow", base, exp)
        return self._of_numbers(pow, int_power, base, exp, mod)

    def _min(self, *args: object, **kwargs: object) -> object:
        return self._extreme(min, torch.sym_min, lambda a, b: b < a, args, kwargs)

    def _max(self, *args: object, **kwargs: object) -> object:
        return self._extreme(max, torch.sym_max, lambda a, b: b > a, args, kwargs)

    def _extreme(
        self, plain: Function, symbolic: Function, better: Function, args: OpArgs, kwargs: OpKwargs
    ) -> object:
        if len(args) == 1 and isinstance(args[0], torch.Tensor) and args[0].dim() == 1:
            return args[0].min() if plain is min else args[0].max()
        if len(args) == 1 and _is_staged(args[0]):
            if kwargs:
                return self._extreme_of(args[0], better, **kwargs)
            least_or_most = staged_functions.min_of if plain is min else staged_functions.max_of
            return self._operators.call(least_or_most)(args[0])
        key = kwargs.get("key")
        key_of = _same if key is None else self._operators.convert(key)
        items, keys = [], []
        for item in items_of(self._operators, args[0]) if len(args) == 1 else args:
            items.append(item)
            keys.append(key_of(item))
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
            new, old = ((item, item_key), (best, best_key))
            best, best_key = self._operators.if_exp(
                choose, functools.partial(_same, new), functools.partial(_same, old)
            )
        return best

    def _extreme_of(
        self, items: object, better: Function, *, key: object = None, **default: object
    ) -> object:
        """``max(items, key=…, default=…)`` or min of a number of items that is not known."""
        key_of = _same if key is None else self._operators.convert(key)
        if not default:
            return self._operators.call(staged_functions.most_of)(items, key_of, better)
        most = self._operators.call(staged_functions.most_or_default)
        return most(items, key_of, better, default["default"])

    def _sum(self, iterable: Any, start: Any = 0) -> object:
        if isinstance(iterable, torch.Tensor) and isinstance(rows(iterable), Dynamic):
            dtype = torch.int64 if iterable.dtype == torch.bool else iterable.dtype
            total = iterable.sum(0, dtype=dtype) + start
            return self._of_some("sum", total, start, iterable.shape[0])
        if _is_staged(iterable):
            total = self._operators.call(staged_functions.sum_of)(iterable, start)
            return self._of_items("sum", total, start, iterable)
        total = start
        for item in items_of(self._operators, iterable):
            total = total + self._operators.number(item)
        return total

    def _of_items(self, name: str, total: object, start: object, iterable: object) -> object:
        length: Any = None
        if isinstance(iterable, Dynamic):
            length = iterable.length
        elif is_open(iterable):
            length = length_of(iterable)
        return total if length is None else self._of_some(name, total, start, length)

    def _of_some(self, name: str, total: object, start: object, length: Any) -> object:
        """A sum or product of a dynamic number of items; of none it is the start, as it is."""
        if isinstance(total, torch.Tensor) and not isinstance(start, torch.Tensor):
            # A number and a tensor without dimensions are used alike.
            other = total.dim() > 0
        else:
            other = sym_type(total) is not sym_type(start)
        if other:
            self._operators.lists.take_for_granted(
                length > 0, f"{name}() gets at least one item; of none it is {start!r}"
            )
        return total

    def _prod(self, iterable: object, *, start: object = 1) -> object:
        if _is_staged(iterable):
            total = self._operators.call(staged_functions.product_of)(iterable, start)
            return self._of_items("prod", total, start, iterable)
        total = start
        for item in items_of(self._operators, iterable):
            total = total * item
        return total

    def _any(self, iterable: object) -> object:
        if _is_lazy(iterable):
            return self._operators.call(staged_functions.any_of)(iterable)
        return self._quantify(iterable, self._operators.or_, stop=True)

    def _all(self, iterable: object) -> object:
        if _is_lazy(iterable):
            return self._operators.call(staged_functions.all_of)(iterable)
        return self._quantify(iterable, self._operators.and_, stop=False)

    def _quantify(self, iterable: Any, connect: Function, stop: bool) -> object:
        if isinstance(iterable, torch.Tensor) and iterable.dim() == 1:
            truth = iterable != 0
            return (truth.any() if stop else truth.all()).item()
        total: object = not stop
        for item in items_of(self._operators, iterable):
            value = self._operators.as_bool(item)
            if value is stop:
                return stop
            if value is not (not stop):
                total = (
                    value if total is (not stop) else connect(lambda a=total: a, lambda b=value: b)
                )
        return total.item() if isinstance(total, torch.Tensor) else total

    def _int(self, value: Any = 0, *base: Any) -> object:
        value = index_of(value)
        if isinstance(value, torch.SymBool):
            return self._operators.as_int(value)
        if base:
            refuse_open_text(value)
        value = number_in(value)
        if isinstance(value, torch.SymFloat):
            self._finite_where_caught(value)
        return torch.sym_int(value) if is_symbolic(value) else int(value, *base)

    def _finite_where_caught(self, value: Any) -> None:
        """What has no integer is an error that the program may catch."""
        session = self._operators.session
        for error, is_there in (
            ("ValueError", lambda: value == value),
            ("OverflowError", lambda: abs(value) < math.inf),
        ):
            if session.tries.may_catch(getattr(builtins, error)):
                session.raises_where_caught(is_there(), "the number has an integer", error)

    def _float(self, value: Any = 0.0) -> Any:
        value = number_in(index_of(value))
        if isinstance(value, torch.SymBool):
            value = self._operators.as_int(value)
        return torch.sym_float(value) if is_symbolic(value) else float(value)

    def _bool(self, value: object = False) -> object:
        truth = self._operators.as_bool(value)
        return truth.item() if isinstance(truth, torch.Tensor) else truth

    def _round(self, value: Any, ndigits: Any = None) -> object:
        if isinstance(value, torch.Tensor):
            return value.round() if ndigits is None else value.round(decimals=ndigits)
        value, digits = self._operators.number(value), index_of(ndigits)
        if digits is None and isinstance(value, torch.SymFloat):
            self._finite_where_caught(value)
        if digits is None:
            return value if isinstance(value, torch.SymInt) else round(value)
        if not is_symbolic(value) and not is_symbolic(digits):
            return round(value, digits)
        rounded = round_int if sym_type(value) is int else round_float
        return self._operators.call(rounded)(value, digits)

    def _math(self, name: str, value: object) -> Any:
        function = getattr(math, name)
        value = index_of(value)
        if not is_symbolic(value):
            return function(value)
        if name in ("floor", "ceil", "trunc"):
            if not isinstance(value, torch.SymInt):
                self._finite_where_caught(value)
            return value if isinstance(value, torch.SymInt) else function(value)
        number = self._float(value)
        if name == "isnan":
            return number != number
        if name in ("isinf", "isfinite"):
            inside = self._operators.and_(lambda: number < math.inf, lambda: number > -math.inf)
            if name == "isfinite":
                return inside
            return self._operators.and_(
                lambda: number == number, lambda: self._operators.not_(inside)
            )
        session = self._operators.session
        if name in _DOMAINS:
            bad = number < 0 if name == "sqrt" else number <= 0
            if session.known(bad) is None:
                fits = torch.sym_not(bad)
                session.raises_where_caught(fits, f"math.{name} has a result", "ValueError")
        elif name not in ("atan", "tanh"):
            session.refuse_if_caught("OverflowError" if name == "exp" else "ValueError")
        return session.recorder.scalar_op(function, number)

    def _reduce(self, function: object, iterable: object, *initial: object) -> object:
        if initial and _is_staged(iterable):
            return self._operators.call(staged_functions.reduced)(function, iterable, *initial)
        if _is_staged(iterable):
            whole = self._operators.call(staged_functions.reduced_from_first)
            return whole(function, iterable)
        items = items_of(self._operators, iterable)
        return functools.reduce(self._operators.convert(function), items, *initial)


def _has_symbolic(value: object) -> bool:
    return any(map(_has_symbolic, value)) if isinstance(value, list) else is_symbolic(value)


def _is_staged(iterable: object) -> bool:
    """Whether its length, or which of its items there are, is known only when the model runs."""
    if isinstance(iterable, torch.Tensor):
        return iterable.dim() > 0 and is_staged(rows(iterable))
    lazy = isinstance(iterable, (Filtered, Generated))
    return lazy or is_open(iterable) or is_staged(iterable)


def _is_lazy(iterable: object) -> bool:
    """Whether the items are made as they are asked for, so that not all of them may be."""
    return is_iterator(iterable) or (
        not isinstance(iterable, torch.Tensor) and _is_staged(iterable)
    )


def _same(value: object) -> object:
    return value


def _is_number(value: object) -> bool:
    return is_symbolic(value) or isinstance(value, int | float)
