"""Fourier transforms as products with constant matrices, or by ONNX's DFT.

ONNX Runtime's DFT takes 20 to 100 times as long as PyTorch's, and in float32 is right to 1e-4 only
for lengths that are no powers of two (400: 9e-5 of the largest value, 16000: 2e-3; ONNX Runtime
1.32). So a length that is known is transformed by matrices: a short one by one matrix, a long one
by Cooley and Tukey's way in two steps, ``n = n1 * n2`` (`real_fourier.py` has those of real
tensors), and one with a large prime factor by Bluestein's, as a convolution that powers of two
transform. Angles are computed in float64 from
exact integers. Only a length that is known when the model runs goes through DFT, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir

from fxexport.graph.fourier import irdft, rdft, scale_of
from fxexport.lowering.builder.builder import OpBuilder
from fxexport.lowering.builder.dimensions import from_end
from fxexport.lowering.builder.values import Value
from fxexport.lowering.fourier_matrices import (
    Parts,
    angles_of,
    constant,
    cos_and_sin,
    divisor,
    each,
    halves,
    swapped,
    to_last,
)
from fxexport.lowering.real_fourier import irdft_in_two_steps, rdft_in_two_steps, two_steps

__all__ = ["lower_fourier"]

DOUBLE = ir.DataType.DOUBLE
INT64 = ir.DataType.INT64

# Up to this length one matrix is fastest: 1000 x 400 takes the same in two steps, 1250 x 512 2.0 ms
# for 2.8 (benchmarks/spectra.py, one thread). Where both factors are even, real tensors have less.
_SHORT = 448


def lower_fourier(op: OpBuilder, target: Callable[..., Any], args: Any) -> Any:
    """Writes a function of `fxexport.graph.fourier`."""
    if target is rdft:
        x, dim, norm = args
        return _rdft(op, x, dim, norm)
    if target is irdft:
        return _irdft(op, *args)
    re, im, dim, inverse, norm = args
    return _dft(op, (re, im), dim, inverse, norm)


# -- a complex tensor ------------------------------------------------------------------------------


def _dft(op: OpBuilder, parts: Parts, dim: int, inverse: bool, norm: int) -> tuple[Value, Value]:
    size = parts[0].dims[dim]
    if size is None:
        return _by_dft(op, parts, dim, inverse, norm)
    last = to_last(op, parts, dim)
    re, im = _matrices(op, last, size, 1 if inverse else -1, scale_of(size, norm))
    return from_end(op, re, dim), from_end(op, im, dim)


def _rdft(op: OpBuilder, x: Value, dim: int, norm: int) -> tuple[Value, Value]:
    size = x.dims[dim]
    if size is None:
        re, im = _by_dft(op, (x, None), dim, False, norm, onesided=True)
        return re, im
    count = size // 2 + 1
    moved, _ = to_last(op, (x, None), dim)
    steps = two_steps(size)
    if steps is not None:
        re, im = rdft_in_two_steps(op, moved, steps, scale_of(size, norm))
    elif size <= _SHORT:
        angles = angles_of(size)[:, :count] * -1.0
        re, im = _split_product(op, moved, angles, scale_of(size, norm))
    else:
        whole = _matrices(op, (moved, None), size, -1, scale_of(size, norm))
        axis = moved.rank - 1
        re, im = (op.one("Slice", part, [0], [count], [axis]) for part in whole)
    return from_end(op, re, dim), from_end(op, im, dim)


def _irdft(
    op: OpBuilder, re: Value, im: Value | None, dim: int, size: int | Value, norm: int
) -> Value:
    if not isinstance(size, int):
        return _irdft_of_any_size(op, (re, im), dim, size, norm)
    parts = to_last(op, (re, im), dim)
    steps = two_steps(size)
    if steps is not None:
        out = irdft_in_two_steps(op, parts, steps, scale_of(size, norm))
    elif size <= _SHORT:
        count = size // 2 + 1
        angles = angles_of(size)[:count]
        twice = np.full((count, 1), 2.0)
        twice[0] = 1.0
        if size % 2 == 0:
            twice[-1] = 1.0
        twice *= scale_of(size, norm)
        cos, sin = cos_and_sin(angles)
        out = parts[0] @ constant(op, cos * twice, parts[0])
        if parts[1] is not None:
            out = out - parts[1] @ constant(op, sin * twice, parts[0])
    else:
        whole = _hermitian(op, parts, size)
        out, _ = _matrices(op, whole, size, 1, scale_of(size, norm))
    return from_end(op, out, dim)


# -- matrices --------------------------------------------------------------------------------------


def _matrices(
    op: OpBuilder, parts: Parts, size: int, sign: int, scale: float
) -> tuple[Value, Value]:
    """The transform along the last dimension, of a size that is known.

    Args:
        op: the builder.
        parts: real and imaginary parts.
        size: of the dimension.
        sign: of the exponent: 1 for an inverse transform, else -1.
        scale: what the result is multiplied by.
    """
    if size <= _SHORT:
        return _complex_product(op, parts, angles_of(size) * sign, scale)
    first = divisor(size)
    if first == 1:
        return _bluestein(op, parts, size, sign, scale)
    return _in_two_steps(op, parts, (first, size // first), sign, scale)


def _in_two_steps(
    op: OpBuilder, parts: Parts, sizes: tuple[int, int], sign: int, scale: float
) -> tuple[Value, Value]:
    """Cooley and Tukey: element ``j1 * n2 + j2`` to ``k1 + n1 * k2``."""
    n1, n2 = sizes
    n = n1 * n2
    rank = parts[0].rank
    outer = [op.size(parts[0], k) for k in range(rank - 1)]
    columns = each(parts, lambda part: swapped(op, op.reshape(part, [*outer, n1, n2])))
    re, im = _matrices(op, columns, n1, sign, 1.0)  # [..., j2, k1]
    angles = sign * 2 * np.pi * (np.outer(np.arange(n2), np.arange(n1)) % n) / n
    re, im = _rotated(op, re, im, angles)
    rows = swapped(op, re), swapped(op, im)
    re, im = _matrices(op, rows, n2, sign, scale)  # [..., k1, k2]
    out = [op.reshape(swapped(op, part), [*outer, n]) for part in (re, im)]
    return out[0], out[1]


def _bluestein(
    op: OpBuilder, parts: Parts, size: int, sign: int, scale: float
) -> tuple[Value, Value]:
    """A transform of any length as a convolution with a chirp, in lengths of a power of two."""
    length = 1 << (2 * size - 2).bit_length()
    steps = np.arange(size)
    chirp = sign * np.pi * (steps * steps % (2 * size)) / size
    re, im = _rotated(op, parts[0], parts[1], chirp)
    axis = re.rank
    pads = np.zeros((2, axis), dtype=np.int64)
    pads[1, -1] = length - size
    padded = [op.one("Pad", part, op.i64(pads.reshape(-1).tolist())) for part in (re, im)]
    filter_ = np.zeros(length, dtype=complex)
    filter_[:size] = np.exp(-1j * chirp)
    filter_[length - size + 1 :] = np.exp(-1j * chirp[1:][::-1])
    spectrum = np.fft.fft(filter_) / length
    re, im = _matrices(op, (padded[0], padded[1]), length, -1, 1.0)
    re, im = _times(op, re, im, spectrum.real, spectrum.imag)
    re, im = _matrices(op, (re, im), length, 1, 1.0)
    re, im = (op.one("Slice", part, [0], [size], [axis - 1]) for part in (re, im))
    cos, sin = cos_and_sin(chirp)
    return _times(op, re, im, cos * scale, sin * scale)


def _rotated(op: OpBuilder, re: Value, im: Value | None, angles: np.ndarray) -> tuple[Value, Value]:
    return _times(op, re, im, *cos_and_sin(angles))


def _times(
    op: OpBuilder, re: Value, im: Value | None, by_re: np.ndarray, by_im: np.ndarray
) -> tuple[Value, Value]:
    """A product with constant complex numbers."""
    c, s = constant(op, by_re, re), constant(op, by_im, re)
    if im is None:
        return re * c, re * s
    return re * c - im * s, re * s + im * c


def _complex_product(
    op: OpBuilder, parts: Parts, angles: np.ndarray, scale: float
) -> tuple[Value, Value]:
    """A product with the matrix of ``exp(i * angles)``."""
    re, im = parts
    if im is None:
        return _split_product(op, re, angles, scale)
    cos, sin = (part * scale for part in cos_and_sin(angles))
    whole = op.one("Concat", re, im, axis=re.rank - 1)
    matrix = np.block([[cos, sin], [-sin, cos]])
    return halves(op, whole @ constant(op, matrix, re), angles.shape[1])


def _split_product(
    op: OpBuilder, x: Value, angles: np.ndarray, scale: float
) -> tuple[Value, Value]:
    """A product of a real tensor with the matrix of ``exp(i * angles)``."""
    matrix = np.concatenate(cos_and_sin(angles), axis=1) * scale
    return halves(op, x @ constant(op, matrix, x), angles.shape[1])


# -- lengths that are known when the model runs ----------------------------------------------------


def _by_dft(
    op: OpBuilder, parts: Parts, dim: int, inverse: bool, norm: int, *, onesided: bool = False
) -> tuple[Value, Value]:
    """A transform of any length.

    ONNX's operator scales an inverse one by one over the length. Where nothing is written in
    float64, the matrix is made when the model runs.
    """
    if not op.exact:
        return _by_computed_matrix(op, parts, dim, inverse, norm, onesided=onesided)
    dtype = parts[0].elem
    stacked = [
        op.one("Unsqueeze", op.cast(part, DOUBLE), [part.rank])
        for part in parts
        if part is not None
    ]
    x = stacked[0] if len(stacked) == 1 else op.one("Concat", *stacked, axis=parts[0].rank)
    made = _dft_node(op, x, dim, inverse, onesided)
    length = op.cast(op.size(parts[0], dim), DOUBLE)
    factor = _dynamic_scale(op, length, norm)
    if inverse:
        factor = length if factor is None else factor * length
    if factor is not None:
        made = made * factor
    re, im = (op.one("Gather", made, op.i64(k), axis=parts[0].rank) for k in (0, 1))
    return op.cast(re, dtype), op.cast(im, dtype)


def _by_computed_matrix(
    op: OpBuilder, parts: Parts, dim: int, inverse: bool, norm: int, *, onesided: bool
) -> tuple[Value, Value]:
    """The product with a matrix of ``length * length`` elements."""
    re, im = to_last(op, parts, dim)
    size = op.size(parts[0], dim)
    steps = op.one("Range", op.i64(0), op.cast(size, INT64), op.i64(1))
    products = op.one("Unsqueeze", steps, [1]) * op.one("Unsqueeze", steps, [0])
    length = op.cast(op.cast(size, INT64), re.elem)
    turns = op.cast(products % op.cast(size, INT64), re.elem) / length
    angles = turns * ((2 if inverse else -2) * math.pi)
    if onesided:
        half = op.one("Add", op.one("Div", op.vector(size), [2]), [1])
        angles = op.one("Slice", angles, [0], half, [1])
    factor = _dynamic_scale(op, length, norm)
    cos, sin = (op.one(name, angles) for name in ("Cos", "Sin"))
    if factor is not None:
        cos, sin = cos * factor, sin * factor
    out_re, out_im = re @ cos, re @ sin
    if im is not None:
        out_re, out_im = out_re - im @ sin, out_im + im @ cos
    return from_end(op, out_re, dim), from_end(op, out_im, dim)


def _dft_node(op: OpBuilder, x: Value, dim: int, inverse: bool, onesided: bool) -> Value:
    flags = {"inverse": int(inverse), "onesided": int(onesided)}
    if op.opset >= 20:
        made = op.one("DFT", x, None, op.i64(dim), **flags)
    else:
        made = op.one("DFT", x, None, axis=dim, **flags)
    return made


def _irdft_of_any_size(
    op: OpBuilder, parts: Parts, dim: int, size: int | Value, norm: int
) -> Value:
    moved = to_last(op, parts, dim)
    whole = _hermitian(op, moved, size)
    out, _ = _by_dft(op, whole, moved[0].rank - 1, True, norm)
    return from_end(op, out, dim)


def _hermitian(op: OpBuilder, parts: Parts, size: int | Value) -> Parts:
    """All values along the last dimension, from the first ``size // 2 + 1``.

    The imaginary parts of the first, and of the middle one of an even number, count for nothing in
    the real result.
    """
    axis = parts[0].rank - 1
    vector = op.vector(size)
    half = op.one("Div", vector, [2])
    end = vector - half  # n - n // 2: the values from there back to 1 come again

    def again(part: Value) -> Value:
        rest = op.one("Slice", part, [1], end, [axis])
        return op.one("Slice", rest, [-1], [-(2**63)], [axis], [-1])

    re, im = parts
    whole = op.one("Concat", re, again(re), axis=axis)
    return whole, None if im is None else op.one("Concat", im, -again(im), axis=axis)


def _dynamic_scale(op: OpBuilder, length: Value, norm: int) -> Value | None:
    """What a transform of this length is scaled by; None for nothing."""
    if norm == 0:
        return None
    return op.one("Reciprocal", op.one("Sqrt", length) if norm == 1 else length)
