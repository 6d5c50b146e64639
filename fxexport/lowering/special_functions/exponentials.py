"""Exponentials and logarithms that keep their digits near 0."""

from __future__ import annotations

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


@LOWERINGS("log1p", "special_log1p")
def log1p(op: OpBuilder, x: Value) -> Value:
    return log_of_one_plus(op, op.cast(x, op.dtype))


def log_of_one_plus(op: OpBuilder, x: Value) -> Value:
    """``log(1 + x)``: ``x * log(u) / (u - 1)`` with ``u = 1 + x`` keeps the digits near 0."""
    u = x + 1.0
    gap = u - 1.0
    exact = op.one("Equal", gap, 0.0)
    ratio = op.one("Log", u) * (x / op.one("Where", exact, op.const(1, x.elem), gap))
    infinite = op.one("Equal", u, float("inf"))
    return op.one("Where", exact, x, op.one("Where", infinite, u, ratio))


@LOWERINGS("expm1", "special_expm1")
def expm1(op: OpBuilder, x: Value) -> Value:
    # tanh(x/2) * (exp(x) + 1) keeps the digits that exp(x) - 1 loses near 0.
    x = op.cast(x, op.dtype)
    e = op.one("Exp", x)
    near = op.one("Abs", x) < 0.5
    return op.one("Where", near, op.one("Tanh", x * 0.5) * (e + 1.0), e - 1.0)
