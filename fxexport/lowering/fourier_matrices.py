"""Matrices of Fourier transforms, and what is done with real and imaginary parts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dimensions import to_end
from fxexport.lowering.builder.values import Value

__all__ = [
    "Parts",
    "angles_of",
    "constant",
    "cos_and_sin",
    "divisor",
    "each",
    "halves",
    "swapped",
    "to_last",
]

Parts = tuple[Value, Value | None]
"""The real parts of complex numbers, and the imaginary ones; None where those are 0."""


def halves(op: OpBuilder, x: Value, count: int, axis: int = -1) -> tuple[Value, Value]:
    """The first elements along a dimension, and as many behind them."""
    axis %= x.rank
    return (
        op.one("Slice", x, [0], [count], [axis]),
        op.one("Slice", x, [count], [2 * count], [axis]),
    )


def angles_of(size: int) -> np.ndarray:
    """``2 pi j k / n``, from exact integers below n."""
    steps = np.arange(size)
    angles: np.ndarray = 2 * np.pi * (np.outer(steps, steps) % max(size, 1)) / max(size, 1)
    return angles


def cos_and_sin(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines, exactly 0 where they are: at multiples of a quarter turn."""
    cos, sin = (np.where(np.abs(x) < 1e-15, 0.0, x) for x in (np.cos(angles), np.sin(angles)))
    return cos, sin


def divisor(size: int) -> int:
    """The divisor that is nearest to the root, from below; 1 for a prime."""
    return next(d for d in range(math.isqrt(size), 0, -1) if size % d == 0)


def constant(op: OpBuilder, array: np.ndarray, like: Value) -> Value:
    """A constant in the dtype of another value."""
    return op.const(array.astype(like.elem.numpy()), like.elem)


def swapped(op: OpBuilder, x: Value) -> Value:
    """The last two dimensions changed."""
    perm = list(range(x.rank))
    perm[-1], perm[-2] = perm[-2], perm[-1]
    return op.one("Transpose", x, perm=perm)


def each(parts: Parts, change: Callable[[Value], Value]) -> Parts:
    """Both parts changed alike."""
    re, im = parts
    return change(re), None if im is None else change(im)


def to_last(op: OpBuilder, parts: Parts, dim: int) -> Parts:
    """A dimension brought to the end."""
    return each(parts, lambda part: to_end(op, part, dim))
