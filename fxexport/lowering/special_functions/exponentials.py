"""Exponentials and logarithms that keep their digits near 0."""

from __future__ import annotations

from fxexport.lowering.arithmetic import exp_minus_one, log_of_one_plus
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


@LOWERINGS("log1p", "special_log1p")
def log1p(op: OpBuilder, x: Value) -> Value:
    return log_of_one_plus(op, op.cast(x, op.dtype))


@LOWERINGS("expm1", "special_expm1")
def expm1(op: OpBuilder, x: Value) -> Value:
    return exp_minus_one(op, op.cast(x, op.dtype))
