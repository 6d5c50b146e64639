"""Fourier transforms of real tensors, and back, in two steps: half of what complex ones take.

The transform of a real tensor tells the same twice: value ``n - k`` is the conjugate of value
``k``. Cooley and Tukey's way takes element ``j1 * n2 + j2`` to ``k1 + n1 * k2``, first along j1,
then along j2. With even factors it is enough to have k1 from 0 to ``n1 // 2``: what belongs to
``n1 - k1`` are conjugates, in the opposite order.
"""

from __future__ import annotations

import numpy as np

from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.values import Value
from fxexport.lowering.fourier_matrices import (
    Parts,
    constant,
    cos_and_sin,
    divisor,
    halves,
    swapped,
)

__all__ = ["irdft_in_two_steps", "rdft_in_two_steps", "two_steps"]

# 1000 x 240: 0.64 ms by one matrix for 0.85 in two steps; 1000 x 320: 1.05 for 0.95; 1000 x 512:
# 2.3 for 1.4 (ONNX Runtime 1.32, one thread).
_SHORT = 300
_LONGEST = 448  # of a step; longer ones are themselves made in steps


def two_steps(size: int) -> tuple[int, int] | None:
    """Two even factors of a length, the first one the larger; None where one matrix is faster.

    Also where there are none, or one is so large that it had better be composed itself.
    """
    if size <= _SHORT or size % 4:
        return None
    small = 2 * divisor(size // 4)
    return (size // small, small) if size // small <= _LONGEST else None


def rdft_in_two_steps(
    op: OpBuilder, x: Value, sizes: tuple[int, int], scale: float
) -> tuple[Value, Value]:
    """The first ``n // 2 + 1`` values of the transform along the last dimension.

    Args:
        op: the builder.
        x: the real tensor.
        sizes: two even factors of the length.
        scale: what the result is multiplied by.
    """
    n1, n2 = sizes
    outer = _outer(op, x)
    cos, sin = _wave(np.arange(n1 // 2 + 1), np.arange(n1), n1)
    columns = op.reshape(x, [*outer, n1, n2])
    first = constant(op, np.concatenate([cos, -sin]), x) @ columns  # [..., (re, im) of k1, j2]
    axis = first.rank - 2
    re, im = halves(op, first, n1 // 2 + 1, axis)
    cos, sin = _wave(np.arange(n1 // 2 + 1), np.arange(n2), n1 * n2)
    rows = op.one("Concat", *_turned(op, re, im, cos, -sin), axis=axis + 1)
    # Values k1 + n1 * k2 for the smaller k2, and the conjugates of those for the larger ones,
    # from the last on: these are values n1 - k1 + n1 * (n2 - 1 - k2).
    near, far = np.arange(n2 // 2), np.arange(n2 - 1, n2 // 2 - 1, -1)
    cos, sin = (part * scale for part in _wave(np.arange(n2), np.concatenate([near, far]), n2))
    half = n2 // 2
    conjugate = np.repeat([1.0, -1.0], half)
    real = np.concatenate([cos, sin])
    imaginary = np.concatenate([-sin, cos]) * conjugate
    last = rows @ constant(op, np.concatenate([real, imaginary], axis=1), x)
    back = op.one("Gather", last, op.i64(list(range(n1 // 2 - 1, -1, -1))), axis=axis)
    found = []
    for at in (0, n2):
        begin = op.one("Slice", last, [at], [at + half], [axis + 1])
        end = op.one("Slice", back, [at + half], [at + n2], [axis + 1])
        whole = swapped(op, op.one("Concat", begin, end, axis=axis))  # [..., k2, k1 up to n1]
        own = op.reshape(op.one("Slice", whole, [0], [n1], [axis + 1]), [*outer, n1 * half])
        middle = op.one("Slice", end, [n1 // 2 - 1, half - 1], [n1 // 2, half], [axis, axis + 1])
        found.append(op.one("Concat", own, op.reshape(middle, [*outer, 1]), axis=axis))
    return found[0], found[1]


def irdft_in_two_steps(op: OpBuilder, parts: Parts, sizes: tuple[int, int], scale: float) -> Value:
    """The real tensor whose transform along the last dimension begins with these values.

    Args:
        op: the builder.
        parts: the first ``n // 2 + 1`` values.
        sizes: two even factors of the length.
        scale: what the result is multiplied by.
    """
    n1, n2 = sizes
    re = parts[0]
    outer = _outer(op, re)
    half, count = n2 // 2, n1 // 2 + 1
    axis = re.rank - 1
    places = np.arange(half)
    # Values k1 + n1 * k2 of the smaller k2 are there. Those of the larger ones are conjugates of
    # n1 - k1 + n1 * (n2 - 1 - k2).
    near = _wave(places, np.arange(n2), n2)
    far = _wave(n2 - 1 - places, np.arange(n2), n2)
    products = []
    for begin, skipped, (cos, sin), sign in ((0, 0, near, 1), (1, n1 - count, far, -1)):
        pieces = []
        for part in parts:
            if part is not None:
                run = op.one("Slice", part, [begin], [begin + n1 * half], [axis])
                run = op.reshape(run, [*outer, half, n1])
                pieces.append(op.one("Slice", run, [skipped], [skipped + count], [axis + 1]))
        rows = pieces[0] if len(pieces) == 1 else op.one("Concat", *pieces, axis=axis)
        matrix = np.block([[cos, sin], [-sin * sign, cos * sign]])[: half * len(pieces)]
        products.append(swapped(op, rows) @ constant(op, matrix, re))
    back = op.one("Gather", products[1], op.i64(list(range(count - 1, -1, -1))), axis=axis)
    first_re, first_im = halves(op, products[0] + back, n2, axis + 1)  # [..., k1, j2]
    cos, sin = _wave(np.arange(count), np.arange(n2), n1 * n2)
    rows = op.one("Concat", *_turned(op, first_re, first_im, cos, sin), axis=axis)
    cos, sin = _wave(np.arange(n1), np.arange(count), n1)
    twice = np.full(count, 2.0) * scale
    twice[[0, -1]] = scale
    last = constant(op, np.concatenate([cos * twice, -sin * twice], axis=1), re) @ rows
    return op.reshape(last, [*outer, n1 * n2])


def _outer(op: OpBuilder, x: Value) -> list[int | Value]:
    return [op.size(x, k) for k in range(x.rank - 1)]


def _wave(rows: np.ndarray, columns: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of ``2 pi j k / n``, from exact integers below n."""
    return cos_and_sin(2 * np.pi * (np.outer(rows, columns) % size) / size)


def _turned(
    op: OpBuilder, re: Value, im: Value, cos: np.ndarray, sin: np.ndarray
) -> tuple[Value, Value]:
    c, s = constant(op, cos, re), constant(op, sin, re)
    return re * c - im * s, re * s + im * c
