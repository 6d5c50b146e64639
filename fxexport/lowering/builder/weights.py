"""Weights as ONNX tensors that point at PyTorch's storage."""

from __future__ import annotations

import ctypes
import sys
from typing import BinaryIO

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import DTypeLike

from fxexport.lowering.builder.dtypes import from_torch

__all__ = ["WeightTensor"]

_NOT_IN_NUMPY = {
    torch.bfloat16: torch.uint16,
    torch.float8_e4m3fn: torch.uint8,
    torch.float8_e4m3fnuz: torch.uint8,
    torch.float8_e5m2: torch.uint8,
    torch.float8_e5m2fnuz: torch.uint8,
}


class WeightTensor(ir.Tensor):
    """A view of a `torch.Tensor`: nothing is read or copied until the file is written."""

    def __init__(self, tensor: torch.Tensor, name: str) -> None:
        shape = ir.Shape([int(size) for size in tensor.shape], frozen=True)
        super().__init__(tensor, dtype=from_torch(tensor.dtype), shape=shape, name=name)

    @property
    def torch_tensor(self) -> torch.Tensor:
        """The tensor whose storage this is."""
        tensor = self.raw
        assert isinstance(tensor, torch.Tensor)
        return tensor

    def _contiguous(self) -> torch.Tensor:
        return self.torch_tensor.detach().cpu().contiguous().resolve_neg()

    def numpy(self) -> np.ndarray:
        """The values; shares memory with a contiguous tensor on the CPU."""
        tensor = self._contiguous()
        stand_in = _NOT_IN_NUMPY.get(tensor.dtype)
        if stand_in is None:
            return tensor.numpy()
        return tensor.view(stand_in).numpy().view(self.dtype.numpy())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

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
        if sys.byteorder == "big" or self.size == 0:
            file.write(self.tobytes())
            return
        tensor = self._contiguous()
        buffer = (ctypes.c_ubyte * self.nbytes).from_address(tensor.data_ptr())
        file.write(memoryview(buffer))
