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
    "floor_divide",
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
