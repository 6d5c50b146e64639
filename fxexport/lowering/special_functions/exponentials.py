"""Exponentials and logarithms that keep their digits near 0, and activations made of them."""

from __future__ import annotations

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
# G. Klambauer and others, "Self-normalizing neural networks", 2017.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


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
    return exponential_minus_one(op, op.cast(x, op.dtype))


def exponential_minus_one(op: OpBuilder, x: Value) -> Value:
    """``exp(x) - 1``: near 0 ``tanh(x/2) * (exp(x) + 1)`` keeps the digits."""
    e = op.one("Exp", x)
    near = op.one("Abs", x) < 0.5
    return op.one("Where", near, op.one("Tanh", x * 0.5) * (e + 1.0), e - 1.0)


def _softplus(op: OpBuilder, x: Value) -> Value:
    """``log(1 + exp(x))``, in double as well."""
    if x.elem != ir.DataType.DOUBLE:
        return op.one("Softplus", x)
    return op.one("Max", x, 0.0) + log_of_one_plus(op, op.one("Exp", -op.one("Abs", x)))


@LOWERINGS("softplus")
def softplus(op: OpBuilder, x: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    scaled = x * float(beta) if beta != 1 else x
    soft = _softplus(op, scaled)
    return op.one("Where", scaled > float(threshold), x, soft / float(beta) if beta != 1 else soft)


@LOWERINGS("log_sigmoid", "log_sigmoid_forward")
def log_sigmoid(op: OpBuilder, x: Value) -> Value | tuple[Value, None]:
    result = -_softplus(op, -x)
    # What else the operator yields is for the backward pass.
    return (result, None) if isinstance(op.val, (tuple, list)) else result


@LOWERINGS("mish")
def mish(op: OpBuilder, x: Value) -> Value:
    return x * op.one("Tanh", _softplus(op, x))


@LOWERINGS("elu")
def elu(
    op: OpBuilder, x: Value, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0
) -> Value:
    if scale == 1 and input_scale == 1 and x.elem != ir.DataType.DOUBLE:
        return op.one("Elu", x, alpha=float(alpha))
    negative = exponential_minus_one(op, x * float(input_scale)) * float(alpha * scale)
    return op.one("Where", x > 0.0, x * float(scale), negative)


@LOWERINGS("selu")
def selu(op: OpBuilder, x: Value) -> Value:
    if x.elem != ir.DataType.DOUBLE:
        return op.one("Selu", x)
    negative = exponential_minus_one(op, x) * (_SELU_SCALE * _SELU_ALPHA)
    return op.one("Where", x > 0.0, x * _SELU_SCALE, negative)
