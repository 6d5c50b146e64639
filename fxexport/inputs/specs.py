"""What a tensor input looks like when there is no tensor: its dtype and shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from fxexport.errors import UsageError
from fxexport.profiles.dims import Dim

__all__ = ["DTYPES", "TensorSpec", "check_tensor", "dtype_name", "is_fake"]

# The dtypes that an input can have, by PyTorch's name and by the short one. A complex one is real
# in the file, with a last dimension of 2.
DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "float": torch.float32,
    "f32": torch.float32,
    "float64": torch.float64,
    "double": torch.float64,
    "f64": torch.float64,
    "float16": torch.float16,
    "half": torch.float16,
    "f16": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "int8": torch.int8,
    "i8": torch.int8,
    "int16": torch.int16,
    "i16": torch.int16,
    "int32": torch.int32,
    "i32": torch.int32,
    "int64": torch.int64,
    "long": torch.int64,
    "i64": torch.int64,
    "uint8": torch.uint8,
    "u8": torch.uint8,
    "uint16": torch.uint16,
    "u16": torch.uint16,
    "uint32": torch.uint32,
    "u32": torch.uint32,
    "uint64": torch.uint64,
    "u64": torch.uint64,
    "bool": torch.bool,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e4m3fnuz": torch.float8_e4m3fnuz,
    "float8_e5m2": torch.float8_e5m2,
    "float8_e5m2fnuz": torch.float8_e5m2fnuz,
}
_SUPPORTED = frozenset(DTYPES.values())


def dtype_name(dtype: torch.dtype) -> str:
    """``float32`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class TensorSpec:
    """A tensor input without its data.

    Attributes:
        dtype: its dtype.
        shape: one entry a dimension: an int where it is fixed, a name or a `Dim` where it is
            dynamic.
    """

    dtype: torch.dtype
    shape: tuple[int | str | Dim, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.dtype, torch.dtype):
            raise UsageError(
                f"TensorSpec: dtype must be a torch.dtype such as torch.float32, got {self.dtype!r}"
            )
        object.__setattr__(self, "shape", tuple(self.shape))
        for size in self.shape:
            if isinstance(size, bool) or not isinstance(size, (int, str, Dim)):
                raise UsageError(
                    f"TensorSpec: a dimension is an int, a name or a fxexport.Dim, got {size!r}"
                )
            if isinstance(size, int) and size < 0:
                raise UsageError(f"TensorSpec: a size cannot be negative, got {size}")


def is_fake(tensor: torch.Tensor) -> bool:
    """Whether a tensor has a shape and a dtype but no data."""
    return tensor.device.type == "meta" or hasattr(tensor, "fake_mode")


def check_tensor(name: str, tensor: torch.Tensor | TensorSpec) -> None:
    """Refuses what cannot be an input of an ONNX file.

    Raises:
        UsageError: for quantized, sparse and nested tensors.
    """
    problem: Any = None
    if isinstance(tensor, torch.Tensor):
        if tensor.is_nested:
            problem = "a nested tensor"
        elif tensor.layout != torch.strided:
            problem = f"a {str(tensor.layout).removeprefix('torch.')} tensor"
        elif tensor.is_quantized:
            problem = "a quantized tensor"
        elif not all(isinstance(size, int) for size in tensor.shape):
            raise UsageError(
                f"input {name!r} is a fake tensor of symbolic size {list(tensor.shape)}",
                hint="give a tensor of concrete size, and name what moves with dynamic=...",
            )
    if problem is None and tensor.dtype not in _SUPPORTED:
        problem = f"a {dtype_name(tensor.dtype)} tensor"
    if problem is not None:
        raise UsageError(
            f"input {name!r} is {problem}; ONNX has no such input",
            hint="pass it as a plain (strided) tensor, and convert it inside the model",
        )
