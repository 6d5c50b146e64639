"""Functions of `math` on numbers that are known only when the model runs, written in Python.

They are rewritten like the user's own code: what they raise becomes a guard, their loops are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from fxexport.capture.numbers.formulas import FORMULAS, rounded_down, rounded_up
from fxexport.capture.numbers.tensors import computed, counted, looked_up, within

__all__ = ["FUNCTIONS", "int_power", "logarithm", "round_float", "round_int"]

# The converter rewrites the functions of this module.
READ_BY_CAPTURE = True

_FACTORIALS = [math.factorial(k) for k in range(21)]
_POWERS = [2**k for k in range(63)]
_LARGEST = 2.0**63
_DIGITS = 22


# -- functions that have no result for some numbers -----------------------------------------------


def _domain_error() -> ValueError:
    return ValueError("math domain error")


def _in_range(result: float, finite: bool) -> float:
    if (abs(result) == math.inf) & finite:
        raise OverflowError("math range error")
    return result


def log10(x: float) -> float:
    if x <= 0:
        raise _domain_error()
    return computed(FORMULAS["log10"], x)


def log1p(x: float) -> float:
    if x <= -1:
        raise _domain_error()
    return computed(FORMULAS["log1p"], x)


def logarithm(x: float, base: float) -> float:
    """``math.log(x, base)``."""
    return math.log(x) / math.log(base)


def asin(x: float) -> float:
    return computed(FORMULAS["asin"], _of_circle(x))


def acos(x: float) -> float:
    return computed(FORMULAS["acos"], _of_circle(x))


def _of_circle(x: float) -> float:
    if (x < -1) | (x > 1):
        raise _domain_error()
    return x


def atanh(x: float) -> float:
    if (x <= -1) | (x >= 1):
        raise _domain_error()
    return computed(FORMULAS["atanh"], x)


def acosh(x: float) -> float:
    if x < 1:
        raise _domain_error()
    return computed(FORMULAS["acosh"], x)


def gamma(x: float) -> float:
    x = float(x)
    if x == -math.inf:
        raise _domain_error()
    return _in_range(computed(FORMULAS["gamma"], _no_pole(x)), x < math.inf)


def lgamma(x: float) -> float:
    x = float(x)
    if x == -math.inf:
        return math.inf
    return _in_range(computed(FORMULAS["lgamma"], _no_pole(x)), x < math.inf)


def _no_pole(x: float) -> float:
    if (x <= 0) & is_whole(x):
        raise _domain_error()
    return x


def is_whole(x: float) -> bool:
    """``x.is_integer()``."""
    return (computed(_floor, x) == x) & (abs(x) < math.inf)


def _floor(x: Any) -> Any:
    return x.floor()


def exp2(x: float) -> float:
    x = float(x)
    return _in_range(computed(FORMULAS["exp2"], x), x < math.inf)


def expm1(x: float) -> float:
    x = float(x)
    return _in_range(computed(FORMULAS["expm1"], x), x < math.inf)


def sinh(x: float) -> float:
    x = float(x)
    return _in_range(computed(FORMULAS["sinh"], x), abs(x) < math.inf)


def cosh(x: float) -> float:
    x = float(x)
    return _in_range(computed(FORMULAS["cosh"], x), abs(x) < math.inf)


def power(x: float, y: float) -> float:
    """``math.pow(x, y)``."""
    x, y = float(x), float(y)
    finite = (abs(x) < math.inf) & (abs(y) < math.inf)
    if (x < 0) & finite & (not is_whole(y)):
        raise _domain_error()
    if (x == 0) & (y < 0) & (y > -math.inf):
        raise _domain_error()
    return _in_range(computed(FORMULAS["pow"], x, y), finite)


def fmod(x: float, y: float) -> float:
    return computed(FORMULAS["fmod"], *_divided(x, y))


def remainder(x: float, y: float) -> float:
    return computed(FORMULAS["remainder"], *_divided(x, y))


def _divided(x: float, y: float) -> tuple[float, float]:
    x, y = float(x), float(y)
    if ((abs(x) == math.inf) & (y == y)) | ((y == 0) & (x == x)):
        raise _domain_error()
    return x, y


def ldexp(x: float, exponent: int) -> float:
    x = float(x)
    return _in_range(computed(FORMULAS["ldexp"], x, _int(exponent)), abs(x) < math.inf)


def frexp(x: float) -> tuple[float, int]:
    mantissa, exponent = computed(FORMULAS["frexp"], x)
    return mantissa, int(exponent)


def hypot(*sides: float) -> float:
    return computed(FORMULAS["hypot"], *sides)


def dist(p: Sequence[float], q: Sequence[float]) -> float:
    if len(p) != len(q):
        raise ValueError("both points must have the same number of dimensions")
    return hypot(*(a - b for a, b in zip(p, q, strict=True)))


def isclose(a: float, b: float, *, rel_tol: float = 1e-09, abs_tol: float = 0.0) -> bool:
    if rel_tol < 0 or abs_tol < 0:
        raise ValueError("tolerances must be non-negative")
    a, b = float(a), float(b)
    if abs(a) == math.inf or abs(b) == math.inf:
        return a == b
    apart = abs(a - b)
    return apart <= rel_tol * max(abs(a), abs(b)) or apart <= abs_tol


# -- whole numbers --------------------------------------------------------------------------------


def _int(value: int) -> int:
    if isinstance(value, float):
        raise TypeError("'float' object cannot be interpreted as an integer")
    return int(value)


def _counting(value: int) -> int:
    value = _int(value)
    if value < 0:
        raise ValueError("expected a number that is not negative")
    return value


def _fits(size: float) -> None:
    """Python's ints have no end; those of a file do."""
    if size >= _LARGEST:
        raise OverflowError("expected a whole number of less than 64 bits")


