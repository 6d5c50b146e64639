"""Orthogonal polynomials, by their recurrences: as many steps as the largest degree has.

The exceptions are those of PyTorch's kernels (ATen/native/Math.h): values at the ends of the
interval, trigonometric forms inside of it from some degree on, limits of the degree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.loops import repeat
from fxexport.lowering.registry import LoweringTable
from fxexport.lowering.special_functions.trigonometry import arc_cosine

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64

Next = Callable[[Value, Value, Value], Value]
"""``(k, before_last, last)`` -> the polynomial of degree ``k + 1``; k has the dtype of x."""


def _entered(name: str) -> Callable[..., Callable[..., Value]]:
    return LOWERINGS(*(f"special_{name}{end}" for end in ("", ".x_scalar", ".n_scalar")))


def _operands(op: OpBuilder, x: Operand, n: Operand) -> tuple[Value, Value]:
    """The argument and the degree, broadcast: in the result's dtype, and as int64."""
    x, degree = op.cast(x, op.dtype), op.cast(n, op.dtype)
    # What is no number of int64 becomes the lowest one there, and so does NaN.
    whole = op.one("Abs", degree) < 2.0**63
    degree = op.one("Where", whole, degree, op.const(-1, op.dtype))
    zero = op.const(0, op.dtype)
    shape = op.shape(op.one("Where", degree >= 0.0, x, zero))
    return op.one("Expand", x, shape), op.one("Expand", op.cast(degree, INT64), shape)


def _recurrence(op: OpBuilder, n: Value, first: Value, second: Value, following: Next) -> Value:
    """The polynomials of degree `n`, from those of degree 0 and 1."""
    # PyTorch goes on where it no longer needs to be; what it does not compute here is 0 steps.
    counts = op.one("Concat", op.one("Reshape", n, [-1]), op.i64([1]), axis=0)
    steps = op.one("ReduceMax", counts, keepdims=0) - op.i64(1)

    def step(k: Value, before: Value, last: Value) -> list[Value]:
        going = n > k + 1
        now = following(op.cast(k + 1, last.elem), before, last)
        return [op.one("Where", going, last, before), op.one("Where", going, now, last)]

    _, last = repeat(op, steps, [first, second], step)
    return op.one("Where", op.one("Equal", n, 0), first, last)


def _one(op: OpBuilder, x: Value) -> Value:
    """Ones of the size of `x`."""
    value = op.one("Where", op.one("IsNaN", x), op.const(1, x.elem), op.const(1, x.elem))
    value.shape = x.shape
    return value


def _sign(op: OpBuilder, n: Value, dtype: ir.DataType) -> Value:
    """``(-1) ** n``."""
    even = op.one("Equal", op.one("Mod", n, op.i64(2)), 0)
    return op.one("Where", even, op.const(1, dtype), op.const(-1, dtype))


@dataclass(frozen=True)
class _Kind:
    """One of the four kinds of Chebyshev's polynomials.

    Attributes:
        offset: the polynomial of degree 1 is ``2 t + offset``; None: it is ``t``.
        from_degree: trigonometric forms are used above this degree.
        from_shifted: likewise of shifted ones.
    """

    offset: float | None
    from_degree: int
    from_shifted: int


_KINDS = {"t": _Kind(None, 6, 6), "u": _Kind(0.0, 8, 6), "v": _Kind(-1.0, 8, 6),
          "w": _Kind(1.0, 8, 4)}  # fmt: skip


def _ends(op: OpBuilder, name: str, n: Value, dtype: ir.DataType) -> tuple[Value, Value]:
    """The values at 1 and at -1."""
    one, sign = op.const(1, dtype), _sign(op, n, dtype)
    if name == "t":
        return one, sign
    if name == "u":
        ends = op.cast(n + 1, dtype)
        return ends, sign * ends
    ends = op.cast(n + n + 1, dtype)
    return (one, sign * ends) if name == "v" else (ends, sign)


