"""Functions of integers."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.loops import any_of, repeat_while
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
INT64 = ir.DataType.INT64


@LOWERINGS("gcd")
def gcd(op: OpBuilder, a: Operand, b: Operand) -> Value:
    """Euclid's algorithm, on all pairs until the last of them is done."""
    if op.dtype == ir.DataType.UINT64:
        raise op.refuse("the greatest common divisor of uint64")
    a, b = (op.one("Abs", op.cast(op.cast(x, op.dtype), INT64)) for x in (a, b))
    shape = op.shape(a + b)
    a, b = op.one("Expand", a, shape), op.one("Expand", b, shape)

    def left(a: Value) -> Value:
        return any_of(op, ~op.one("Equal", a, 0))

    def step(k: Value, a: Value, b: Value) -> list[Value]:
        done = op.one("Equal", a, 0)
        # The sign of a remainder is the dividend's, as in C: the lowest integer has no absolute.
        rest = op.one("Mod", b, op.one("Where", done, op.i64(1), a), fmod=1)
        after = op.one("Where", done, op.i64(0), rest)
        return [left(after), after, op.one("Where", done, b, a)]

    _, divisor = repeat_while(op, left(a), [a, b], step)
    return op.cast(divisor, op.dtype)
