"""Quantised values as QuantizeLinear and DequantizeLinear: those of pt2e, and fake quantisation.

Where ONNX's operators do not take the dtype, the range or parameters made when the model runs, the
arithmetic is written out, as PyTorch has it (torch.ao.quantization.fx._decomposed).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import torch

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Operand, Value
from fxexport.lowering.registry import LoweringTable

LOWERINGS = LoweringTable()
_Q = "quantized_decomposed::"
FLOAT, INT64 = ir.DataType.FLOAT, ir.DataType.INT64
# What QuantizeLinear gives, and since which operator set.
_SINCE = {
    ir.DataType.INT8: 10,
    ir.DataType.UINT8: 10,
    ir.DataType.INT16: 21,
    ir.DataType.UINT16: 21,
}


# -- parameters ------------------------------------------------------------------------------------


def _known(op: OpBuilder, value: Operand) -> np.ndarray | None:
    """The numbers of a constant or a weight; None for what the run decides."""
    if not isinstance(value, Value):
        return np.asarray(value)
    small = op.constant(value)
    if small is not None or value.const_value is None:
        return small
    return value.const_value.numpy()


def _along(op: OpBuilder, value: Operand, axis: int | None, rank: int) -> Operand:
    """A parameter for each channel, to be broadcast; one alone as a scalar."""
    if not isinstance(value, Value):
        return value
    if axis is None:
        return op.one("Reshape", value, op.i64([]))
    return op.one("Reshape", value, [-1 if k == axis else 1 for k in range(rank)])


def _linear_arguments(
    op: OpBuilder, scale: Operand, zero: Operand, axis: int | None, dtype: ir.DataType
) -> list[Value] | None:
    """Scale and zero point as ONNX's operators take them; None where they cannot."""
    scales, zeros = _known(op, scale), _known(op, 0 if zero is None else zero)
    since = _SINCE.get(dtype)
    if scales is None or zeros is None or since is None or op.opset < since:
        return None
    limits = np.iinfo(dtype.numpy())
    if not ((zeros >= limits.min) & (zeros <= limits.max) & (zeros == np.round(zeros))).all():
        return None
    shape = scales.shape if axis is not None else ()
    if axis is None and (scales.size != 1 or zeros.size != 1):
        return None
    zeros = np.broadcast_to(zeros.reshape(zeros.shape if axis is not None else ()), shape)
    return [op.const(scales.reshape(shape), FLOAT), op.const(zeros.astype(np.int64), dtype)]


# -- quantising ------------------------------------------------------------------------------------


def _quantize(
    op: OpBuilder,
    x: Value,
    scale: Operand,
    zero: Operand,
    limits: tuple[Operand, Operand],
    dtype: ir.DataType,
    axis: int | None = None,
) -> Value:
    """round(x / scale) + zero, within the limits."""
    x = op.cast(x, FLOAT)
    arguments = _linear_arguments(op, scale, zero, axis, dtype)
    if arguments is not None and not any(isinstance(limit, Value) for limit in limits):
        q = op.one("QuantizeLinear", x, *arguments, axis=axis)
        q.type, q.shape = ir.TensorType(dtype), x.shape
        range_ = np.iinfo(dtype.numpy())
        if limits == (range_.min, range_.max):
            return q
        return op.one("Clip", q, *(op.const(limit, dtype) for limit in limits))
    rounded = op.one("Round", x * _inverse(op, scale, axis, x.rank))
    moved = rounded + op.cast(_along(op, zero, axis, x.rank), FLOAT)
    return op.cast(_clipped(op, moved, limits), dtype)


def _inverse(op: OpBuilder, scale: Operand, axis: int | None, rank: int) -> Value:
    """1 / scale in float32, as PyTorch multiplies by it."""
    known = _known(op, scale)
    if known is not None and not isinstance(scale, Value):
        return op.const(1.0 / known, FLOAT)
    assert isinstance(scale, Value)
    inverse = op.const(1, scale.elem) / scale
    return op.cast(_along(op, inverse, axis, rank), FLOAT)


def _clipped(op: OpBuilder, x: Value, limits: tuple[Operand, Operand]) -> Value:
    low, high = (
        op.one("Reshape", op.cast(limit, x.elem), op.i64([]))
        if isinstance(limit, Value)
        else op.const(limit, x.elem)
        for limit in limits
    )
    return op.one("Clip", x, low, high)


