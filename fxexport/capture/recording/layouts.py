"""How tensors lie in memory, by their sizes and strides."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Size, expression

__all__ = ["apart", "dense_order", "is_contiguous", "is_in_order"]


def dense_order(x: torch.Tensor) -> list[int] | None:
    """The dimensions of a tensor that fills its memory, from the outermost one to the innermost.

    Returns:
        None for a tensor with gaps, or with elements in one place.
    """
    left = list(range(x.dim()))
    order = [d for d in left if expression(x.shape[d]) == 1]
    inner: list[int] = []
    left = [d for d in left if d not in order]
    expected = sympy.S.One
    while left:
        found = next((d for d in reversed(left) if expression(x.stride(d)) == expected), None)
        if found is None:
            return None
        inner.insert(0, found)
        left.remove(found)
        expected = expected * _at_least_one(expression(x.shape[found]))
    return [*order, *inner]


def _at_least_one(size: sympy.Expr) -> sympy.Expr:
    """What PyTorch multiplies strides by: a size of 0 counts as 1."""
    return sympy.Integer(max(int(size), 1)) if size.is_number else compat.Max(1, size)


def is_contiguous(x: torch.Tensor) -> bool:
    """Whether a tensor fills its memory in the order of its dimensions, by its strides."""
    order = dense_order(x)
    wide = [d for d in range(x.dim()) if expression(x.shape[d]) != 1]
    return order is not None and [d for d in order if d in wide] == wide


def is_in_order(x: torch.Tensor) -> bool:
    """Whether each dimension certainly lies around the next one, with gaps or without."""
    steps = [expression(x.stride(d)) for d in range(x.dim()) if expression(x.shape[d]) != 1]
    steps.append(sympy.S.One)
    # As many times as far, so not less far: strides of 0 and those that are turned are neither.
    times = (
        outer / inner if inner != 0 else sympy.S.Zero for outer, inner in itertools.pairwise(steps)
    )
    return all(ratio != 0 and sympy.fraction(ratio)[1] == 1 for ratio in times)


def apart(env: compat.SizeEnv, size: Sequence[Size], stride: Sequence[Size]) -> bool:
    """Whether elements with these strides certainly lie in places of their own."""
    dims = [
        (expression(n), expression(step))
        for n, step in zip(size, stride, strict=True)
        if expression(n) != 1
    ]

    def nested(order: Sequence[tuple[sympy.Expr, sympy.Expr]]) -> bool:
        reach = sympy.S.Zero
        for n, step in order:
            if not env.certain(sympy.Gt(step, reach)):
                return False
            reach = reach + (n - 1) * step
        return True

    return len(dims) <= 5 and any(map(nested, itertools.permutations(dims)))
