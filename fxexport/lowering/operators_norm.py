"""Normalisations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch

from fxexport.lowering.arithmetic import element_count
from fxexport.lowering.builder import OpBuilder
from fxexport.lowering.operators_reduce import mean_over, moments
from fxexport.lowering.registry import Table
from fxexport.lowering.values import Value

LOWERINGS = Table()
FLOAT = ir.DataType.FLOAT


@LOWERINGS("_softmax", "softmax.int", "special_softmax")
def softmax(op: OpBuilder, x: Value, dim: int, *_: Any, **__: Any) -> Value:
    return _along(op, "Softmax", x, dim)


@LOWERINGS("_safe_softmax")
def safe_softmax(op: OpBuilder, x: Value, dim: int, *_: Any, **__: Any) -> Value:
    x = op.cast(x, op.dtype)
    return masked_softmax(op, x, dim % x.rank)


def masked_softmax(op: OpBuilder, x: Value, dim: int) -> Value:
    """Softmax that gives 0 where a whole row is minus infinity."""
    empty = op.one("Equal", op.one("ReduceMax", x, [dim], keepdims=1), float("-inf"))
    return op.one("Where", empty, op.const(0, x.elem), op.one("Softmax", x, axis=dim))


@LOWERINGS("_log_softmax", "log_softmax.int", "special_log_softmax")
def log_softmax(op: OpBuilder, x: Value, dim: int, *_: Any, **__: Any) -> Value:
    return _along(op, "LogSoftmax", x, dim)


def _along(op: OpBuilder, name: str, x: Value, dim: int) -> Value:
    x = op.cast(x, op.dtype)
    if x.rank == 0:
        return op.one("Squeeze", op.one(name, op.one("Unsqueeze", x, [0]), axis=0), [0])
    return op.one(name, x, axis=dim % x.rank)


def _filled(op: OpBuilder, sizes: Sequence[int | Value], value: float, dtype: ir.DataType) -> Value:
    if all(isinstance(size, int) for size in sizes) and math.prod(sizes) <= 65536:  # type: ignore[arg-type]
        return op.const(np.full(sizes, value), dtype)  # type: ignore[arg-type]
    return op.one("Expand", op.const(value, dtype), op.sizes(sizes))


@LOWERINGS("layer_norm")
def layer_norm(
    op: OpBuilder,
    x: Value,
    shape: Sequence[int | Value],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Value:
    if weight is None:
        weight = _filled(op, shape, 1.0, x.elem)
    weight = op.cast(weight, x.elem)
    bias = None if bias is None else op.cast(bias, x.elem)
    return op.one("LayerNormalization", x, weight, bias, axis=-len(shape), epsilon=float(eps))


@LOWERINGS("native_layer_norm")
def native_layer_norm(
    op: OpBuilder,
    x: Value,
    shape: Sequence[int | Value],
    weight: Value | None,
    bias: Value | None,
    eps: float,
) -> tuple[Value, Value, Value]:
    axes = list(range(x.rank - len(shape), x.rank))
    variance, mean = moments(op, x, axes, 0, True)
    rstd = op.one("Reciprocal", op.one("Sqrt", variance + float(eps)))
    return layer_norm(op, x, shape, weight, bias, eps), mean, rstd


@LOWERINGS("rms_norm", "_fused_rms_norm")
def rms_norm(
    op: OpBuilder,
    x: Value,
    shape: Sequence[int | Value],
    weight: Value | None = None,
    eps: float | None = None,
) -> Any:
    dtype = x.elem
    narrow = dtype in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
    wide = op.cast(x, FLOAT if narrow else dtype)
    if eps is None:
        torch_dtype = torch.float64 if wide.elem == ir.DataType.DOUBLE else torch.float32
        eps = torch.finfo(torch_dtype).eps
    axes = list(range(x.rank - len(shape), x.rank))
    power = mean_over(op, wide * wide, axes, True)
    rstd = op.one("Reciprocal", op.one("Sqrt", power + float(eps)))
    result = wide * rstd
    if weight is not None:
        result = result * op.cast(weight, result.elem)
    result = op.cast(result, dtype)
    return (result, rstd) if isinstance(op.val, (tuple, list)) else result


def group_normalise(
    op: OpBuilder, x: Value, groups: int, weight: Value | None, bias: Value | None, eps: float
) -> Value:
    """Group normalisation through InstanceNormalization over flattened groups."""
    flat = _grouped(op, x, groups)
    one, zero = op.const([1.0] * groups, x.elem), op.const([0.0] * groups, x.elem)
    flat = op.one("InstanceNormalization", flat, one, zero, epsilon=float(eps))
    result = op.one("Reshape", flat, op.shape(x))
    per_channel = [-1] + [1] * (x.rank - 2)
    if weight is not None:
        result = result * op.one("Reshape", op.cast(weight, x.elem), per_channel)
    if bias is not None:
        result = result + op.one("Reshape", op.cast(bias, x.elem), per_channel)
    return result


def _grouped(op: OpBuilder, x: Value, groups: int) -> Value:
    """The elements of each group in one row; no size is left to be found: a batch may be empty."""
    count = element_count(op, x, list(range(1, x.rank)), ir.DataType.INT64)
    flat = op.reshape(x, [op.size(x, 0), groups, count / groups])
    known = op.constant(count)
    flat.shape = ir.Shape([x.dims[0], groups, None if known is None else int(known) // groups])
    return flat


@LOWERINGS("group_norm")
def group_norm(
    op: OpBuilder,
    x: Value,
    groups: int,
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Value:
    return group_normalise(op, x, groups, weight, bias, eps)


@LOWERINGS("native_group_norm")
def native_group_norm(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    n: Any,
    c: Any,
    hw: Any,
    groups: int,
    eps: float,
) -> tuple[Value, Value, Value]:
    flat = _grouped(op, x, groups)
    variance, mean = moments(op, flat, [2], 0, False)
    rstd = op.one("Reciprocal", op.one("Sqrt", variance + float(eps)))
    return group_normalise(op, x, groups, weight, bias, eps), mean, rstd


def _channels(op: OpBuilder, x: Value) -> int | Value:
    return op.size(x, 1)


@LOWERINGS("instance_norm")
def instance_norm(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value | None,
    variance: Value | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> Value:
    if not use_input_stats:
        assert mean is not None and variance is not None
        return batch_normalise(op, x, weight, bias, mean, variance, eps)
    scale = _filled(op, [_channels(op, x)], 1.0, x.elem) if weight is None else weight
    shift = _filled(op, [_channels(op, x)], 0.0, x.elem) if bias is None else bias
    return op.one("InstanceNormalization", x, scale, shift, epsilon=float(eps))


def batch_normalise(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    variance: Value,
    eps: float,
) -> Value:
    """BatchNormalization with given statistics."""
    if weight is None:
        weight = _filled(op, [op.size(mean, 0)], 1.0, x.elem)
    if bias is None:
        bias = _filled(op, [op.size(mean, 0)], 0.0, x.elem)
    return op.one("BatchNormalization", x, weight, bias, mean, variance, epsilon=float(eps))


@LOWERINGS("batch_norm")
def batch_norm(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value | None,
    variance: Value | None,
    training: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> Value:
    if training or mean is None or variance is None:
        return _by_batch(op, x, weight, bias, eps)[0]
    return batch_normalise(op, x, weight, bias, mean, variance, eps)


def _by_batch(
    op: OpBuilder, x: Value, weight: Value | None, bias: Value | None, eps: float
) -> tuple[Value, Value, Value]:
    """Normalises by the statistics of the batch itself."""
    axes = [k for k in range(x.rank) if k != 1]
    variance, mean = moments(op, x, axes, 0, True)
    rstd = op.one("Reciprocal", op.one("Sqrt", variance + float(eps)))
    result = (x - mean) * rstd
    per_channel = [-1] + [1] * (x.rank - 2)
    if weight is not None:
        result = result * op.one("Reshape", weight, per_channel)
    if bias is not None:
        result = result + op.one("Reshape", bias, per_channel)
    return result, op.one("Squeeze", mean, axes), op.one("Squeeze", rstd, axes)


@LOWERINGS("_native_batch_norm_legit_no_training", "_batch_norm_no_update")
def batch_norm_no_training(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    variance: Value,
    momentum: float,
    eps: float,
) -> tuple[Any, ...]:
    empty = op.const(np.zeros(0), FLOAT)
    result = batch_normalise(op, x, weight, bias, mean, variance, eps)
    return (result, *(op.cast(empty, FLOAT) for _ in op.val[1:3]), *(None for _ in op.val[3:]))


@LOWERINGS("native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit")
def native_batch_norm(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value | None,
    variance: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Any, ...]:
    if training or mean is None or variance is None:
        return _by_batch(op, x, weight, bias, eps)
    return batch_norm_no_training(op, x, weight, bias, mean, variance, momentum, eps)


@LOWERINGS("_native_batch_norm_legit.no_stats")
def batch_norm_no_stats(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Value, Value, Value]:
    return _by_batch(op, x, weight, bias, eps)


@LOWERINGS("_native_batch_norm_legit_functional")
def batch_norm_functional(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    variance: Value,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Any, ...]:
    if training:
        return _with_new_statistics(op, x, weight, bias, mean, variance, momentum, eps)
    result = batch_norm_no_training(op, x, weight, bias, mean, variance, momentum, eps)
    return (*result, mean, variance)


def _with_new_statistics(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    variance: Value,
    momentum: float,
    eps: float,
) -> tuple[Any, ...]:
    """Normalises by the batch; the running statistics move towards those of the batch."""
    axes = [k for k in range(x.rank) if k != 1]
    spread, centre = (op.one("Squeeze", value, axes) for value in moments(op, x, axes, 1, True))
    share = float(momentum)
    new_mean = mean * (1.0 - share) + op.cast(centre, mean.elem) * share
    new_variance = variance * (1.0 - share) + op.cast(spread, variance.elem) * share
    if not all(isinstance(op.size(x, k), int) for k in range(x.rank)):
        # An empty batch has no statistics, and PyTorch leaves the running ones alone.
        filled = op.one("Size", x) > 0
        new_mean = op.one("Where", filled, new_mean, mean)
        new_variance = op.one("Where", filled, new_variance, variance)
    return (*_by_batch(op, x, weight, bias, eps), new_mean, new_variance)


@LOWERINGS("_weight_norm_interface")
def weight_norm(op: OpBuilder, v: Value, g: Value, dim: int = 0) -> tuple[Value, Value]:
    axes = [k for k in range(v.rank) if k != dim]
    norm = op.one("ReduceL2", v, axes, keepdims=1)
    return v * (g / norm), norm