def _dequantize(
    op: OpBuilder,
    q: Value,
    scale: Operand,
    zero: Operand,
    result: ir.DataType,
    axis: int | None = None,
) -> Value:
    """(q - zero) * scale."""
    arguments = _linear_arguments(op, scale, zero, axis, q.elem)
    if arguments is not None and result == FLOAT:
        x = op.one("DequantizeLinear", q, *arguments, axis=axis)
        x.type, x.shape = ir.TensorType(FLOAT), q.shape
        return x
    # The numbers are small: float32 holds them, and float64 what int32 has.
    exact = ir.DataType.DOUBLE if q.elem == ir.DataType.INT32 else FLOAT
    x = op.cast(q, exact)
    if zero is not None:
        x = x - op.cast(_along(op, zero, axis, q.rank), exact)
    factor = op.cast(_along(op, scale, axis, q.rank), exact)
    return op.cast(x * factor, result)


def _result(out_dtype: torch.dtype | None) -> ir.DataType:
    return dtypes.from_torch(out_dtype or torch.float32)


@LOWERINGS(*(f"{_Q}quantize_per_tensor{form}" for form in ("", ".tensor", ".tensor2")))
def quantize_per_tensor(
    op: OpBuilder,
    x: Value,
    scale: Operand,
    zero: Operand,
    low: Operand,
    high: Operand,
    dtype: torch.dtype,
) -> Value:
    return _quantize(op, x, scale, zero, (low, high), dtypes.from_torch(dtype))


@LOWERINGS(*(f"{_Q}dequantize_per_tensor{form}" for form in ("", ".tensor", ".tensor2")))
def dequantize_per_tensor(
    op: OpBuilder,
    q: Value,
    scale: Operand,
    zero: Operand,
    low: Operand,
    high: Operand,
    dtype: torch.dtype,
    *,
    out_dtype: torch.dtype | None = None,
) -> Value:
    return _dequantize(op, q, scale, zero, _result(out_dtype))


@LOWERINGS(f"{_Q}quantize_per_channel")
def quantize_per_channel(
    op: OpBuilder,
    x: Value,
    scales: Value,
    zeros: Value,
    axis: int,
    low: int,
    high: int,
    dtype: torch.dtype,
) -> Value:
    kind = dtypes.from_torch(dtype)
    return _quantize(op, x, scales, zeros, (low, high), kind, axis % x.rank)


@LOWERINGS(f"{_Q}dequantize_per_channel")
def dequantize_per_channel(
    op: OpBuilder,
    q: Value,
    scales: Value,
    zeros: Value | None,
    axis: int,
    low: int,
    high: int,
    dtype: torch.dtype,
    *,
    out_dtype: torch.dtype | None = None,
) -> Value:
    return _dequantize(op, q, scales, zeros, _result(out_dtype), axis % q.rank)


@LOWERINGS("fake_quantize_per_tensor_affine", "fake_quantize_per_tensor_affine.tensor_qparams")
def fake_quantize(
    op: OpBuilder, x: Value, scale: Operand, zero: Operand, low: int, high: int
) -> Value:
    return _there_and_back(op, x, scale, zero, low, high, None)


@LOWERINGS("fake_quantize_per_channel_affine")
def fake_quantize_channels(
    op: OpBuilder, x: Value, scale: Value, zero: Value, axis: int, low: int, high: int
) -> Value:
    return _there_and_back(op, x, scale, zero, low, high, axis % x.rank)


def _there_and_back(
    op: OpBuilder, x: Value, scale: Operand, zero: Operand, low: int, high: int, axis: int | None
) -> Value:
    """In the narrowest dtype that holds the range; as numbers where none does."""
    kind = next(
        (
            each
            for each in _SINCE
            if np.iinfo(each.numpy()).min <= low and high <= np.iinfo(each.numpy()).max
            and _linear_arguments(op, scale, zero, axis, each) is not None
        ),
        ir.DataType.INT32,
    )  # fmt: skip
    q = _quantize(op, x, scale, zero, (low, high), kind, axis)
    return op.cast(_dequantize(op, q, scale, zero, FLOAT, axis), x.elem)


# -- choosing parameters ---------------------------------------------------------------------------


@LOWERINGS(f"{_Q}choose_qparams.tensor")
def choose_parameters(
    op: OpBuilder, x: Value, low: int, high: int, eps: float, dtype: torch.dtype
) -> tuple[Value, Value]:
    smallest, largest = _ends(op, x)
    scale = op.one("Max", (largest - smallest) / float(high - low), op.const(eps, FLOAT))
    steps = op.cast(op.one("Round", smallest / scale), INT64)
    zero = op.one("Clip", op.i64(low) - steps, op.i64(low), op.i64(high))
    return op.cast(op.one("Reshape", scale, [1]), ir.DataType.DOUBLE), op.one("Reshape", zero, [1])


