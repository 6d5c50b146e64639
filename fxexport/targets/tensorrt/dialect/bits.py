"""Bit operations on integers, by arithmetic: exact in two's complement, also below zero."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dialect import Form
from fxexport.lowering.builder.values import Operand, Value

__all__ = ["FORMS"]

INT64 = ir.DataType.INT64
_WIDTH = {ir.DataType.INT32: 32, ir.DataType.INT64: 64}


def _widened(write: Callable[..., Value | None]) -> Form:
    """Narrow integers are computed as int32, whose lower bits are theirs."""

    def form(op: OpBuilder, *operands: Operand) -> Value | None:
        dtype = next(x.elem for x in operands if isinstance(x, Value))
        wide = dtypes.widened(dtype)
        if wide not in _WIDTH or dtype in (ir.DataType.UINT32, ir.DataType.UINT64):
            return None
        written = write(op, *(op.cast(op.cast(x, dtype), wide) for x in operands))
        return None if written is None else op.cast(written, dtype)

    return form


def _not(op: OpBuilder, x: Value) -> Value:
    return op.const(-1, x.elem) - x


def _and(op: OpBuilder, a: Value, b: Value) -> Value:
    for x, other in ((a, b), (b, a)):
        known = op.constant(other)
        if known is not None and known.size == 1:
            masked = _masked(op, x, int(known.reshape(())), other)
            if masked is not None:
                return masked
    return _digitwise_and(op, a, b)


def _or(op: OpBuilder, a: Value, b: Value) -> Value:
    return a + (b - _and(op, a, b))


def _xor(op: OpBuilder, a: Value, b: Value) -> Value:
    both = _and(op, a, b)
    return (a - both) + (b - both)


def _masked(op: OpBuilder, x: Value, mask: int, like: Value) -> Value | None:
    """`x & mask` for a mask that is one run of ones: a difference of remainders.

    `like` is the mask as a value, whose shape the result has too.
    """
    width = _WIDTH[x.elem]
    zeros = op.one("Mul", like, op.const(0, x.elem)) if like.rank else None
    bits = mask & ((1 << width) - 1)
    if bits == 0:
        result = x * op.const(0, x.elem)
    else:
        low = (bits & -bits).bit_length() - 1
        high = bits.bit_length()
        if bits != (1 << high) - (1 << low) or high == width - 1:
            return None  # several runs, or a divisor that has no positive number
        # All ones up to the sign leave x but for its lowest bits.
        top = x if high == width else op.one("Mod", x, op.const(1 << high, x.elem))
        result = top
        if low == width - 1:
            result = op.one("Where", x < op.const(0, x.elem), op.const(mask, x.elem), 0)
        elif low:
            result = top - op.one("Mod", x, op.const(1 << low, x.elem))
    return result if zeros is None else result + zeros


def _digitwise_and(op: OpBuilder, a: Value, b: Value) -> Value:
    """Hexadecimal digits side by side, looked up in a table of all pairs."""
    dtype = a.elem
    count = _WIDTH[dtype] // 4
    first, second = _digits(op, a, count), _digits(op, b, count)
    rank = max(a.rank, b.rank)
    pairs = [x & y for x in range(16) for y in range(16)]
    table_index = first * op.const(16, dtype) + second
    found = op.one("Gather", op.const(pairs, dtype), table_index, axis=0)
    # The highest digit carries the sign: from 8 on it counts from -16, so that no sum overflows.
    lead = op.const([0] * (count - 1) + [16], dtype)
    found = found - op.one("Where", found >= op.const(8, dtype), lead, op.const(0, dtype))
    # Runtimes may sum integers in floats: four digits at a time are exact there, 64 bits are not.
    weighed = found * op.const([16 ** (k % 4) for k in range(count)], dtype)
    total: Value | None = None
    for first_digit in range(0, count, 4):
        part = op.one("Slice", weighed, [first_digit], [first_digit + 4], [rank])
        part.shape = ir.Shape([None] * (rank + 1))
        part = op.one("ReduceSum", part, [rank], keepdims=0)
        part = part * op.const(16**first_digit, dtype)
        total = part if total is None else total + part
    assert total is not None
    return total


def _digits(op: OpBuilder, x: Value, count: int) -> Value:
    """The hexadecimal digits along a new last dimension, the lowest first."""
    wide = op.one("Unsqueeze", x, [x.rank])
    power = op.const([16**k for k in range(count)], x.elem)
    quotient = (wide - op.one("Mod", wide, power)) / power
    digits = op.one("Mod", quotient, op.const(16, x.elem))
    digits.shape = ir.Shape([*x.dims, count])
    return digits


FORMS: dict[str, Form] = {
    "BitwiseNot": _widened(_not),
    "BitwiseAnd": _widened(_and),
    "BitwiseOr": _widened(_or),
    "BitwiseXor": _widened(_xor),
}
