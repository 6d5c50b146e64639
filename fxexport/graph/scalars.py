"""Functions on Python scalars that a graph may hold beside those of `operator`.

A size or an ``.item()`` is a Python int, float or bool in eager mode; what the program computes
from it stays in the graph as calls of these functions and of `operator`'s
(add, sub, mul, truediv, floordiv, mod, pow, neg, eq, ne, lt, le, gt, ge).
Lowering has one row for each; ints are int64, floats float64.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

Scalar = int | float | bool

__all__ = [
    "SCALAR_FUNCTIONS",
    "Scalar",
    "absolute",
    "and_",
    "bits_and",
    "bits_or",
    "bits_xor",
    "ceil",
    "floor",
    "maximum",
    "minimum",
    "not_",
    "or_",
    "result_type",
    "round_half_even",
    "select",
    "to_bool",
    "to_float",
    "to_int",
]


def and_(a: bool, b: bool) -> bool:
    """Logical and of two bools."""
    return bool(a) and bool(b)


def or_(a: bool, b: bool) -> bool:
    """Logical or of two bools."""
    return bool(a) or bool(b)


def not_(a: bool) -> bool:
    """Logical not of a bool."""
    return not a


def bits_and(a: int, b: int) -> int:
    """The bits that both ints have."""
    return int(a) & int(b)


def bits_or(a: int, b: int) -> int:
    """The bits that one of two ints has."""
    return int(a) | int(b)


def bits_xor(a: int, b: int) -> int:
    """The bits in which two ints differ."""
    return int(a) ^ int(b)


def maximum(a: Scalar, b: Scalar) -> Scalar:
    """The larger of two scalars of one type."""
    return max(a, b)


def minimum(a: Scalar, b: Scalar) -> Scalar:
    """The smaller of two scalars of one type."""
    return min(a, b)


def absolute(a: Scalar) -> Scalar:
    """The absolute value, of the same type."""
    return abs(a)


def to_int(a: Scalar) -> int:
    """``int(a)``: truncates towards zero."""
    return int(a)


def to_float(a: Scalar) -> float:
    """``float(a)``."""
    return float(a)


def to_bool(a: Scalar) -> bool:
    """``a != 0``."""
    return bool(a)


def floor(a: Scalar) -> int:
    """``math.floor(a)``, an int."""
    return math.floor(a)


def ceil(a: Scalar) -> int:
    """``math.ceil(a)``, an int."""
    return math.ceil(a)


def round_half_even(a: Scalar) -> int:
    """``round(a)``: to the nearest int, halves to the even one."""
    return round(a)


def select(condition: bool, a: Scalar, b: Scalar) -> Scalar:
    """``a if condition else b``, both of one type."""
    return a if condition else b


_BOOL = {operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge}
_BOOL_OWN = {and_, or_, not_, to_bool}
_INT = {to_int, floor, ceil, round_half_even, bits_and, bits_or, bits_xor}
_FLOAT = {operator.truediv, to_float, math.sqrt, math.exp, math.log, math.log2}
_FLOAT_TRIG = {math.sin, math.cos, math.tan, math.tanh, math.atan}
_ARITHMETIC = {
    operator.add,
    operator.sub,
    operator.mul,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.neg,
    maximum,
    minimum,
    absolute,
}


def result_type(function: Callable[..., object], types: Sequence[type]) -> type | None:
    """The Python type (int, float, bool) that a scalar function yields; None for other functions.

    Args:
        function: one of `SCALAR_FUNCTIONS`.
        types: the Python types of its arguments.
    """
    if function in _BOOL | _BOOL_OWN:
        return bool
    if function in _INT:
        return int
    if function in _FLOAT | _FLOAT_TRIG:
        return float
    if function is select:
        types = types[1:]
        return float if float in types else types[0]
    if function in _ARITHMETIC:
        return float if float in types else int
    return None


SCALAR_FUNCTIONS: frozenset[Callable[..., Scalar]] = frozenset(
    {
        operator.add,
        operator.sub,
        operator.mul,
        operator.truediv,
        operator.floordiv,
        operator.mod,
        operator.pow,
        operator.neg,
        operator.eq,
        operator.ne,
        operator.lt,
        operator.le,
        operator.gt,
        operator.ge,
        and_,
        or_,
        not_,
        maximum,
        minimum,
        absolute,
        to_int,
        to_float,
        to_bool,
        bits_and,
        bits_or,
        bits_xor,
        floor,
        ceil,
        round_half_even,
        select,
        math.sqrt,
        math.exp,
        math.log,
        math.log2,
        math.sin,
        math.cos,
        math.tan,
        math.tanh,
        math.atan,
    }
)
