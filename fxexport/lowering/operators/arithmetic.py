"""Arithmetic with PyTorch's promotion."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from fxexport.lowering.arithmetic import (
    floor_divide,
    python_modulo,
    truncate,
    truncated_divide,
    truncated_modulo,
)
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
BOOL = ir.DataType.BOOL


def compute(op: OpBuilder, operands: list[Operand], formula: Callable[..., Value]) -> Value:
    """Applies a formula in the operands' common dtype, widened where runtimes lack kernels."""
    dtype = op.common(*operands)
    wide = ir.DataType.INT32 if dtype == BOOL else dtypes.widened(dtype)
    values = [op.cast(op.cast(x, dtype), wide) for x in operands]
    return op.cast(formula(*values), dtype)


def is_one(x: Operand) -> bool:
    """Whether it is the Python number 1."""
    return not isinstance(x, Value) and isinstance(x, (int, float)) and x == 1


@LOWERINGS("add.Tensor", "add.Scalar")
def add(op: OpBuilder, a: Operand, b: Operand, alpha: Operand = 1) -> Value:
    if op.dtype == BOOL:
        if is_one(alpha):
            return op.cast(a, BOOL) | op.cast(b, BOOL)
        raise op.refuse("adding booleans with alpha other than 1")
    return compute(op, [a, scaled(op, a, b, alpha)], lambda x, y: x + y)


@LOWERINGS("sub.Tensor", "sub.Scalar")
def sub(op: OpBuilder, a: Operand, b: Operand, alpha: Operand = 1) -> Value:
    return compute(op, [a, scaled(op, a, b, alpha)], lambda x, y: x - y)


@LOWERINGS("rsub.Tensor", "rsub.Scalar")
def rsub(op: OpBuilder, a: Operand, b: Operand, alpha: Operand = 1) -> Value:
    dtype = op.common(a, b)
    wide = dtypes.widened(dtype)
    x, y = op.cast(op.cast(a, dtype), wide), op.cast(op.cast(b, dtype), wide)
    if not is_one(alpha):
        x = x * op.cast(alpha, wide)
    return op.cast(y - x, dtype)


def scaled(op: OpBuilder, a: Operand, b: Operand, alpha: Operand) -> Operand:
    """``alpha * b`` in the dtype that `a` and `b` are computed in."""
    if is_one(alpha):
        return b
    dtype = op.common(a, b)
    wide = dtypes.widened(dtype)
    return op.cast(op.cast(op.cast(b, dtype), wide) * op.cast(alpha, wide), dtype)


@LOWERINGS("mul.Tensor", "mul.Scalar")
def mul(op: OpBuilder, a: Operand, b: Operand) -> Value:
    if op.dtype == BOOL:
        return op.cast(a, BOOL) & op.cast(b, BOOL)
    return compute(op, [a, b], lambda x, y: x * y)


