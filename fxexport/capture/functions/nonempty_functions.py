"""Functions whose result has another dtype where there is nothing to compute."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture.operators.operators import Operators
from fxexport.capture.recording.types import Function
from fxexport.capture.session.session import is_symbolic
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["nonempty_functions"]


def nonempty_functions(
    operators: Operators, raw: Callable[..., Any]
) -> dict[object, Callable[..., object]]:
    """What to call instead: the same, with the assumption that there is something.

    Args:
        operators: they take the assumption.
        raw: called with one of PyTorch's functions and its arguments, calls it as it is.
    """

    def bincount(x: torch.Tensor, weights: torch.Tensor | None = None, minlength: Any = 0) -> Any:
        if weights is not None:
            operators.lists.take_for_granted(
                x.shape[0] > 0, "bincount() with weights gets an element: of none it gives int64"
            )
        return raw(torch.bincount, x, weights, minlength)

    def trapezoid(
        function: Function, y: torch.Tensor, x: torch.Tensor | None = None, **options: Any
    ) -> Any:
        operators.lists.take_for_granted(
            y.shape[options.get("dim", -1)] > 0,
            "trapezoid() gets a point: of none it gives zeros of the dtype of y",
        )
        return raw(function, y, **options) if x is None else raw(function, y, x, **options)

    def sum_to_size(x: torch.Tensor, *size: Any) -> Any:
        kept = x.is_floating_point() or x.is_complex() or x.dtype == torch.int64
        if not kept and any(map(is_symbolic, x.shape)):
            raise UnsupportedError(
                f"sum_to_size of {x.dtype}: PyTorch keeps the dtype where there is nothing to sum, "
                "and gives int64 elsewhere",
                code=Code.DTYPE,
                location=user_location(),
                hint="sum the dimensions with sum(), or convert to int64 first",
            )
        return raw(torch.Tensor.sum_to_size, x, *size)

    return {
        torch.Tensor.sum_to_size: sum_to_size,
        torch.bincount: bincount,
        torch.Tensor.bincount: bincount,
        torch.trapezoid: functools.partial(trapezoid, torch.trapezoid),
        torch.trapz: functools.partial(trapezoid, torch.trapz),
    }
