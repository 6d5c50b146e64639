"""Functions of one tensor, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable

import onnx_ir as ir

from fxexport.lowering.arithmetic import (
    arc_tangent,
    lacks_kernels,
)
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.operators.compare import comparable, signbit
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()


def _plain(name: str) -> Callable[[OpBuilder, Value], Value]:
    """An ONNX function of floats; integers are converted as PyTorch does."""

    def lowering(op: OpBuilder, x: Value) -> Value:
        return op.one(name, op.cast(x, op.dtype))

    return lowering


for _torch_name, _onnx_name in {
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "sin": "Sin",
    "cos": "Cos",
    "tanh": "Tanh",
    "reciprocal": "Reciprocal",
    "sigmoid": "Sigmoid",
    "special_expit": "Sigmoid",
}.items():
    LOWERINGS(_torch_name)(_plain(_onnx_name))


@LOWERINGS("relu")
def relu(op: OpBuilder, x: Value) -> Value:
    if dtypes.is_float(x.elem):
        return op.one("Relu", x)
    wide = dtypes.widened(x.elem)
    return op.cast(op.one("Max", op.cast(x, wide), 0), x.elem)


@LOWERINGS("rsqrt")
def rsqrt(op: OpBuilder, x: Value) -> Value:
    return op.one("Reciprocal", op.one("Sqrt", op.cast(x, op.dtype)))


@LOWERINGS("log2")
def log2(op: OpBuilder, x: Value) -> Value:
    return op.one("Log", op.cast(x, op.dtype)) * (1.0 / math.log(2.0))


@LOWERINGS("log10")
def log10(op: OpBuilder, x: Value) -> Value:
    return op.one("Log", op.cast(x, op.dtype)) * (1.0 / math.log(10.0))


@LOWERINGS("exp2", "special_exp2")
def exp2(op: OpBuilder, x: Value) -> Value:
    return op.one("Pow", op.const(2.0, op.dtype), op.cast(x, op.dtype))


@LOWERINGS("silu")
def silu(op: OpBuilder, x: Value) -> Value:
    return x * op.one("Sigmoid", x)


@LOWERINGS("relu6")
def relu6(op: OpBuilder, x: Value) -> Value:
    return hardtanh(op, x, 0, 6)


@LOWERINGS("hardtanh")
def hardtanh(op: OpBuilder, x: Value, low: Operand = -1, high: Operand = 1) -> Value:
    wide = dtypes.widened(x.elem)
    bounded = op.one("Max", op.cast(x, wide), op.cast(low, wide))
    return op.cast(op.one("Min", bounded, op.cast(high, wide)), x.elem)


@LOWERINGS("hardswish")
def hardswish(op: OpBuilder, x: Value) -> Value:
    if x.elem in (ir.DataType.FLOAT, ir.DataType.FLOAT16):
        return op.one("HardSwish", x)
    return x * hardsigmoid(op, x)


@LOWERINGS("hardsigmoid")
def hardsigmoid(op: OpBuilder, x: Value) -> Value:
    if x.elem == ir.DataType.FLOAT:
        return op.one("HardSigmoid", x, alpha=1.0 / 6.0, beta=0.5)
    return hardtanh(op, x + 3.0, 0, 6) / 6.0


@LOWERINGS("leaky_relu")
def leaky_relu(op: OpBuilder, x: Value, slope: Operand = 0.01) -> Value:
    if isinstance(slope, (int, float)) and not lacks_kernels(op, x):
        return op.one("LeakyRelu", x, alpha=float(slope))
    return op.one("Where", x > 0.0, x, x * op.cast(slope, x.elem))


@LOWERINGS("prelu", "_prelu_kernel")
def prelu(op: OpBuilder, x: Value, weight: Value) -> Value:
    if x.rank == 0:
        weight = op.one("Reshape", weight, op.i64([]))
    elif weight.rank <= 1 and x.rank > 1 and weight.dims != [1]:
        weight = op.one("Reshape", weight, [-1] + [1] * (x.rank - 2))
    if lacks_kernels(op, x):
        return op.one("Where", x > 0.0, x, x * weight)
    return op.one("PRelu", x, weight)


@LOWERINGS("celu")
def celu(op: OpBuilder, x: Value, alpha: float = 1.0) -> Value:
    negative = op.one("Min", (op.one("Exp", x / float(alpha)) - 1.0) * float(alpha), 0.0)
    return op.one("Max", x, 0.0) + negative


@LOWERINGS("softshrink")
def softshrink(op: OpBuilder, x: Value, lambd: float = 0.5) -> Value:
    if not op.exact:
        return op.one("Shrink", x, bias=float(lambd), lambd=float(lambd))
    return x - op.one("Clip", x, -float(lambd), float(lambd))  # Shrink makes a 0 of NaN


@LOWERINGS("hardshrink")
def hardshrink(op: OpBuilder, x: Value, lambd: float = 0.5) -> Value:
    inside = op.one("Abs", x) <= float(lambd)
    return op.one("Where", inside, op.const(0, x.elem), x)


@LOWERINGS("threshold")
def threshold(op: OpBuilder, x: Value, limit: Operand, value: Operand) -> Value:
    below = op.one("LessOrEqual", *comparable(op, x, limit))  # NaN is not, and stays
    return op.one("Where", below, op.cast(value, x.elem), x)


@LOWERINGS("logit", "special_logit")
def logit(op: OpBuilder, x: Value, eps: float | None = None) -> Value:
    x = op.cast(x, op.dtype)
    if eps is not None:
        x = op.one("Min", op.one("Max", x, float(eps)), 1.0 - float(eps))
    return op.one("Log", x / (op.const(1, x.elem) - x))


@LOWERINGS("glu")
def glu(op: OpBuilder, x: Value, dim: int = -1) -> Value:
    a, b = op.several("Split", 2, x, axis=dim, num_outputs=2)
    return a * op.one("Sigmoid", b)


@LOWERINGS("xlogy.Tensor", "xlogy.Scalar_Self", "xlogy.Scalar_Other", "special_xlogy")
def xlogy(op: OpBuilder, x: Operand, y: Operand) -> Value:
    a, b = op.cast(x, op.dtype), op.cast(y, op.dtype)
    zero = op.one("Equal", a, 0.0) & ~op.one("IsNaN", b)
    return op.one("Where", zero, op.const(0, op.dtype), a * op.one("Log", b))


@LOWERINGS("atan2")
def atan2(op: OpBuilder, y: Value, x: Value) -> Value:
    """The angle between the axis and the vector without signs, turned by the signs."""
    y, x = op.cast(y, op.dtype), op.cast(x, op.dtype)
    up, right = op.one("Abs", y), op.one("Abs", x)
    at_zero = op.one("Equal", right, 0.0)
    slope = arc_tangent(op, up / op.one("Where", at_zero, op.const(1, op.dtype), right))
    angle = op.one("Where", at_zero, op.one("Sign", up) * (math.pi / 2), slope)
    if op.exact:
        far = op.one("Equal", op.one("Min", up, right), math.inf)
        angle = op.one("Where", far, op.const(math.pi / 4, op.dtype), angle)
    angle = op.one("Where", _has_minus(op, x), op.const(math.pi, op.dtype) - angle, angle)
    return op.one("Where", _has_minus(op, y), -angle, angle)


def _has_minus(op: OpBuilder, x: Value) -> Value:
    """Whether a number is below zero or, where that is to be told, is -0.0."""
    return signbit(op, x) if op.exact else x < 0.0


@LOWERINGS("angle")
def angle(op: OpBuilder, x: Value) -> Value:
    """Of a real number: 0 or pi; those of complex numbers are taken apart before."""
    x = op.cast(x, op.dtype)
    made = op.one("Where", x < 0.0, op.const(math.pi, op.dtype), op.const(0, op.dtype))
    return op.one("Where", op.one("IsNaN", x), x, made) if op.exact else made


@LOWERINGS("copysign.Tensor", "copysign.Scalar")
def copysign(op: OpBuilder, x: Value, sign: Value | float) -> Value:
    size = op.one("Abs", op.cast(x, op.dtype))
    if not isinstance(sign, Value):
        return -size if math.copysign(1.0, sign) < 0 else size
    minus = signbit(op, sign)
    return op.one("Where", minus, -size, size)


@LOWERINGS("deg2rad")
def deg2rad(op: OpBuilder, x: Value) -> Value:
    return op.cast(x, op.dtype) * (math.pi / 180.0)


@LOWERINGS("rad2deg")
def rad2deg(op: OpBuilder, x: Value) -> Value:
    return op.cast(x, op.dtype) * (180.0 / math.pi)


@LOWERINGS("hypot")
def hypot(op: OpBuilder, a: Value, b: Value) -> Value:
    # Squares of large numbers would be infinite, of small ones 0: the larger is taken out first.
    a, b = (op.one("Abs", op.cast(x, op.dtype)) for x in (a, b))
    large, small = op.one("Max", a, b), op.one("Min", a, b)
    infinite = op.one("Equal", large, float("inf"))
    if op.exact:  # infinity counts more than NaN
        infinite = op.one("Equal", a, float("inf")) | op.one("Equal", b, float("inf"))
    plain = op.one("Where", op.one("Equal", large, 0.0), op.const(1, op.dtype), large)
    ratio = small / plain
    length = large * op.one("Sqrt", ratio * ratio + 1.0)
    return op.one("Where", infinite, op.const(math.inf, op.dtype), length)


@LOWERINGS("heaviside")
def heaviside(op: OpBuilder, x: Value, values: Value) -> Value:
    wide = ir.DataType.INT32 if op.dtype == ir.DataType.BOOL else dtypes.widened(op.dtype)
    x, values = op.cast(x, wide), op.cast(values, wide)
    step = op.cast(x > op.const(0, wide), wide)
    return op.cast(op.one("Where", op.one("Equal", x, op.const(0, wide)), values, step), op.dtype)


@LOWERINGS("sinc", "special_sinc")
def sinc(op: OpBuilder, x: Value) -> Value:
    x = op.cast(x, op.dtype)
    at_zero = op.one("Equal", x, 0.0)
    angle = op.one("Where", at_zero, op.const(1, op.dtype), x) * math.pi
    return op.one("Where", at_zero, op.const(1, op.dtype), op.one("Sin", angle) / angle)


@LOWERINGS("nan_to_num")
def nan_to_num(
    op: OpBuilder,
    x: Value,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Value:
    if not dtypes.is_float(x.elem):
        return op.one("Identity", x)
    import torch

    limits = torch.finfo(dtypes.to_torch(x.elem))
    high = op.const(limits.max if posinf is None else posinf, x.elem)
    low = op.const(limits.min if neginf is None else neginf, x.elem)
    out = op.one("Where", op.one("IsNaN", x), op.const(nan or 0.0, x.elem), x)
    out = op.one("Where", op.one("Equal", x, float("inf")), high, out)
    return op.one("Where", op.one("Equal", x, float("-inf")), low, out)