@LOWERINGS("div.Tensor", "div.Scalar", "true_divide.Tensor", "true_divide.Scalar")
def div(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return op.cast(a, op.dtype) / op.cast(b, op.dtype)


@LOWERINGS("div.Tensor_mode", "div.Scalar_mode")
def div_mode(op: OpBuilder, a: Operand, b: Operand, rounding_mode: str | None = None) -> Value:
    if rounding_mode is None:
        return div(op, a, b)
    rule = floor_divide if rounding_mode == "floor" else truncated_divide
    return compute(op, [a, b], lambda x, y: rule(op, x, y))


@LOWERINGS("floor_divide", "floor_divide.Scalar")
def floor_div(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return compute(op, [a, b], lambda x, y: floor_divide(op, x, y))


@LOWERINGS("remainder.Tensor", "remainder.Scalar", "remainder.Scalar_Tensor")
def remainder(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return compute(op, [a, b], lambda x, y: python_modulo(op, x, y))


@LOWERINGS("fmod.Tensor", "fmod.Scalar")
def fmod(op: OpBuilder, a: Operand, b: Operand) -> Value:
    return compute(op, [a, b], lambda x, y: truncated_modulo(op, x, y))


@LOWERINGS("pow.Tensor_Tensor", "pow.Tensor_Scalar", "pow.Scalar")
def power(op: OpBuilder, base: Operand, exponent: Operand) -> Value:
    dtype = op.dtype
    wide = dtypes.widened(dtype)
    if isinstance(exponent, (int, float)) and isinstance(base, Value):
        x = op.cast(base, wide)
        fixed = _fixed_power(op, x, exponent)
        if fixed is not None:
            return op.cast(fixed, dtype)
    x, y = op.cast(op.cast(base, dtype), wide), op.cast(op.cast(exponent, dtype), wide)
    if wide == ir.DataType.INT64 or wide == ir.DataType.INT32:
        return op.cast(_int_power(op, x, y), dtype)
    return op.one("Pow", x, y)


def _fixed_power(op: OpBuilder, x: Value, exponent: float) -> Value | None:
    if exponent == 0.5 and dtypes.is_float(x.elem):
        return op.one("Sqrt", x)
    if exponent in (1, 2, 3):
        result = x
        for _ in range(int(exponent) - 1):
            result = result * x
        return result
    if exponent == -1 and dtypes.is_float(x.elem):
        return op.one("Reciprocal", x)
    return None


def _int_power(op: OpBuilder, base: Value, exponent: Value) -> Value:
    """Square and multiply: a power of integers is exact, wrapping as PyTorch's does."""
    negative = exponent < 0
    left = op.one("Max", exponent, 0)
    result = op.const(1, base.elem)
    square = base
    for _ in range(6):
        odd = op.one("Equal", op.one("Mod", left, 2), 1)
        result = op.one("Where", odd, result * square, result)
        left = left / 2
        square = square * square
    sign = op.one(
        "Where", op.one("Equal", op.one("Mod", exponent, 2), 0), 1, op.const(-1, base.elem)
    )
    inverse = op.one("Where", op.one("Equal", base, 1), 1, op.const(0, base.elem))
    inverse = op.one("Where", op.one("Equal", base, -1), sign, inverse)
    return op.one("Where", negative, inverse, result)


@LOWERINGS("addcmul")
def addcmul(op: OpBuilder, x: Value, a: Value, b: Value, value: Operand = 1) -> Value:
    def formula(x: Value, a: Value, b: Value) -> Value:
        product = a * b
        return x + (product if is_one(value) else product * op.cast(value, product.elem))

    return compute(op, [x, a, b], formula)


@LOWERINGS("addcdiv")
def addcdiv(op: OpBuilder, x: Value, a: Value, b: Value, value: Operand = 1) -> Value:
    def formula(x: Value, a: Value, b: Value) -> Value:
        return x + (a if is_one(value) else a * op.cast(value, a.elem)) / b

    return compute(op, [x, a, b], formula)


@LOWERINGS("lerp.Tensor", "lerp.Scalar")
def lerp(op: OpBuilder, start: Value, end: Value, weight: Operand) -> Value:
    w = op.cast(weight, op.dtype)
    near = op.one("Abs", w) < 0.5
    span = end - start
    return op.one("Where", near, start + w * span, end - span * (op.const(1, op.dtype) - w))


def _greater_or_less(name: str, *, past_nan: bool) -> Callable[[OpBuilder, Value, Value], Value]:
    """Max or Min of two tensors; `past_nan` takes the other where one is NaN."""

    def lowering(op: OpBuilder, a: Value, b: Value) -> Value:
        def formula(x: Value, y: Value) -> Value:
            if past_nan and dtypes.is_float(x.elem) and op.exact:
                x = op.one("Where", op.one("IsNaN", x), y, x)
                y = op.one("Where", op.one("IsNaN", y), x, y)
            return op.one(name, x, y)

        return compute(op, [a, b], formula)

    return lowering


LOWERINGS("maximum")(_greater_or_less("Max", past_nan=False))
LOWERINGS("minimum")(_greater_or_less("Min", past_nan=False))
LOWERINGS("fmax")(_greater_or_less("Max", past_nan=True))
LOWERINGS("fmin")(_greater_or_less("Min", past_nan=True))


@LOWERINGS("clamp", "clamp.Tensor")
def clamp(op: OpBuilder, x: Value, low: Operand = None, high: Operand = None) -> Value:
    dtype = op.dtype
    wide = ir.DataType.INT32 if dtype == BOOL else dtypes.widened(dtype)
    value = op.cast(op.cast(x, dtype), wide)
    if low is not None:
        value = op.one("Max", value, op.cast(op.cast(low, dtype), wide))
    if high is not None:
        value = op.one("Min", value, op.cast(op.cast(high, dtype), wide))
    return op.cast(value, dtype)


@LOWERINGS("clamp_min", "clamp_min.Tensor")
def clamp_min(op: OpBuilder, x: Value, low: Operand) -> Value:
    return clamp(op, x, low, None)


@LOWERINGS("clamp_max", "clamp_max.Tensor")
def clamp_max(op: OpBuilder, x: Value, high: Operand) -> Value:
    return clamp(op, x, None, high)


@LOWERINGS("neg")
def neg(op: OpBuilder, x: Value) -> Value:
    wide = dtypes.widened(x.elem)
    return op.cast(-op.cast(x, wide), x.elem)


@LOWERINGS("abs")
def absolute(op: OpBuilder, x: Value) -> Value:
    wide = dtypes.widened(x.elem)
    return op.cast(op.one("Abs", op.cast(x, wide)), x.elem)


@LOWERINGS("square")
def square(op: OpBuilder, x: Value) -> Value:
    return compute(op, [x, x], lambda a, b: a * b)


@LOWERINGS("sign", "sgn")
def sign(op: OpBuilder, x: Value) -> Value:
    if x.elem == BOOL:
        return op.one("Identity", x)
    if dtypes.is_float(x.elem):
        zero, one = op.const(0, x.elem), op.const(1, x.elem)
        positive = op.one("Where", x > 0.0, one, zero)  # NaN gives 0 in PyTorch
        return op.one("Where", x < 0.0, op.const(-1, x.elem), positive)
    wide = dtypes.widened(x.elem)
    return op.cast(op.one("Sign", op.cast(x, wide)), x.elem)


def _rounding(name: str) -> Callable[[OpBuilder, Value], Value]:
    def lowering(op: OpBuilder, x: Value) -> Value:
        return op.one(name, x) if dtypes.is_float(x.elem) else op.one("Identity", x)

    return lowering


LOWERINGS("floor")(_rounding("Floor"))
LOWERINGS("ceil")(_rounding("Ceil"))
LOWERINGS("round")(_rounding("Round"))


@LOWERINGS("round.decimals")
def round_decimals(op: OpBuilder, x: Value, decimals: int = 0) -> Value:
    if not dtypes.is_float(x.elem):
        return op.one("Identity", x)
    factor = 10.0 ** abs(decimals)
    if decimals < 0:
        return op.one("Round", x / factor) * factor
    return op.one("Round", x * factor) / factor if decimals else op.one("Round", x)


@LOWERINGS("trunc", "fix")
def trunc(op: OpBuilder, x: Value) -> Value:
    return truncate(op, x) if dtypes.is_float(x.elem) else op.one("Identity", x)


@LOWERINGS("frac")
def frac(op: OpBuilder, x: Value) -> Value:
    return x - truncate(op, x)
