"""The error function and what is made of it."""

from __future__ import annotations

import math

import onnx_ir as ir

from fxexport.lowering.arithmetic import lacks_kernels, polynomial
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
DOUBLE = ir.DataType.DOUBLE

# erfc(z) = t * exp(-z * z + p(t)) for z >= 0, with t = 2 / (2 + z), and p a sum of Chebyshev
# polynomials: Press et al., Numerical Recipes, 3rd edition, section 6.2.2. Its relative error is
# 1e-16; half of the terms are enough for single precision.
_CHEBYSHEV = (
    -1.3026537197817094,
    6.4196979235649026e-1,
    1.9476473204185836e-2,
    -9.561514786808631e-3,
    -9.46595344482036e-4,
    3.66839497852761e-4,
    4.2523324806907e-5,
    -2.0278578112534e-5,
    -1.624290004647e-6,
    1.303655835580e-6,
    1.5626441722e-8,
    -8.5238095915e-8,
    6.529054439e-9,
    5.059343495e-9,
    -9.91364156e-10,
    -2.27365122e-10,
    9.6467911e-11,
    2.394038e-12,
    -6.886027e-12,
    8.94487e-13,
    3.13092e-13,
    -1.12708e-13,
    3.81e-16,
    7.106e-15,
    -1.523e-15,
    -9.4e-17,
    1.21e-16,
    -2.8e-17,
)
_SINGLE = 14


@LOWERINGS("erf", "special_erf")
def erf(op: OpBuilder, x: Value) -> Value:
    x = op.cast(x, op.dtype)
    if x.elem != DOUBLE:
        return op.one("Erf", x)
    # ONNX Runtime has Erf in single precision only.
    size = op.one("Abs", x)
    far = 1.0 - _scaled_complement(op, size) * op.one("Exp", -(x * x))
    far = op.one("Where", x < 0.0, -far, far)
    return op.one("Where", size < 0.5, _series(op, x), far)


@LOWERINGS("gelu")
def gelu(op: OpBuilder, x: Value, approximate: str = "none") -> Value:
    if op.opset >= 20 and not lacks_kernels(op, x):
        return op.one("Gelu", x, approximate=approximate)
    if approximate == "tanh":
        inner = (x + x * x * x * 0.044715) * math.sqrt(2.0 / math.pi)
        return x * 0.5 * (op.one("Tanh", inner) + 1.0)
    scaled = x * (1.0 / math.sqrt(2.0))
    if lacks_kernels(op, x):
        return x * 0.5 * complement(op, -scaled)
    return x * 0.5 * (op.one("Erf", scaled) + 1.0)


@LOWERINGS("erfc", "special_erfc")
def erfc(op: OpBuilder, x: Value) -> Value:
    return complement(op, op.cast(x, op.dtype))


def complement(op: OpBuilder, x: Value) -> Value:
    """``1 - erf(x)``, also where erf is nearly 1 and the difference has no digits left."""
    tail = _scaled_complement(op, op.one("Abs", x)) * op.one("Exp", -(x * x))
    return op.one("Where", x < 0.0, 2.0 - tail, tail)


@LOWERINGS("special_erfcx")
def erfcx(op: OpBuilder, x: Value) -> Value:
    x = op.cast(x, op.dtype)
    tail = _scaled_complement(op, op.one("Abs", x))
    return op.one("Where", x < 0.0, op.one("Exp", x * x) * 2.0 - tail, tail)


def _scaled_complement(op: OpBuilder, z: Value) -> Value:
    """``exp(z * z) * erfc(z)`` for ``z >= 0``."""
    dtype = z.elem
    z = op.cast(z, DOUBLE if dtype == DOUBLE else ir.DataType.FLOAT)
    terms = _CHEBYSHEV if dtype == DOUBLE else _CHEBYSHEV[:_SINGLE]
    t = 2.0 / (z + 2.0)
    y = t * 4.0 - 2.0
    # Clenshaw's recurrence.
    last = op.const(0.0, z.elem)
    total = op.const(terms[-1], z.elem)
    for term in reversed(terms[1:-1]):
        last, total = total, y * total - last + term
    exponent = (y * total + terms[0]) * 0.5 - last
    return op.cast(t * op.one("Exp", exponent), dtype)


def _series(op: OpBuilder, x: Value) -> Value:
    """Erf near 0, where 1 - erfc(x) has no digits left: its power series."""
    terms = [(-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(13)]
    return x * polynomial(op, x * x, terms) * (2.0 / math.sqrt(math.pi))
