"""The incomplete gamma functions, regularised: series and fractions of as many terms as it takes.

Where PyTorch's kernels (ATen/native/Math.h, after SciPy) use which form is kept; all is computed
in float64.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np
import onnx_ir as ir

from fxexport.lowering.arithmetic import log_of_one_plus, polynomial
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.loops import any_of, repeat_while
from fxexport.lowering.registry import LoweringTable
from fxexport.lowering.special_functions.error_function import complement

LOWERINGS = LoweringTable()
DOUBLE = ir.DataType.DOUBLE

# PyTorch gives up after this many terms.
_MOST_TERMS = 2000
# Numbers of the fraction are scaled down when they are above this.
_BIG = 2.0**52
# Sides of the uniform expansion's table.
_TERMS = 25
# From here on Stirling's series is right to the last digit.
_FAR = 12
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)


def _operands(op: OpBuilder, a: Value, x: Value) -> tuple[Value, Value]:
    """Both in float64, broadcast."""
    a, x = (op.cast(op.cast(y, op.dtype), DOUBLE) for y in (a, x))
    shape = op.shape(a + x)
    return op.one("Expand", a, shape), op.one("Expand", x, shape)


def _choose(op: OpBuilder, condition: Value, a: Operand, b: Operand) -> Value:
    a, b = (op.cast(y, DOUBLE) for y in (a, b))
    return op.one("Where", condition, a, b)


def _stirling(op: OpBuilder, a: Value) -> Value:
    """What Stirling's formula lacks of the logarithm of gamma."""
    inverse = 1.0 / a
    return inverse * polynomial(op, inverse * inverse, _STIRLING)


def _log_gamma(op: OpBuilder, a: Value) -> Value:
    """The logarithm of gamma for ``a > 0``, by its values further on."""
    near = a < float(_FAR)
    far = _choose(op, near, a + float(_FAR), a)
    log = op.one("Log", far)
    out = (far - 0.5) * log - far + 0.5 * math.log(2 * math.pi) + _stirling(op, far)
    product = a
    for k in range(1, _FAR):
        product = product * (a + float(k))
    return _choose(op, near, out - op.one("Log", product), out)


def _deviation(op: OpBuilder, a: Value, x: Value) -> Value:
    """``mu - log(1 + mu)`` with ``mu = (x - a) / a``, at least 0."""
    mu = (x - a) / a
    return op.one("Max", mu - log_of_one_plus(op, mu), 0.0)


def _factor(op: OpBuilder, a: Value, x: Value) -> Value:
    """``x ** a * exp(-x) / gamma(a)``; of large numbers only what is left of them enters."""
    small = a * op.one("Log", x) - x - _log_gamma(op, a)
    root = 0.5 * op.one("Log", a / (2 * math.pi))
    large = root - a * _deviation(op, a, x) - _stirling(op, a)
    return op.one("Exp", _choose(op, a < float(_FAR), small, large))


def _small(op: OpBuilder) -> float:
    return 2.0**-53 if op.dtype == DOUBLE else 2.0**-24


def _series(op: OpBuilder, a: Value, x: Value, wanted: Value) -> Value:
    """The lower function by its power series (DLMF 8.11.4), where wanted."""
    small = _small(op)
    ones = _choose(op, wanted, 1.0, 1.0)

    def step(k: Value, term: Value, total: Value, going: Value) -> list[Value]:
        term = _choose(op, going, term * x / (a + op.cast(k + 1, DOUBLE)), 0.0)
        total = total + term
        going = going & (term > total * small)
        return [any_of(op, going), term, total, going]

    states = [ones, ones, wanted]
    _, total, _ = repeat_while(op, any_of(op, wanted), states, step, _MOST_TERMS)
    factor = _factor(op, a, x)
    return _choose(op, op.one("Equal", factor, 0.0), 0.0, total * factor / a)


def _fraction(op: OpBuilder, a: Value, x: Value, wanted: Value) -> Value:
    """The upper function by its continued fraction, where wanted."""
    small = _small(op)
    ones = _choose(op, wanted, 1.0, 1.0)
    first = x + 1.0
    below = (x - a + 2.0) * x

    def step(k: Value, *states: Value) -> list[Value]:
        last, before, last_below, before_below, value, going = states
        number = op.cast(k + 1, DOUBLE)
        y = (number + 1.0 - a) * number
        z = x - a + 2.0 + number * 2.0
        now, now_below = last * z - before * y, last_below * z - before_below * y
        zero = op.one("Equal", now_below, 0.0)
        ratio = _choose(op, zero, value, now / now_below)
        change = _choose(op, zero, 1.0, op.one("Abs", (value - ratio) / ratio))
        scale = _choose(op, op.one("Abs", now) > _BIG, 1 / _BIG, 1.0)
        after = [now * scale, last * scale, now_below * scale, last_below * scale, ratio]
        kept = [_choose(op, going, new, old) for new, old in zip(after, states, strict=False)]
        going = going & (change > small)
        return [any_of(op, going), *kept, going]

    states = [first, ones, below, x, first / below, wanted]
    value = repeat_while(op, any_of(op, wanted), states, step, _MOST_TERMS)[4]
    factor = _factor(op, a, x)
    return _choose(op, op.one("Equal", factor, 0.0), 0.0, value * factor)


