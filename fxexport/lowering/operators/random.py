"""Random numbers: the file draws its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Attribute, Operand, Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
FLOAT, INT64 = ir.DataType.FLOAT, ir.DataType.INT64
_DRAWN = 1 << 24

Size = Sequence[int | Value]


def _draw(
    op: OpBuilder, name: str, shape: Value, dtype: ir.DataType, **attributes: Attribute
) -> Value:
    # ONNX Runtime draws no bfloat16.
    wide = dtype if dtypes.is_float(dtype) and dtype != ir.DataType.BFLOAT16 else FLOAT
    like = op.one("Expand", op.const(0, wide), shape)
    drawn = op.one(name, like, dtype=int(wide), **attributes)
    return op.cast(drawn, dtype) if dtypes.is_float(dtype) else drawn


@LOWERINGS("rand")
def rand(op: OpBuilder, size: Size, **_: object) -> Value:
    return _draw(op, "RandomUniformLike", op.sizes(size), op.dtype)


@LOWERINGS("randn")
def randn(op: OpBuilder, size: Size, **_: object) -> Value:
    return _draw(op, "RandomNormalLike", op.sizes(size), op.dtype)


@LOWERINGS("rand_like")
def rand_like(op: OpBuilder, x: Value, **_: object) -> Value:
    return _draw(op, "RandomUniformLike", op.shape(x), op.dtype)


@LOWERINGS("randn_like")
def randn_like(op: OpBuilder, x: Value, **_: object) -> Value:
    return _draw(op, "RandomNormalLike", op.shape(x), op.dtype)


def _integers(op: OpBuilder, shape: Value, low: Operand, high: Operand) -> Value:
    """Integers from `low` to `high` - 1, in single precision: TensorRT has no other."""
    first = op.cast(low, INT64)
    span = op.cast(high, INT64) - first
    known = op.constant(span)
    if known is not None and 0 < int(known) <= _DRAWN:
        number = _below(op, shape, int(known))
    else:
        # 63 random bits; the remainder prefers no number by more than the span's part of them.
        parts = [_below(op, shape, size) for size in (1 << 15, _DRAWN, _DRAWN)]
        number = op.one("Mod", (parts[0] * _DRAWN + parts[1]) * _DRAWN + parts[2], span)
    return op.cast(number + first, op.dtype)


def _below(op: OpBuilder, shape: Value, count: int) -> Value:
    """Integers from 0 to `count` - 1, at most 2^24 of them: a float32 has no more digits."""
    unit = _draw(op, "RandomUniformLike", shape, FLOAT)
    number = op.one("Min", op.one("Floor", unit * float(count)), float(count - 1))
    return op.cast(number, INT64)


@LOWERINGS("randint")
def randint(op: OpBuilder, high: Operand, size: Size, **_: object) -> Value:
    return _integers(op, op.sizes(size), 0, high)


@LOWERINGS("randint.low")
def randint_low(op: OpBuilder, low: Operand, high: Operand, size: Size, **_: object) -> Value:
    return _integers(op, op.sizes(size), low, high)


@LOWERINGS("randint_like")
def randint_like(op: OpBuilder, x: Value, high: Operand, **_: object) -> Value:
    return _integers(op, op.shape(x), 0, high)


@LOWERINGS("randint_like.low_dtype")
def randint_like_low(op: OpBuilder, x: Value, low: Operand, high: Operand, **_: object) -> Value:
    return _integers(op, op.shape(x), low, high)


def _uniform(op: OpBuilder, x: Value, low: float, high: float) -> Value:
    unit = _draw(op, "RandomUniformLike", op.shape(x), x.elem)
    return unit * (float(high) - float(low)) + float(low)


@LOWERINGS("uniform")
def uniform(op: OpBuilder, x: Value, low: float = 0.0, high: float = 1.0, **_: object) -> Value:
    return _uniform(op, x, low, high)


def _normal(op: OpBuilder, shape: Value, mean: Operand, deviation: Operand) -> Value:
    unit = _draw(op, "RandomNormalLike", shape, op.dtype)
    return unit * op.cast(deviation, unit.elem) + op.cast(mean, unit.elem)


@LOWERINGS("normal_functional")
def normal_functional(
    op: OpBuilder, x: Value, mean: Operand = 0.0, deviation: Operand = 1.0, **_: object
) -> Value:
    return _normal(op, op.shape(x), mean, deviation)


@LOWERINGS("normal.float_float")
def normal_numbers(
    op: OpBuilder, mean: Operand, deviation: Operand, size: Size, **_: object
) -> Value:
    return _normal(op, op.sizes(size), mean, deviation)


@LOWERINGS("normal.Tensor_float")
def normal_around(op: OpBuilder, mean: Value, deviation: Operand = 1.0, **_: object) -> Value:
    return _normal(op, op.shape(mean), mean, deviation)


@LOWERINGS("normal.float_Tensor")
def normal_of_width(op: OpBuilder, mean: Operand, deviation: Value, **_: object) -> Value:
    return _normal(op, op.shape(deviation), mean, deviation)


@LOWERINGS("normal.Tensor_Tensor")
def normal_tensors(op: OpBuilder, mean: Value, deviation: Value, **_: object) -> Value:
    return _normal(op, op.shape(mean + deviation), mean, deviation)


@LOWERINGS("exponential")
def exponential(op: OpBuilder, x: Value, rate: float = 1.0, **_: object) -> Value:
    # 1 - u lies in (0, 1], so the logarithm is finite.
    unit = _draw(op, "RandomUniformLike", op.shape(x), x.elem)
    return op.one("Neg", op.one("Log", 1.0 - unit)) * (1.0 / float(rate))


@LOWERINGS("geometric")
def geometric(op: OpBuilder, x: Value, probability: float, **_: object) -> Value:
    single = op.dtype in (FLOAT, ir.DataType.DOUBLE)
    unit = _draw(op, "RandomUniformLike", op.shape(x), op.dtype if single else FLOAT)
    trials = op.one("Log", 1.0 - unit) * (1.0 / math.log1p(-float(probability)))
    return op.cast(op.one("Max", op.one("Ceil", trials), 1.0), op.dtype)


@LOWERINGS("multinomial")
def multinomial(
    op: OpBuilder, weights: Value, count: int, replacement: bool = False, **_: object
) -> Value:
    logs = op.one("Log", op.cast(weights, FLOAT))
    if replacement:
        rows = op.one("Unsqueeze", logs, [0]) if weights.rank == 1 else logs
        drawn = op.one("Multinomial", rows, sample_size=int(count), dtype=int(ir.DataType.INT64))
        return op.one("Squeeze", drawn, [0]) if weights.rank == 1 else drawn
    # Without replacement: the largest of logarithms that Gumbel noise is added to.
    unit = _draw(op, "RandomUniformLike", op.shape(weights), FLOAT)
    noise = op.one("Neg", op.one("Log", op.one("Neg", op.one("Log", unit + 1e-20))))
    order = op.several("TopK", 2, logs + noise, op.vector(count), axis=-1)[1]
    return op.cast(order, op.dtype)


@LOWERINGS("bernoulli")
def bernoulli(op: OpBuilder, x: Value, **_: object) -> Value:
    unit = _draw(op, "RandomUniformLike", op.shape(x), x.elem)
    return op.cast(unit < x, op.dtype)


@LOWERINGS("bernoulli.p")
def bernoulli_p(op: OpBuilder, x: Value, p: Operand = 0.5, **_: object) -> Value:
    unit = _draw(op, "RandomUniformLike", op.shape(x), FLOAT)
    return op.cast(unit < op.cast(p, FLOAT), op.dtype)


@LOWERINGS("native_dropout")
def native_dropout(
    op: OpBuilder, x: Value, p: float, train: bool | None = True
) -> tuple[Value, Value]:
    kept = ir.DataType.BOOL
    if not train or p == 0:
        return op.one("Identity", x), op.one("Expand", op.const(True, kept), op.shape(x))
    return _dropped(op, x, p, op.shape(x))


def _dropped(op: OpBuilder, x: Value, p: float, shape: Value) -> tuple[Value, Value]:
    """The input without a share of it, the rest scaled, and what was kept."""
    unit = _draw(op, "RandomUniformLike", shape, x.elem)
    mask = unit >= float(p)
    scale = 0.0 if p == 1 else 1.0 / (1.0 - p)
    return op.cast(mask, x.elem) * x * scale, mask


@LOWERINGS("dropout")
def dropout(op: OpBuilder, x: Value, p: float, train: bool) -> Value:
    return native_dropout(op, x, p, train)[0] if train and p else x


@LOWERINGS("feature_dropout")
def feature_dropout(op: OpBuilder, x: Value, p: float, train: bool) -> Value:
    if not train or not p:
        return x
    channels = op.sizes([op.size(x, 0), op.size(x, 1), *[1] * (x.rank - 2)])
    return _dropped(op, x, p, channels)[0]


@LOWERINGS("randperm")
def randperm(op: OpBuilder, n: int | Value, **_: object) -> Value:
    count = op.vector(n)
    unit = _draw(op, "RandomUniformLike", count, FLOAT)
    order = op.several("TopK", 2, unit, count, axis=0)[1]
    return op.cast(order, op.dtype)