def gcd(*values: int) -> int:
    common = 0
    for value in values:
        common = _common(common, abs(_int(value)))
    return common


def _common(a: int, b: int) -> int:
    while b != 0:
        a, b = b, a % b
    return a


def lcm(*values: int) -> int:
    multiple = 1
    for value in values:
        multiple = _multiple(multiple, abs(_int(value)))
    return multiple


def _multiple(a: int, b: int) -> int:
    # Of 0 and 0 the divisor is 0, and the multiple 0.
    part = a // max(_common(a, b), 1)
    _fits(float(part) * float(b))
    return part * b


def isqrt(value: int) -> int:
    return within(counted(_whole_root, _counting(value)), 0, None)


def _whole_root(value: Any) -> Any:
    root = value.double().sqrt().long()
    root = root - (root * root > value).long()
    return root + ((root + 1) * (root + 1) <= value).long()


def factorial(value: int) -> int:
    value = _counting(value)
    if value > 20:
        _fits(math.inf)
    return within(looked_up(_FACTORIALS, value), 1, None)


def perm(n: int, k: int | None = None) -> int:
    if k is None:
        return factorial(n)
    n, k = _counting(n), _counting(k)
    if k > n:
        return 0
    ways = 1
    for taken in range(k):
        _fits(float(ways) * float(n - taken))
        ways = ways * (n - taken)
    return ways


def comb(n: int, k: int) -> int:
    n, k = _counting(n), _counting(k)
    if k > n:
        return 0
    ways = 1
    for taken in range(k):
        _fits(float(ways) * float(n - taken))
        ways = (ways * (n - taken)) // (taken + 1)
    return ways


def bit_length(value: int) -> int:
    return within(counted(_bits_needed, abs(value)), 0, 63)


def _bits_needed(value: Any) -> Any:
    return (value >= _powers(value)).sum()


def bit_count(value: int) -> int:
    return within(counted(_bits_set, abs(value)), 0, 63)


def _bits_set(value: Any) -> Any:
    return ((value // _powers(value)) % 2).sum()


def _powers(like: Any) -> Any:
    return like.new_tensor(_POWERS)


def int_power(base: int, exponent: int, modulus: int) -> int:
    """``pow(base, exponent, modulus)``."""
    exponent = _counting(exponent)
    result, base = 1 % modulus, base % modulus
    _fits(float(modulus) * float(modulus))
    while exponent > 0:
        if exponent % 2 == 1:
            result = (result * base) % modulus
        base = (base * base) % modulus
        exponent = exponent // 2
    return result


# -- rounding -------------------------------------------------------------------------------------


def round_float(x: float, digits: int) -> float:
    """``round(x, digits)`` of a float."""
    if (digits < -_DIGITS) | (digits > _DIGITS):
        raise OverflowError(f"expected a number to be rounded to -{_DIGITS}..{_DIGITS} digits")
    if digits >= 0:
        return _in_range(computed(rounded_up, x, 10.0**digits), abs(x) < math.inf)
    return _in_range(computed(rounded_down, x, 10.0**-digits), abs(x) < math.inf)


def round_int(x: int, digits: int) -> int:
    """``round(x, digits)`` of an int."""
    if digits >= 0:
        return x
    if digits < -18:
        _fits(math.inf)
    power = 10 ** max(-digits, 0)
    count, rest = x // power, x % power
    up = (rest * 2 > power) | ((rest * 2 == power) & (count % 2 == 1))
    return (count + int(up)) * power


FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    math.log10: log10,
    math.log1p: log1p,
    math.asin: asin,
    math.acos: acos,
    math.atanh: atanh,
    math.acosh: acosh,
    math.gamma: gamma,
    math.lgamma: lgamma,
    math.exp2: exp2,
    math.expm1: expm1,
    math.sinh: sinh,
    math.cosh: cosh,
    math.pow: power,
    math.fmod: fmod,
    math.remainder: remainder,
    math.ldexp: ldexp,
    math.frexp: frexp,
    math.hypot: hypot,
    math.dist: dist,
    math.isclose: isclose,
    math.gcd: gcd,
    math.lcm: lcm,
    math.isqrt: isqrt,
    math.factorial: factorial,
    math.perm: perm,
    math.comb: comb,
}
