"""Arithmetic shared by tensors and Python scalars: division with Python's rounding, and more."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value

__all__ = [
    "arc_tangent",
    "element_count",
    "exp_minus_one",
    "floor_divide",
    "lacks_kernels",
    "log_of_one_plus",
    "polynomial",
    "python_modulo",
    "truncate",
    "truncated_divide",
    "truncated_modulo",
]


def floor_divide(op: OpBuilder, a: Value, b: Value) -> Value:
    """``a // b``: rounds towards minus infinity; both in one dtype."""
    if not dtypes.is_float(a.elem):
        return (a - op.one("Mod", a, b)) / b  # exact: a - a mod b is a multiple of b
    # What Python and PyTorch do: through the exact remainder, so that 1 // 0.1 is 9.
    remainder = op.one("Mod", a, b, fmod=1)
    quotient = (a - remainder) / b
    wrong_side = ~op.one("Equal", remainder, 0.0) & op.one("Xor", remainder < 0.0, b < 0.0)
    quotient = op.one("Where", wrong_side, quotient - 1.0, quotient)
    floor = op.one("Floor", quotient)
    floor = op.one("Where", (quotient - floor) > 0.5, floor + 1.0, floor)
    return op.one("Where", op.one("Equal", b, 0.0), a / b, floor)


def python_modulo(op: OpBuilder, a: Value, b: Value) -> Value:
    """``a % b``: the sign is that of the divisor; both in one dtype."""
    if not dtypes.is_float(a.elem):
        return op.one("Mod", a, b)
    remainder = op.one("Mod", a, b, fmod=1)
    wrong_side = ~op.one("Equal", remainder, 0.0) & op.one("Xor", remainder < 0.0, b < 0.0)
    return op.one("Where", wrong_side, remainder + b, remainder)


def truncated_divide(op: OpBuilder, a: Value, b: Value) -> Value:
    """The quotient rounded towards zero; both in one dtype."""
    quotient = a / b
    return truncate(op, quotient) if dtypes.is_float(a.elem) else quotient


def truncated_modulo(op: OpBuilder, a: Value, b: Value) -> Value:
    """The remainder with the sign of the dividend; both in one dtype."""
    return op.one("Mod", a, b, fmod=1)


def truncate(op: OpBuilder, x: Value) -> Value:
    """Rounds towards zero."""
    return op.one("Where", x < 0.0, op.one("Ceil", x), op.one("Floor", x))


def arc_tangent(op: OpBuilder, x: Value) -> Value:
    """Atan, in double as well: runtimes have it in single precision only."""
    if x.elem != ir.DataType.DOUBLE:
        return op.one("Atan", x)
    rough = op.cast(op.one("Atan", op.cast(x, ir.DataType.FLOAT)), ir.DataType.DOUBLE)
    sine, cosine = op.one("Sin", rough), op.one("Cos", rough)
    # tan(a - b) in terms of tan a and b; the rest of the angle is so small that tan is itself.
    exact = rough + (x * cosine - sine) / (cosine + x * sine)
    right = op.one("Where", x > 0.0, math.pi / 2, op.const(-math.pi / 2, x.elem))
    return op.one(
        "Where", op.one("Abs", x) < 1e30, exact, op.one("Where", op.one("IsNaN", x), x, right)
    )


def element_count(op: OpBuilder, x: Value, axes: Sequence[int], dtype: ir.DataType) -> Value:
    """The number of elements over some dimensions."""
    sizes = [x.dims[a] for a in axes]
    if None not in sizes:
        return op.const(math.prod(sizes), dtype)  # type: ignore[arg-type]
    total = op.i64(1)
    for axis in axes:
        total = total * op.cast(op.size(x, axis), ir.DataType.INT64)
    return op.cast(total, dtype)


def log_of_one_plus(op: OpBuilder, x: Value) -> Value:
    """``log(1 + x)``: ``x * log(u) / (u - 1)`` with ``u = 1 + x`` keeps the digits near 0."""
    u = x + 1.0
    gap = u - 1.0
    exact = op.one("Equal", gap, 0.0)
    ratio = op.one("Log", u) * (x / op.one("Where", exact, op.const(1, x.elem), gap))
    infinite = op.one("Equal", u, float("inf"))
    return op.one("Where", exact, x, op.one("Where", infinite, u, ratio))


def exp_minus_one(op: OpBuilder, x: Value) -> Value:
    """``exp(x) - 1``: ``tanh(x / 2) * (exp(x) + 1)`` keeps the digits near 0."""
    e = op.one("Exp", x)
    near = op.one("Abs", x) < 0.5
    return op.one("Where", near, op.one("Tanh", x * 0.5) * (e + 1.0), e - 1.0)


def polynomial(op: OpBuilder, x: Value, coefficients: Sequence[float]) -> Value:
    """``c0 + c1 x + c2 x^2 + ...``."""
    total = op.const(coefficients[-1], x.elem)
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total


def lacks_kernels(op: OpBuilder, x: Value) -> bool:
    """Whether a tensor is of float64, for which ONNX Runtime has kernels of the basics alone.

    It has none for Conv, ConvTranspose, AveragePool, InstanceNormalization and Resize (but for
    nearest pixels), Elu, Erf, Gelu, LeakyRelu, PRelu, Selu and Softplus.
    """
    return op.exact and x.elem == ir.DataType.DOUBLE
