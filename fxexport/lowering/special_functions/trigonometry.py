"""Angles and hyperbolic functions: runtimes have most of them in single precision only."""

from __future__ import annotations

import math
from collections.abc import Callable

import onnx_ir as ir

from fxexport.lowering.arithmetic import arc_tangent, log_of_one_plus, polynomial
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
# The square of a larger number may overflow, and 1 beside it is nothing.
_LARGE = 1e150


def arc_cosine(op: OpBuilder, x: Value) -> Value:
    """Acos, in double as well."""
    if x.elem != ir.DataType.DOUBLE:
        return op.one("Acos", x)
    return arc_tangent(op, op.one("Sqrt", (1.0 - x) / (x + 1.0))) * 2.0


def _arc_sine(op: OpBuilder, x: Value) -> Value:
    other = op.one("Sqrt", (1.0 - x) * (x + 1.0))
    return arc_tangent(op, x / (other + 1.0)) * 2.0


def _tangent(op: OpBuilder, x: Value) -> Value:
    return op.one("Sin", x) / op.one("Cos", x)


def _hyperbolic_cosine(op: OpBuilder, x: Value) -> Value:
    # Half of an exponential that overflows may be a number. (PyTorch's kernel overflows there in
    # all but the last elements.)
    root = op.one("Exp", op.one("Abs", x) * 0.5)
    return (root * 0.5) * root + (0.5 / root) / root


def _hyperbolic_sine(op: OpBuilder, x: Value) -> Value:
    root = op.one("Exp", op.one("Abs", x) * 0.5)
    far = (root * 0.5) * root - (0.5 / root) / root
    far = op.one("Where", x < 0.0, -far, far)
    # Near 0 the difference has no digits left: the power series.
    series = polynomial(op, x * x, [1 / math.factorial(2 * n + 1) for n in range(10)])
    return op.one("Where", op.one("Abs", x) < 1.0, x * series, far)


def _inverse_hyperbolic_sine(op: OpBuilder, x: Value) -> Value:
    size = op.one("Abs", x)
    square = size * size
    near = log_of_one_plus(op, size + square / (op.one("Sqrt", square + 1.0) + 1.0))
    far = op.one("Log", size) + math.log(2.0)
    out = op.one("Where", size > _LARGE, far, near)
    out = op.one("Where", x < 0.0, -out, out)
    return op.one("Where", op.one("Equal", x, 0.0), x, out)


def _inverse_hyperbolic_cosine(op: OpBuilder, x: Value) -> Value:
    over = x - 1.0
    near = log_of_one_plus(op, over + op.one("Sqrt", over * (x + 1.0)))
    out = op.one("Where", x > _LARGE, op.one("Log", x) + math.log(2.0), near)
    return op.one("Where", x < 1.0, op.const(math.nan, x.elem), out)


def _inverse_hyperbolic_tangent(op: OpBuilder, x: Value) -> Value:
    return log_of_one_plus(op, (x * 2.0) / (1.0 - x)) * 0.5


def _entered(operator: str, double: Callable[[OpBuilder, Value], Value]) -> None:
    onnx = operator.capitalize()

    @LOWERINGS(operator)
    def lowering(op: OpBuilder, x: Value) -> Value:
        x = op.cast(x, op.dtype)
        return double(op, x) if x.elem == ir.DataType.DOUBLE else op.one(onnx, x)


for _name, _double in {
    "tan": _tangent,
    "asin": _arc_sine,
    "acos": arc_cosine,
    "atan": arc_tangent,
    "sinh": _hyperbolic_sine,
    "cosh": _hyperbolic_cosine,
    "asinh": _inverse_hyperbolic_sine,
    "acosh": _inverse_hyperbolic_cosine,
    "atanh": _inverse_hyperbolic_tangent,
}.items():
    _entered(_name, _double)
