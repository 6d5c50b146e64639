"""Whether a value fits an input of the file."""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from typing import Any

import torch

from fxexport.errors import UsageError
from fxexport.graph.signature import DimRange, InputSpec
from fxexport.inputs.lists import check_items
from fxexport.inputs.specs import TensorSpec, dtype_name, is_fake

__all__ = ["check_complex", "check_shape", "check_value", "equal_constants"]


def check_value(spec: InputSpec, value: Any, sizes: MutableMapping[str, int]) -> Any:
    """The value as the input takes it.

    Args:
        spec: the input.
        value: a tensor, or a Python scalar for a scalar input.
        sizes: sizes of the named dimensions seen so far; added to.

    Raises:
        UsageError: for another type, dtype, rank or size than the input has.
    """
    if spec.kind == "sequence":
        return check_items(spec.name, value, spec.dtype, spec.items)
    if spec.kind != "tensor":
        return _check_scalar(spec, value)
    if not isinstance(value, torch.Tensor) or isinstance(value, TensorSpec) or is_fake(value):
        raise UsageError(
            f"input {spec.name!r}: expected a tensor with data, got {_describe(value)}"
        )
    if value.dtype != spec.dtype:
        raise UsageError(
            f"input {spec.name!r}: expected dtype {dtype_name(spec.dtype)}, "
            f"got {dtype_name(value.dtype)}"
        )
    check_shape(spec, tuple(value.shape), sizes)
    return value


def check_complex(spec: InputSpec, value: Any) -> None:
    """Refuses real numbers where the program takes complex ones; the file takes their parts.

    Raises:
        UsageError: for a tensor of another dtype.
    """
    if spec.is_complex and isinstance(value, torch.Tensor) and not value.is_complex():
        raise UsageError(
            f"input {spec.name!r}: expected a complex dtype, got {dtype_name(value.dtype)}"
        )


def check_shape(spec: InputSpec, shape: tuple[int, ...], sizes: MutableMapping[str, int]) -> None:
    """Refuses a shape that the input does not take; see `check_value`."""
    if len(shape) != len(spec.shape):
        raise UsageError(
            f"input {spec.name!r}: expected {len(spec.shape)} dimensions, "
            f"got {len(shape)} (shape {list(shape)})"
        )
    for axis, (size, wanted) in enumerate(zip(shape, spec.shape, strict=True)):
        if isinstance(wanted, DimRange):
            _check_range(spec.name, axis, size, wanted)
            if sizes.setdefault(wanted.name, size) != size:
                raise UsageError(
                    f"input {spec.name!r}: axis {axis} is called {wanted.name!r}, which has size "
                    f"{sizes[wanted.name]} elsewhere; got {size}"
                )
        elif size != wanted:
            raise UsageError(
                f"input {spec.name!r}: expected size {wanted} on axis {axis}, got {size}",
                hint="only the dimensions that are dynamic in the file may change",
            )


def equal_constants(a: Any, b: Any) -> bool:
    """Whether two Python values are the same constant (1, 1.0 and True are three)."""
    if type(a) is not type(b):
        return False
    if a is b:
        return True
    try:
        return bool(a == b) or (isinstance(a, float) and math.isnan(a) and math.isnan(b))
    except Exception:  # a user's own __eq__ may raise anything
        return False


def _check_range(name: str, axis: int, size: int, wanted: DimRange) -> None:
    if size < wanted.min or (wanted.max is not None and size > wanted.max):
        upper = "" if wanted.max is None else wanted.max
        raise UsageError(
            f"input {name!r}: axis {axis} ({wanted.name}) must be in "
            f"{wanted.min}..{upper}, got {size}"
        )


def _check_scalar(spec: InputSpec, value: Any) -> int | float | bool:
    accepted: dict[str, tuple[type, ...]] = {
        "bool": (bool,),
        "int": (int,),
        "float": (float, int),
    }
    right = isinstance(value, accepted[spec.kind])
    if not right or (spec.kind != "bool" and isinstance(value, bool)):
        raise UsageError(
            f"input {spec.name!r}: expected a Python {spec.kind}, got {_describe(value)}"
        )
    if spec.values is not None and not spec.values[0] <= value <= spec.values[1]:
        raise UsageError(
            f"input {spec.name!r} must be in {spec.values[0]}..{spec.values[1]}, got {value}"
        )
    return float(value) if spec.kind == "float" else value


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        data = "without data " if is_fake(value) else ""
        return f"a tensor {data}of dtype {dtype_name(value.dtype)} and shape {list(value.shape)}"
    if isinstance(value, (int, float, str)):
        return f"{type(value).__name__} {value!r}"
    return f"{type(value).__name__}"
