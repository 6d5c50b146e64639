"""Weights as ONNX tensors that point at PyTorch's storage."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, BinaryIO

import numpy as np
import onnx_ir as ir
import torch

from fxexport.lowering.dtypes import from_torch

__all__ = ["WeightTensor"]

_NOT_IN_NUMPY = {
    torch.bfloat16: torch.uint16,
    torch.float8_e4m3fn: torch.uint8,
    torch.float8_e4m3fnuz: torch.uint8,
    torch.float8_e5m2: torch.uint8,
    torch.float8_e5m2fnuz: torch.uint8,
}


class WeightTensor(ir.TensorProtocol):
    """A view of a `torch.Tensor`: nothing is read or copied until the file is written."""

    def __init__(self, tensor: torch.Tensor, name: str) -> None:
        self.raw = tensor
        self.name = name
        self.doc_string: str | None = None
        self._dtype = from_torch(tensor.dtype)
        self._shape = ir.Shape([int(size) for size in tensor.shape], frozen=True)
        self._metadata: dict[str, Any] = {}
        self._metadata_props: dict[str, str] = {}

    @property
    def shape(self) -> ir.Shape:
        """The static shape."""
        return self._shape

    @property
    def dtype(self) -> ir.DataType:
        """The ONNX dtype."""
        return self._dtype

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.raw.numel()

    @property
    def nbytes(self) -> int:
        """Number of bytes in the file."""
        return self.raw.numel() * self.raw.element_size()

    @property
    def meta(self) -> dict[str, Any]:
        """Data that is not written."""
        return self._metadata

    @property
    def metadata_props(self) -> dict[str, str]:
        """Data that is written."""
        return self._metadata_props

    def _contiguous(self) -> torch.Tensor:
        return self.raw.detach().cpu().contiguous().resolve_neg()

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values; shares memory with a contiguous tensor on the CPU."""
        tensor = self._contiguous()
        stand_in = _NOT_IN_NUMPY.get(tensor.dtype)
        if stand_in is None:
            return tensor.numpy()
        return tensor.view(stand_in).numpy().view(self._dtype.numpy())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __dlpack__(self, *, stream: Any = None) -> Any:
        return self.raw.__dlpack__(stream=stream)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.raw.__dlpack_device__()

    def __repr__(self) -> str:
        return f"WeightTensor({self.name!r}, {self._dtype}, {list(self.raw.shape)})"

    def tobytes(self) -> bytes:
        """The little-endian bytes."""
        if sys.byteorder == "big":
            array = self.numpy()
            return array.astype(array.dtype.newbyteorder("<")).tobytes()
        tensor = self._contiguous()
        if tensor.numel() == 0:
            return b""
        return ctypes.string_at(tensor.data_ptr(), self.nbytes)

    def tofile(self, file: BinaryIO) -> None:
        """Writes the bytes straight from the storage."""
        if sys.byteorder == "big" or self.raw.numel() == 0:
            file.write(self.tobytes())
            return
        tensor = self._contiguous()
        buffer = (ctypes.c_ubyte * self.nbytes).from_address(tensor.data_ptr())
        file.write(memoryview(buffer))