@LOWERINGS(f"{_Q}choose_qparams_symmetric.tensor")
def choose_symmetric_parameters(
    op: OpBuilder, x: Value, low: int, high: int, eps: float, dtype: torch.dtype
) -> tuple[Value, Value]:
    smallest, largest = _ends(op, x)
    scale = op.one("Max", -smallest, largest) / (float(high - low) / 2)
    scale = op.one("Max", scale, op.const(eps, FLOAT))
    zero = op.i64([128 if dtype == torch.uint8 else 0])
    return op.cast(op.one("Reshape", scale, [1]), ir.DataType.DOUBLE), zero


@LOWERINGS(f"{_Q}choose_qparams_per_token")
def choose_token_parameters(op: OpBuilder, x: Value, dtype: torch.dtype) -> tuple[Value, Value]:
    scale = op.cast(op.one("ReduceMax", op.one("Abs", x), [-1], keepdims=1), op.dtype)
    scale = op.one("Max", scale, op.const(1e-5, scale.elem)) / 127.0
    return scale, scale * 0.0


def _ends(op: OpBuilder, x: Value) -> tuple[Value, Value]:
    """The smallest and the largest number, of which 0 is one."""
    zero = op.const(0, FLOAT)
    x = op.cast(x, FLOAT)
    smallest, largest = (op.one(name, x, keepdims=0) for name in ("ReduceMin", "ReduceMax"))
    return op.one("Min", smallest, zero), op.one("Max", largest, zero)


# -- for each token or group -----------------------------------------------------------------------


@LOWERINGS(f"{_Q}quantize_per_token")
def quantize_per_token(
    op: OpBuilder,
    x: Value,
    scales: Value,
    zeros: Value,
    low: int,
    high: int,
    dtype: torch.dtype,
) -> Value:
    return _rounded_late(op, x, scales, zeros, (low, high), dtype)


def _rounded_late(
    op: OpBuilder,
    x: Value,
    scales: Value,
    zeros: Value,
    limits: tuple[Operand, Operand],
    dtype: torch.dtype,
) -> Value:
    """round(x / scale + zero), in the wider dtype of both."""
    wide = op.common(x, scales)
    moved = op.cast(x, wide) * op.cast(op.const(1, scales.elem) / scales, wide)
    rounded = op.one("Round", moved + op.cast(zeros, wide))
    return op.cast(_clipped(op, rounded, limits), dtypes.from_torch(dtype))


@LOWERINGS(f"{_Q}dequantize_per_token")
def dequantize_per_token(
    op: OpBuilder,
    q: Value,
    scales: Value,
    zeros: Value,
    low: int,
    high: int,
    dtype: torch.dtype,
    output_dtype: torch.dtype = torch.float32,
) -> Value:
    moved = op.cast(q, scales.elem) - op.cast(zeros, scales.elem)
    return op.cast(moved * scales, dtypes.from_torch(output_dtype))


@LOWERINGS(f"{_Q}quantize_per_channel_group")
def quantize_groups(
    op: OpBuilder,
    x: Value,
    scales: Value,
    zeros: Value,
    low: int,
    high: int,
    dtype: torch.dtype,
    group_size: int = 128,
) -> Value:
    rows = _groups(op, x, scales, group_size)
    columns = [op.one("Reshape", each, [-1, 1]) for each in (scales, zeros)]
    q = _rounded_late(op, rows, columns[0], columns[1], (low, high), dtype)
    return op.reshape_as(q, x)


@LOWERINGS(f"{_Q}dequantize_per_channel_group")
def dequantize_groups(
    op: OpBuilder,
    q: Value,
    scales: Value,
    zeros: Value | None,
    low: int,
    high: int,
    dtype: torch.dtype,
    group_size: int = 128,
    output_dtype: torch.dtype = torch.float32,
) -> Value:
    x = op.cast(_groups(op, q, scales, group_size), scales.elem)
    if zeros is not None:
        x = x - op.cast(op.one("Reshape", zeros, [-1, 1]), scales.elem)
    x = x * op.one("Reshape", scales, [-1, 1])
    return op.cast(op.reshape_as(x, q), dtypes.from_torch(output_dtype))


def _groups(op: OpBuilder, x: Value, scales: Value, group_size: int) -> Value:
    """The rows of groups; one group a row where that is shorter than a group."""
    width = x.dims[-1]
    if width is None:
        raise op.refuse("groups of a weight whose width is not fixed")
    size = width if group_size > width and scales.dims[-1] == 1 else group_size
    return op.one("Reshape", x, [-1, size])
