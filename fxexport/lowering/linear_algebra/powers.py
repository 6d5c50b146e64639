"""The exponential of matrices."""

from __future__ import annotations

import math

import onnx_ir as ir

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.linear_algebra.matrices import flat, identity, unflat
from fxexport.lowering.loops import repeat
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()

# As PyTorch: with as many squarings, what overflows does so alike.
_LARGEST = {ir.DataType.FLOAT: 3.010066362817634, ir.DataType.DOUBLE: 1.090863719290036}
"""The norm up to which the series is summed as it is."""

_FOURTHS = {ir.DataType.FLOAT: 4, ir.DataType.DOUBLE: 5}
"""How many groups of four terms it takes for an error below a rounding error."""


@LOWERINGS("linalg_matrix_exp")
def matrix_exp(op: OpBuilder, x: Value) -> Value:
    """By scaling and squaring: the exponential of x / 2^s, squared s times."""
    if x.elem not in _FOURTHS:
        raise op.refuse(
            "the exponential of a matrix in half precision, of which PyTorch's overflows",
            "compute it in float32",
        )
    matrices = flat(op, x)
    times = _squarings(op, matrices)  # [B, 1, 1]
    scale = op.one("Pow", op.const(2, matrices.elem), op.cast(-times, matrices.elem))
    start = _series(op, matrices * scale)
    start.shape = matrices.shape

    def squared(k: Value, now: Value) -> list[Value]:
        return [op.one("Where", k < times, now @ now, now)]

    # There is a largest one even of no matrices.
    all_times = op.one("Concat", op.one("Reshape", times, [-1]), op.i64([0]), axis=0)
    most = op.one("ReduceMax", all_times, [0], keepdims=0)
    (found,) = repeat(op, most, [start], squared)
    return unflat(op, found, x)


def _squarings(op: OpBuilder, x: Value) -> Value:
    """How often each matrix is halved until its norm is small: int64[B, 1, 1]."""
    sums = op.one("ReduceSum", op.one("Abs", x), [1], keepdims=1)
    sums = op.one("Pad", sums, [0, 0, 0, 0, 0, 1], op.const(0, x.elem))  # one even of no columns
    sums.shape = ir.Shape([x.dims[0], 1, None])
    norm = op.one("ReduceMax", sums, [2], keepdims=1) / _LARGEST[x.elem]
    finite = (norm > 1.0) & (norm < math.inf)
    norm = op.one("Where", finite, norm, op.const(1, x.elem))
    halvings = op.one("Ceil", op.one("Log", norm) / math.log(2))
    return op.cast(halvings, ir.DataType.INT64)


def _series(op: OpBuilder, x: Value) -> Value:
    """The sum of x^k / k!, grouped by powers of x^4: few products."""
    count = _FOURTHS[x.elem]
    unit = identity(op, op.size(x, 2), x.elem)
    square = x @ x
    powers = [unit, x, square, square @ x]
    fourth = square @ square

    def group(k: int) -> Value:
        first, *others = (power * (1 / math.factorial(4 * k + i)) for i, power in enumerate(powers))
        for one in others:
            first = first + one
        return first

    found = group(count - 1) + fourth * (1 / math.factorial(4 * count))
    for k in reversed(range(count - 1)):
        found = found @ fourth + group(k)
    return found
