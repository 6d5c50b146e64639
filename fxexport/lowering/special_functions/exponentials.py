"""Exponentials and logarithms that keep their digits near 0, and activations made of them."""

from __future__ import annotations

from fxexport.lowering.arithmetic import exp_minus_one, lacks_kernels, log_of_one_plus
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
# G. Klambauer and others, "Self-normalizing neural networks", 2017.
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@LOWERINGS("log1p", "special_log1p")
def log1p(op: OpBuilder, x: Value) -> Value:
    return log_of_one_plus(op, op.cast(x, op.dtype))


@LOWERINGS("expm1", "special_expm1")
def expm1(op: OpBuilder, x: Value) -> Value:
    return exp_minus_one(op, op.cast(x, op.dtype))


def _softplus(op: OpBuilder, x: Value) -> Value:
    """``log(1 + exp(x))``, in double as well."""
    if not lacks_kernels(op, x):
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
    if scale == 1 and input_scale == 1 and not lacks_kernels(op, x):
        return op.one("Elu", x, alpha=float(alpha))
    negative = exp_minus_one(op, x * float(input_scale)) * float(alpha * scale)
    return op.one("Where", x > 0.0, x * float(scale), negative)


@LOWERINGS("selu")
def selu(op: OpBuilder, x: Value) -> Value:
    if not lacks_kernels(op, x):
        return op.one("Selu", x)
    negative = exp_minus_one(op, x) * (_SELU_SCALE * _SELU_ALPHA)
    return op.one("Where", x > 0.0, x * _SELU_SCALE, negative)
