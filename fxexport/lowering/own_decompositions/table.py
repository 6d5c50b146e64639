"""Which function stands for which operator, and what these functions share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from fxexport._torch_compat import overload_named

__all__ = [
    "OWN_DECOMPOSITIONS",
    "as_float",
    "chebyshev_series",
    "common_float",
    "decomposes",
    "elementwise",
    "polynomial",
]

Decomposition: TypeAlias = Callable[..., Any]

OWN_DECOMPOSITIONS: dict[torch._ops.OpOverload, Decomposition] = {}
"""What to call in place of an operator."""


def decomposes(*names: str) -> Callable[[Decomposition], Decomposition]:
    """Enters a function for operators; one that this PyTorch does not have is left out."""

    def enter(function: Decomposition) -> Decomposition:
        for name in names:
            found = overload_named(name)
            if found is not None:
                OWN_DECOMPOSITIONS[found] = function
        return function

    return enter


def as_float(x: Tensor) -> Tensor:
    """The tensor, where it holds integers in the default dtype."""
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


def common_float(a: Tensor | float, b: Tensor | float) -> torch.dtype:
    """The floating dtype that PyTorch promotes two operands to."""
    dtype = torch.result_type(a, b)
    return dtype if dtype.is_floating_point else torch.get_default_dtype()


def elementwise(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Has a formula computed in single precision or better, as PyTorch's kernels do."""

    @functools.wraps(function)
    def widened(x: Tensor) -> Tensor:
        x = as_float(x)
        wide = x if x.dtype.itemsize >= 4 else x.float()
        return function(wide).to(x.dtype)

    return widened


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """``c0 + c1 x + c2 x^2 + ...``."""
    out = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        out = out * x + coefficient
    return out


# In single precision, terms below this part of the first change nothing.
_TOO_SMALL = 1e-11


def chebyshev_series(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """``c0 / 2 + c1 T1(x / 2) + c2 T2(x / 2) + ...``, by Clenshaw's recurrence."""
    if x.dtype == torch.float32:
        largest = max(map(abs, coefficients))
        kept = [k for k, c in enumerate(coefficients) if abs(c) > _TOO_SMALL * largest]
        coefficients = coefficients[: kept[-1] + 1]
    before = before_that = torch.zeros_like(x)
    last = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        before, before_that = last, before
        last = x * before - before_that + coefficient
    return 0.5 * (last - before_that)