def _upper_of_small(op: OpBuilder, a: Value, x: Value) -> Value:
    """The upper function for ``x <= 1.1``, by its power series (DLMF 8.7.3)."""
    numbers = np.arange(1, _TERMS)
    factorials = np.array([math.factorial(n) for n in numbers], np.float64)
    wide_x, wide_a = (op.one("Unsqueeze", y, [-1]) for y in (x, a))
    powers = op.one("Pow", -wide_x, op.const(numbers.astype(np.float64), DOUBLE))
    terms = powers / ((wide_a + op.const(numbers.astype(np.float64), DOUBLE)) * factorials)
    total = op.one("ReduceSum", terms, [-1], keepdims=0)
    log = a * op.one("Log", x)
    gamma = _log_gamma(op, a)
    # gamma(1 + a) = a * gamma(a)
    return 1.0 - op.one("Exp", log - gamma - op.one("Log", a)) - op.one("Exp", log - gamma) * total


@functools.cache
def _expansion() -> np.ndarray:
    """Coefficients of the uniform expansion, one row for each power of ``1 / a``.

    By N. M. Temme's recurrences (DLMF 8.12), in exact fractions: ``mu = eta + alpha2 eta^2 + ...``,
    where half the square of eta is ``mu - log(1 + mu)``, and from it the functions ``c_k(eta)``.
    """
    size = 3 * _TERMS + 2
    alpha = [Fraction(0), Fraction(1)]
    for n in range(2, size + 2):
        products = sum((j * alpha[j] * alpha[n + 1 - j] for j in range(2, n)), Fraction(0))
        alpha.append((alpha[n - 1] - products) / (n + 1))
    first = [(n + 2) * alpha[n + 2] for n in range(size - 1)]
    first[0] -= 1
    rows = [first]
    for _ in range(1, _TERMS):
        last = rows[-1]
        rows.append([(n + 2) * last[n + 2] - last[1] * first[n] for n in range(len(last) - 2)])
    return np.array([[float(c) for c in row[:_TERMS]] for row in rows])


def _uniform(op: OpBuilder, a: Value, x: Value, upper: bool) -> Value:
    """Either function where x is near a large a (DLMF 8.12.3 and 8.12.4)."""
    sign = 1.0 if upper else -1.0
    deviation = _deviation(op, a, x)
    size = op.one("Sqrt", 2.0 * deviation)
    eta = _choose(op, x < a, -size, size)
    out = 0.5 * complement(op, sign * eta * op.one("Sqrt", a / 2.0))
    numbers = op.const(np.arange(_TERMS, dtype=np.float64), DOUBLE)
    powers, inverse_powers = (
        op.one("Pow", op.one("Unsqueeze", y, [-1]), numbers) for y in (eta, 1.0 / a)
    )
    functions = powers @ op.const(np.ascontiguousarray(_expansion().T), DOUBLE)
    total = op.one("ReduceSum", functions * inverse_powers, [-1], keepdims=0)
    scale = op.one("Exp", -(a * deviation)) / op.one("Sqrt", a * (2 * math.pi))
    return out + sign * scale * total


def _near(op: OpBuilder, a: Value, x: Value) -> Value:
    """Whether the uniform expansion is for these."""
    apart = op.one("Abs", x - a) / a
    middle = (a > 20.0) & (a < 200.0) & (apart < 0.3)
    return middle | ((a > 200.0) & (apart < 4.5 / op.one("Sqrt", a)))


def _with_ends(
    op: OpBuilder, a: Value, x: Value, out: Value, at_zero: float, at_infinity: float
) -> Value:
    """The function with its values for 0 and infinity; NaN where it has none."""
    nan = math.nan
    no_shape = op.one("Equal", a, 0.0)
    endless_a, endless_x = op.one("IsInf", a), op.one("IsInf", x)
    out = _choose(op, endless_x, at_infinity, out)
    out = _choose(op, endless_a, _choose(op, endless_x, nan, at_zero), out)
    out = _choose(op, op.one("Equal", x, 0.0), at_zero, out)
    out = _choose(op, no_shape, _choose(op, x > 0.0, at_infinity, nan), out)
    return op.cast(_choose(op, (x < 0.0) | (a < 0.0), nan, out), op.dtype)


def _ordinary(op: OpBuilder, a: Value, x: Value) -> Value:
    """Whether both are positive and finite."""
    finite = (a < math.inf) & (x < math.inf)
    return finite & (a > 0.0) & (x > 0.0)


@LOWERINGS("igamma", "special_gammainc")
def igamma(op: OpBuilder, a: Value, x: Value) -> Value:
    a, x = _operands(op, a, x)
    near = _near(op, a, x)
    rest = _ordinary(op, a, x) & ~near
    above = (x > 1.1) & (x > a)
    lower = _series(op, a, x, rest & ~above)
    upper = _fraction(op, a, x, rest & above)
    out = _choose(op, above, 1.0 - upper, lower)
    out = _choose(op, near, _uniform(op, a, x, False), out)
    return _with_ends(op, a, x, out, 0.0, 1.0)


@LOWERINGS("igammac", "special_gammaincc")
def igammac(op: OpBuilder, a: Value, x: Value) -> Value:
    a, x = _operands(op, a, x)
    near = _near(op, a, x)
    rest = _ordinary(op, a, x) & ~near
    far, close = x > 1.1, x <= 0.5
    log = op.one("Log", x)
    by_lower = (close & (-0.4 / log < a)) | (~close & (x * 1.1 < a))
    by_lower = (far & (x < a)) | (~far & by_lower)
    lower = _series(op, a, x, rest & by_lower)
    upper = _fraction(op, a, x, rest & far & ~by_lower)
    out = _choose(op, by_lower, 1.0 - lower, _choose(op, far, upper, _upper_of_small(op, a, x)))
    out = _choose(op, near, _uniform(op, a, x, True), out)
    return _with_ends(op, a, x, out, 1.0, 0.0)
