"""Complex values outside of the graph, which holds real ones: both ways between the two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch

__all__ = ["as_complex", "as_real", "in_the_file", "real_dtype"]

_Dimension = TypeVar("_Dimension")


def real_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of a complex dtype's parts; another dtype is itself."""
    return dtype.to_real() if dtype.is_complex else dtype


def in_the_file(
    dtype: torch.dtype, shape: Sequence[_Dimension | int]
) -> tuple[torch.dtype, tuple[_Dimension | int, ...]]:
    """Dtype and shape of what stands in a file for a tensor: twice as many real numbers."""
    return (dtype.to_real(), (*shape, 2)) if dtype.is_complex else (dtype, tuple(shape))


def as_real(value: Any) -> Any:
    """A complex tensor as a real one with a last dimension of 2, also in a list; else the value."""
    if isinstance(value, torch.Tensor) and value.dtype.is_complex:
        with torch.no_grad():
            return torch.view_as_real(value.resolve_conj())
    if isinstance(value, (list, tuple)) and any(isinstance(v, torch.Tensor) for v in value):
        return [as_real(one) for one in value]
    return value


def as_complex(value: Any) -> Any:
    """The complex tensor, or list of tensors, that `as_real` made this of."""
    if isinstance(value, Sequence):
        return [as_complex(one) for one in value]
    return torch.view_as_complex(value.contiguous())
