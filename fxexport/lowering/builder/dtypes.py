"""Dtypes on both sides, and PyTorch's promotion rules."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir
import torch

from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.sequences import SequenceVal
from fxexport.graph.texts import TextVal
from fxexport.graph.unranked import UnrankedVal

__all__ = [
    "FLOATS",
    "SMALL_INTS",
    "from_torch",
    "is_float",
    "is_int",
    "kind_dtype",
    "of_val",
    "promote",
    "scalar_dtype",
    "to_torch",
    "type_of",
    "widened",
]

_TO_ONNX: dict[torch.dtype, ir.DataType] = {
    torch.float32: ir.DataType.FLOAT,
    torch.float64: ir.DataType.DOUBLE,
    torch.float16: ir.DataType.FLOAT16,
    torch.bfloat16: ir.DataType.BFLOAT16,
    torch.int8: ir.DataType.INT8,
    torch.int16: ir.DataType.INT16,
    torch.int32: ir.DataType.INT32,
    torch.int64: ir.DataType.INT64,
    torch.uint8: ir.DataType.UINT8,
    torch.uint16: ir.DataType.UINT16,
    torch.uint32: ir.DataType.UINT32,
    torch.uint64: ir.DataType.UINT64,
    torch.bool: ir.DataType.BOOL,
    torch.float8_e4m3fn: ir.DataType.FLOAT8E4M3FN,
    torch.float8_e4m3fnuz: ir.DataType.FLOAT8E4M3FNUZ,
    torch.float8_e5m2: ir.DataType.FLOAT8E5M2,
    torch.float8_e5m2fnuz: ir.DataType.FLOAT8E5M2FNUZ,
}
_TO_TORCH = {onnx: torch_dtype for torch_dtype, onnx in _TO_ONNX.items()}

FLOATS = frozenset(
    {ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16}
)
SMALL_INTS = frozenset({ir.DataType.INT8, ir.DataType.INT16, ir.DataType.UINT8, ir.DataType.UINT16})
_INTS = SMALL_INTS | {
    ir.DataType.INT32,
    ir.DataType.INT64,
    ir.DataType.UINT32,
    ir.DataType.UINT64,
}


def from_torch(dtype: torch.dtype) -> ir.DataType:
    """The ONNX dtype of a PyTorch dtype.

    Raises:
        UnsupportedError: for a dtype that ONNX operators do not take (complex, quantized).
    """
    found = _TO_ONNX.get(dtype)
    if found is None:
        raise UnsupportedError(
            f"a tensor of {dtype} cannot be kept in an ONNX file",
            code=Code.DTYPE,
            hint="compute with real numbers, for example on torch.view_as_real(x)"
            if dtype.is_complex
            else "convert it to a float or an integer dtype first",
        )
    return found


def to_torch(dtype: ir.DataType) -> torch.dtype:
    """The PyTorch dtype of an ONNX dtype."""
    return _TO_TORCH[dtype]


def is_float(dtype: ir.DataType | None) -> bool:
    """Whether it is a floating-point dtype."""
    return dtype in FLOATS


def is_int(dtype: ir.DataType | None) -> bool:
    """Whether it is an integer dtype (not bool)."""
    return dtype in _INTS


def widened(dtype: ir.DataType) -> ir.DataType:
    """The dtype to do arithmetic in: runtimes have few kernels for narrow integers.

    Wrapping at the end by a cast gives the same as wrapping at every step.
    """
    if dtype in SMALL_INTS:
        return ir.DataType.INT32
    if dtype in (ir.DataType.UINT32, ir.DataType.UINT64):
        return ir.DataType.INT64
    return dtype


def kind_dtype(val: object) -> ir.DataType:
    """The ONNX dtype of a Python or symbolic scalar."""
    if isinstance(val, (bool, torch.SymBool)):
        return ir.DataType.BOOL
    if isinstance(val, (int, torch.SymInt)):
        return ir.DataType.INT64
    if isinstance(val, (float, torch.SymFloat)):
        return ir.DataType.DOUBLE
    raise UnsupportedError(
        f"a value of type {type(val).__name__} cannot be kept in an ONNX file", code=Code.DTYPE
    )


def of_val(val: object) -> ir.DataType:
    """The ONNX dtype of a value in a graph's metadata: a fake tensor, a scalar or a sequence."""
    if isinstance(val, (torch.Tensor, SequenceVal, UnrankedVal)):
        return from_torch(val.dtype)
    if isinstance(val, TextVal):
        return ir.DataType.STRING
    return kind_dtype(val)


def type_of(val: object) -> ir.TypeProtocol:
    """The ONNX type of a value in a graph's metadata."""
    kind = ir.TensorType(of_val(val))
    return ir.SequenceType(kind) if isinstance(val, SequenceVal) else kind


def scalar_dtype(dtype: ir.DataType) -> torch.dtype:
    """What a Python scalar of this kind counts as in promotion."""
    if dtype == ir.DataType.BOOL:
        return torch.bool
    return torch.int64 if dtype == ir.DataType.INT64 else torch.get_default_dtype()


def promote(operands: Iterable[tuple[torch.dtype, int]]) -> torch.dtype:
    """PyTorch's result dtype of an element-wise operation.

    Args:
        operands: dtype and rank of each operand; rank -1 for a Python scalar.

    Returns:
        The dtype that the operands are converted to: a tensor with dimensions outweighs one
        without, and that outweighs a Python scalar, unless the lesser has the higher kind.
    """
    dims: torch.dtype | None = None
    zero: torch.dtype | None = None
    wrapped: torch.dtype | None = None
    for dtype, rank in operands:
        if rank > 0:
            dims = _join(dims, dtype)
        elif rank == 0:
            zero = _join(zero, dtype)
        else:
            wrapped = _join(wrapped, dtype)
    result = _combine(dims, _combine(zero, wrapped))
    if result is None:
        raise ValueError("no operands to promote")
    return result


def _join(a: torch.dtype | None, b: torch.dtype | None) -> torch.dtype | None:
    if a is None or b is None:
        return b if a is None else a
    return torch.promote_types(a, b)


def _combine(higher: torch.dtype | None, lower: torch.dtype | None) -> torch.dtype | None:
    if higher is not None and (higher.is_complex or higher.is_floating_point):
        return higher
    if higher == torch.bool or (
        lower is not None and (lower.is_floating_point or lower.is_complex)
    ):
        return _join(higher, lower)
    return lower if higher is None else higher
