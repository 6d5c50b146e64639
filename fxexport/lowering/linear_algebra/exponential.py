"""The exponential of matrices."""

from __future__ import annotations

import math

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.matrices import unit, wide
from fxexport.lowering.loops import repeat
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()

# Matrices of a norm up to this have an exponential that 18 terms of its series give in float64.
_SMALL, _TERMS = 0.5, 18
# A float64 is no larger than 2 to this power.
_MOST_SQUARINGS = 1025


@LOWERINGS("linalg_matrix_exp")
def matrix_exp(op: OpBuilder, x: Value) -> Value:
    """exp(A) = exp(A / 2^s)^(2^s), with s of its own for each matrix."""
    a = wide(op, x)
    sums = op.one("ReduceSum", op.one("Abs", a), [-2], keepdims=1)
    norm = op.one("ReduceMax", sums, [-1], keepdims=1)  # [..., 1, 1]
    large = op.one("Where", norm > _SMALL, norm / _SMALL, op.const(1, a.elem))
    count = op.one("Ceil", op.one("Log", large) * (1 / math.log(2)))
    count = op.one("Min", count, float(_MOST_SQUARINGS))
    small = a / op.one("Pow", op.const(2, a.elem), count)
    small.shape = x.shape

    def squared(k: Value, power: Value) -> list[Value]:
        return [op.one("Where", count > op.cast(k, count.elem), power @ power, power)]

    # Of no matrix at all the largest number is the smallest int64, and there is no iteration.
    trips = op.one("ReduceMax", op.cast(count, ir.DataType.INT64), keepdims=0)
    (power,) = repeat(op, trips, [_series(op, small)], squared)
    return op.cast(power, x.elem)


def _series(op: OpBuilder, a: Value) -> Value:
    """The terms of the exponential's series, in groups of three powers."""
    one = unit(op, op.size1(a, -1), op.size1(a, -1), a.elem)
    square = a @ a
    cube = square @ a
    total: Value | None = None
    for k in reversed(range(0, _TERMS, 3)):
        parts = [1.0 / math.factorial(k + j) for j in range(3)]
        group = one * parts[0] + a * parts[1] + square * parts[2]
        total = group if total is None else total @ cube + group
    assert total is not None
    total.shape = a.shape
    return total
