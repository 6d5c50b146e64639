"""Normalisations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
import torch

from fxexport.lowering.arithmetic import element_count, lacks_kernels
from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.operators.reduce import mean_over, moments
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
FLOAT = ir.DataType.FLOAT

Results = tuple[Value | None, ...]
"""The results of an operator that has several; None for one that nothing can use."""


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
    *_: object,
) -> Value:
    count = len(shape)
    weight, bias = (None if v is None else op.cast(v, x.elem) for v in (weight, bias))
    if op.exact and not all(x.dims[x.rank - count :]):
        result = _by_rows(op, x, count, eps)
        result = result if weight is None else result * weight
        return result if bias is None else result + bias
    if weight is None:
        weight = _filled(op, shape, 1.0, x.elem)
    return op.one("LayerNormalization", x, weight, bias, axis=-count, epsilon=float(eps))


def _by_rows(op: OpBuilder, x: Value, count: int, eps: float) -> Value:
    """Normalises over the last dimensions, which may have no element: ONNX Runtime wants one."""
    first = x.rank - count
    width = element_count(op, x, list(range(first, x.rank)), ir.DataType.INT64)
    rows = element_count(op, x, list(range(first)), ir.DataType.INT64)
    size = op.one("Max", width, 1)
    flat = op.reshape(x, [rows * op.one("Min", width, 1), size])
    flat.shape = ir.Shape([None, None])
    ones = op.one("Expand", op.const(1, x.elem), op.vector(size))
    result = op.one("LayerNormalization", flat, ones, axis=-1, epsilon=float(eps))
    result = op.reshape_as(result, x)
    result.shape = ir.Shape(x.dims)
    return result


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
) -> Value | tuple[Value, Value]:
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
    flat = _by_instance(op, flat, one, zero, eps)
    weight = None if weight is None else op.cast(weight, x.elem)
    bias = None if bias is None else op.cast(bias, x.elem)
    return _scaled(op, op.reshape_as(flat, x), x.rank, weight, bias)


def _scaled(op: OpBuilder, x: Value, rank: int, weight: Value | None, bias: Value | None) -> Value:
    """``x * weight + bias``, channel by channel, of a value with so many dimensions."""
    per_channel = [-1] + [1] * (rank - 2)
    if weight is not None:
        x = x * op.one("Reshape", weight, per_channel)
    if bias is not None:
        x = x + op.one("Reshape", bias, per_channel)
    return x


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
    *_: object,
) -> Value:
    return group_normalise(op, x, groups, weight, bias, eps)


@LOWERINGS("native_group_norm")
def native_group_norm(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    n: int | Value,
    c: int | Value,
    hw: int | Value,
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
    *_: object,
) -> Value:
    if not use_input_stats:
        assert mean is not None and variance is not None
        return batch_normalise(op, x, weight, bias, mean, variance, eps)
    scale = _filled(op, [_channels(op, x)], 1.0, x.elem) if weight is None else weight
    shift = _filled(op, [_channels(op, x)], 0.0, x.elem) if bias is None else bias
    return _by_instance(op, x, scale, shift, eps)


def _by_instance(op: OpBuilder, x: Value, scale: Value, shift: Value, eps: float) -> Value:
    """InstanceNormalization; ONNX Runtime 1.32 ends the process where planes have no elements."""
    if lacks_kernels(op, x):
        variance, mean = moments(op, x, list(range(2, x.rank)), 0, True)
        normal = (x - mean) / op.one("Sqrt", variance + float(eps))
        return _scaled(op, normal, x.rank, scale, shift)
    if all(x.dims[2:]) or not op.exact:
        return op.one("InstanceNormalization", x, scale, shift, epsilon=float(eps))
    # Then there is no element at all, and the batch may be empty as well: that it takes.
    count = element_count(op, x, list(range(2, x.rank)), ir.DataType.INT64)
    batch = op.cast(op.size(x, 0), ir.DataType.INT64) * op.one("Min", count, 1)
    planes = op.reshape(x, [batch, op.size(x, 1), op.one("Max", count, 1)])
    planes.shape = ir.Shape([None, x.dims[1], None])
    result = op.one("InstanceNormalization", planes, scale, shift, epsilon=float(eps))
    result = op.reshape_as(result, x)
    result.shape = ir.Shape(x.dims)
    return result


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
    if x.elem == ir.DataType.DOUBLE:  # of mixed dtypes, ONNX Runtime takes half with single only
        weight, bias, mean, variance = (op.cast(v, x.elem) for v in (weight, bias, mean, variance))
    return op.one("BatchNormalization", x, weight, bias, mean, variance, epsilon=float(eps))


@LOWERINGS("batch_norm", "native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit")
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
    *_: object,
) -> Value | Results:
    """Batch normalisation; its statistics follow where the operator has several results."""
    if training or mean is None or variance is None:
        results: Results = _by_batch(op, x, weight, bias, eps)
    else:
        results = batch_norm_no_training(op, x, weight, bias, mean, variance, momentum, eps)
    if isinstance(op.val, (tuple, list)):
        return results
    (result, *_unused) = results
    assert result is not None
    return result


def _by_batch(
    op: OpBuilder, x: Value, weight: Value | None, bias: Value | None, eps: float
) -> tuple[Value, Value, Value]:
    """Normalises by the statistics of the batch itself."""
    axes = [k for k in range(x.rank) if k != 1]
    dtype, x = x.elem, _wide(op, x)
    weight, bias = (None if v is None else op.cast(v, x.elem) for v in (weight, bias))
    variance, mean = moments(op, x, axes, 0, True)
    rstd = op.one("Reciprocal", op.one("Sqrt", variance + float(eps)))
    result = op.cast(_scaled(op, (x - mean) * rstd, x.rank, weight, bias), dtype)
    saved = [op.one("Squeeze", value, axes) for value in (mean, rstd)]
    kept = [dtypes.of_val(val) for val in op.results[1:3]] or [x.elem] * 2
    return result, op.cast(saved[0], kept[0]), op.cast(saved[1], kept[1])


def _wide(op: OpBuilder, x: Value) -> Value:
    """The value in the dtype that PyTorch computes statistics in: single at least."""
    narrow = x.elem in (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
    return op.cast(x, FLOAT) if narrow else x


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
) -> Results:
    """Batch normalisation with given statistics; nothing is saved for a backward pass."""
    vals = op.val if isinstance(op.val, (tuple, list)) else ()
    saved = [op.const(np.zeros(0), dtypes.of_val(val)) for val in vals[1:3]]
    result = batch_normalise(op, x, weight, bias, mean, variance, eps)
    return (result, *saved, *(None for _ in vals[3:]))


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
) -> Results:
    if training:
        return _with_new_statistics(op, x, weight, bias, mean, variance, momentum, eps)
    result = batch_norm_no_training(op, x, weight, bias, mean, variance, momentum, eps)
    return (*result, mean, variance)


@LOWERINGS("_batch_norm_with_update_functional")
def batch_norm_with_update(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    variance: Value,
    momentum: float,
    eps: float,
) -> Results:
    """In training; its fourth result is memory of a backend for the backward pass."""
    results = _with_new_statistics(op, x, weight, bias, mean, variance, momentum, eps)
    return (*results[:3], op.const(np.zeros(0), ir.DataType.UINT8), *results[3:])


def _with_new_statistics(
    op: OpBuilder,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value,
    variance: Value,
    momentum: float,
    eps: float,
) -> Results:
    """Normalises by the batch; the running statistics move towards those of the batch."""
    axes = [k for k in range(x.rank) if k != 1]
    of_batch = moments(op, _wide(op, x), axes, 1, True)
    spread, centre = (op.one("Squeeze", value, axes) for value in of_batch)
    share = float(momentum)
    new_mean = mean * (1.0 - share) + op.cast(centre, mean.elem) * share
    new_variance = variance * (1.0 - share) + op.cast(spread, variance.elem) * share
    if not all(isinstance(op.size(x, k), int) for k in range(x.rank)):
        # An empty batch has no statistics, and PyTorch leaves the running ones alone.
        filled = op.one("Size", x) > 0
        new_mean = op.one("Where", filled, new_mean, mean)
        new_variance = op.one("Where", filled, new_variance, variance)
    kinds = [dtypes.of_val(val) for val in op.results[-2:]]
    moved = (op.cast(v, k) for v, k in zip((new_mean, new_variance), kinds, strict=True))
    return (*_by_batch(op, x, weight, bias, eps), *moved)


@LOWERINGS("_weight_norm_interface")
def weight_norm(op: OpBuilder, v: Value, g: Value, dim: int = 0) -> tuple[Value, Value]:
    axes = [k for k in range(v.rank) if k != dim]
    norm = op.one("ReduceL2", v, axes, keepdims=1)
    return v * (g / norm), norm