def _waves(op: OpBuilder, name: str, t: Value, n: Value, shifted: bool) -> Value:
    """The trigonometric form between -1 and 1."""
    angle = arc_cosine(op, t)
    degree = op.cast(n, t.elem)
    if name == "t":
        return op.one("Cos", degree * angle)
    if name == "u":
        return op.one("Sin", (degree + 1.0) * angle) / op.one("Sin", angle)
    half = angle / 2.0
    sine, cosine = op.one("Sin", half), op.one("Cos", half)
    at_one, at_minus_one = _ends(op, name, n, t.elem)
    if name == "v":
        wave = op.one("Cos", (degree + 0.5) * angle) / cosine
        return op.one("Where", op.one("Equal", sine, 1.0), at_minus_one, wave)
    wave = op.one("Sin", (degree + 0.5) * angle) / sine
    # Of a shifted one PyTorch takes the other end's value there.
    end = at_minus_one if shifted else at_one
    return op.one("Where", op.one("Equal", cosine, 1.0), end, wave)


def _chebyshev(name: str, shifted: bool) -> Callable[[OpBuilder, Operand, Operand], Value]:
    kind = _KINDS[name]

    def chebyshev(op: OpBuilder, x: Operand, n: Operand) -> Value:
        x, n = _operands(op, x, n)
        t = x + x - 1.0 if shifted else x
        double = t + t
        second = t if kind.offset is None else double + kind.offset
        limit = kind.from_shifted if shifted else kind.from_degree
        inside = op.one("Abs", t) < 1.0
        lower = op.one("Equal", x, 0.0 if shifted else -1.0)
        upper = op.one("Equal", x, 1.0)
        wavy = inside & (n > limit)
        # No steps for what has another form.
        steps = op.one("Where", wavy | lower | upper, op.i64(0), n)
        out = _recurrence(op, steps, _one(op, x), second, lambda k, p, q: double * q - p)
        out = op.one("Where", wavy, _waves(op, name, t, n, shifted), out)
        at_one, at_minus_one = _ends(op, name, n, x.elem)
        out = op.one("Where", upper, at_one, op.one("Where", lower, at_minus_one, out))
        return op.one("Where", n < 0, op.const(0, x.elem), out)

    return chebyshev


for _name in _KINDS:
    _entered(f"chebyshev_polynomial_{_name}")(_chebyshev(_name, False))
    _entered(f"shifted_chebyshev_polynomial_{_name}")(_chebyshev(_name, True))


def _limited(op: OpBuilder, n: Value, out: Value) -> Value:
    """Hermite's polynomials: 0 below degree 0, NaN above a limit."""
    limit = 512 if out.elem == ir.DataType.DOUBLE else 128
    out = op.one("Where", n > limit, op.const(float("nan"), out.elem), out)
    return op.one("Where", n < 0, op.const(0, out.elem), out)


def _up_to(op: OpBuilder, n: Value, limit: int) -> Value:
    return op.one("Where", n > limit, op.i64(0), n)


@_entered("hermite_polynomial_h")
def hermite_h(op: OpBuilder, x: Operand, n: Operand) -> Value:
    x, n = _operands(op, x, n)
    double = x + x
    out = _recurrence(
        op, _up_to(op, n, 512), _one(op, x), double, lambda k, p, q: double * q - (k + k) * p
    )
    return _limited(op, n, out)


@_entered("hermite_polynomial_he")
def hermite_he(op: OpBuilder, x: Operand, n: Operand) -> Value:
    x, n = _operands(op, x, n)
    out = _recurrence(op, _up_to(op, n, 512), _one(op, x), x, lambda k, p, q: x * q - k * p)
    return _limited(op, n, out)


@_entered("laguerre_polynomial_l")
def laguerre(op: OpBuilder, x: Operand, n: Operand) -> Value:
    x, n = _operands(op, x, n)
    left = 1.0 - x
    zero = op.one("Equal", x, 0.0)
    steps = op.one("Where", zero, op.i64(0), n)

    def following(k: Value, p: Value, q: Value) -> Value:
        return ((k + k + left) * q - k * p) / (k + 1.0)

    out = _recurrence(op, steps, _one(op, x), left, following)
    return op.one("Where", n < 0, op.const(0, x.elem), out)


@_entered("legendre_polynomial_p")
def legendre(op: OpBuilder, x: Operand, n: Operand) -> Value:
    x, n = _operands(op, x, n)
    upper, lower = op.one("Equal", x, 1.0), op.one("Equal", x, -1.0)
    steps = op.one("Where", upper | lower, op.i64(0), n)

    def following(k: Value, p: Value, q: Value) -> Value:
        return ((k + k + 1.0) * x * q - k * p) / (k + 1.0)

    out = _recurrence(op, steps, _one(op, x), x, following)
    out = op.one("Where", lower, _sign(op, n, x.elem), out)
    return op.one("Where", n < 0, op.const(0, x.elem), out)
