"""The constants of a file, each written once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from fxexport.lowering.builder import dtypes
from fxexport.lowering.builder.folding import FOLD_LIMIT
from fxexport.lowering.builder.names import Names
from fxexport.lowering.builder.values import Operand, Value

__all__ = ["Constants"]


class Constants:
    """Constants by dtype, shape and value.

    Args:
        names: the names of the file.
        write: writes a tensor to the file under a name.
    """

    def __init__(self, names: Names, write: Callable[[ir.TensorProtocol, str], Value]) -> None:
        self._names = names
        self._write = write
        self._values: dict[tuple[ir.DataType, tuple[int, ...], bytes], Value] = {}
        self._arrays: dict[int, np.ndarray] = {}

    def value(self, number: Operand, dtype: ir.DataType) -> Value:
        """The constant of a number or array in a dtype; integers wrap as in PyTorch."""
        array = _in_dtype(np.asarray(number), dtype)
        key = (dtype, array.shape, array.tobytes())
        found = self._values.get(key)
        if found is None:
            name = self._names(_name(array, dtype))
            found = self._write(ir.Tensor(array, dtype=dtype, name=name), name)
            self._values[key] = found
            if array.size <= FOLD_LIMIT:
                self._arrays[id(found)] = array
        return found

    def array(self, value: ir.Value | None) -> np.ndarray | None:
        """The array of a small constant, None for anything else."""
        return None if value is None else self._arrays.get(id(value))


def _in_dtype(array: np.ndarray, dtype: ir.DataType) -> np.ndarray:
    if array.dtype.kind == "f" and dtypes.is_int(dtype) and array.size:
        array = np.trunc(array)
    if array.dtype.kind == "i" and dtype.numpy().kind == "u":
        array = array.astype(np.int64).astype(dtype.numpy())  # wraps, as in PyTorch
    with np.errstate(over="ignore"):
        return array.astype(dtype.numpy())


def _name(array: np.ndarray, dtype: ir.DataType) -> str:
    """A readable name: ``const_1_i64``, ``const_i64_3`` for longer ones."""
    if array.size == 1:
        number = array.reshape(()).item()
        if isinstance(number, (int, bool)) or (
            math.isfinite(number) and len(f"{number:g}") < 8 and float(f"{number:g}") == number
        ):
            text = str(number) if isinstance(number, bool) else f"{number:g}"
            shape = "" if array.ndim == 0 else f"_{array.ndim}d"
            return f"const_{text}_{dtype.short_name()}{shape}"
    return f"const_{dtype.short_name()}_{'x'.join(map(str, array.shape)) or 'scalar'}"
