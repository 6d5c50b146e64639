"""Functions of NumPy on numbers that are known only when the model runs, written in Python.

A program that computes a size by NumPy (``int(numpy.ceil(h / 32))``) means numbers, not arrays.
Where `math` raises, NumPy gives nan or inf. Its ints are ints here, and its float64 floats.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

from fxexport.capture.numbers.functions import round_float, round_int

__all__ = ["numpy_functions"]

# The converter rewrites the functions of this module.
READ_BY_CAPTURE = True


def _ceil(x: Any) -> Any:
    return x if isinstance(x, int) else float(math.ceil(x))


def _floor(x: Any) -> Any:
    return x if isinstance(x, int) else float(math.floor(x))


def _trunc(x: Any) -> Any:
    return x if isinstance(x, int) else float(math.trunc(x))


def _round(a: Any, decimals: int = 0) -> Any:
    if isinstance(a, int):
        return round_int(a, decimals)
    return round_float(a, decimals) if decimals else float(round(a))


def _rint(x: Any) -> Any:
    return float(round(x))


def _sqrt(x: Any) -> Any:
    return math.sqrt(x) if x >= 0 else math.nan


def _log(x: Any) -> Any:
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


def _log2(x: Any) -> Any:
    return math.log2(x) if x > 0 else -math.inf if x == 0 else math.nan


def _log10(x: Any) -> Any:
    return math.log10(x) if x > 0 else -math.inf if x == 0 else math.nan


def _exp(x: Any) -> Any:
    return math.exp(x)


def _absolute(x: Any) -> Any:
    return abs(x)


def _negative(x: Any) -> Any:
    return -x


def _square(x: Any) -> Any:
    return x * x


def _add(x: Any, y: Any) -> Any:
    return x + y


def _subtract(x: Any, y: Any) -> Any:
    return x - y


def _multiply(x: Any, y: Any) -> Any:
    return x * y


def _divide(x: Any, y: Any) -> Any:
    if y == 0:
        return math.nan if x == 0 else math.copysign(math.inf, x)
    return x / y


def _floor_divide(x: Any, y: Any) -> Any:
    if isinstance(x, int) and isinstance(y, int):
        return x // y if y != 0 else 0
    return _floor(_divide(x, y))


def _mod(x: Any, y: Any) -> Any:
    if isinstance(x, int) and isinstance(y, int):
        return x % y if y != 0 else 0
    return x % y if y != 0 else math.nan


def _power(x: Any, y: Any) -> Any:
    if isinstance(x, int) and isinstance(y, int) and y < 0:
        raise ValueError("Integers to negative integer powers are not allowed.")
    return x**y


def _maximum(x: Any, y: Any) -> Any:
    return _like(max(x, y), x, y)


def _minimum(x: Any, y: Any) -> Any:
    return _like(min(x, y), x, y)


def _clip(a: Any, a_min: Any = None, a_max: Any = None) -> Any:
    a = a if a_min is None else _maximum(a, a_min)
    return a if a_max is None else _minimum(a, a_max)


def _like(result: Any, x: Any, y: Any) -> Any:
    """A number of the type that two others have in common."""
    return result if isinstance(x, int) and isinstance(y, int) else float(result)


def _prod(items: Sequence[Any]) -> Any:
    return math.prod(items)


def _sum(items: Sequence[Any]) -> Any:
    return sum(items)


def _max(items: Sequence[Any]) -> Any:
    found = items[0]
    for item in items[1:]:
        found = _maximum(found, item)
    return found


def _min(items: Sequence[Any]) -> Any:
    found = items[0]
    for item in items[1:]:
        found = _minimum(found, item)
    return found


def _mean(items: Sequence[Any]) -> Any:
    return sum(items) / len(items)


def _int(x: Any) -> Any:
    return int(x)


def _float(x: Any) -> Any:
    return float(x)


_BY_NAME: dict[str, Callable[..., Any]] = {
    "ceil": _ceil, "floor": _floor, "trunc": _trunc, "fix": _trunc, "round": _round,
    "around": _round, "rint": _rint, "sqrt": _sqrt, "log": _log, "log2": _log2, "log10": _log10,
    "exp": _exp, "absolute": _absolute, "negative": _negative, "square": _square, "add": _add,
    "subtract": _subtract, "multiply": _multiply, "divide": _divide,
    "floor_divide": _floor_divide, "mod": _mod, "power": _power, "maximum": _maximum,
    "minimum": _minimum, "clip": _clip, "prod": _prod, "sum": _sum, "max": _max, "min": _min,
    "mean": _mean, "int64": _int, "float64": _float,
}  # fmt: skip
# What takes one list of numbers.
_OF_LISTS = frozenset({"prod", "sum", "max", "min", "mean"})


def numpy_functions() -> dict[object, tuple[Callable[..., Any], bool]]:
    """Functions of NumPy -> what to call for numbers, and whether it is given a list of them.

    Empty where the program has not imported NumPy.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return {}
    return {
        getattr(numpy, name): (function, name in _OF_LISTS)
        for name, function in _BY_NAME.items()
        if hasattr(numpy, name)
    }
