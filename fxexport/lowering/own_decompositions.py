"""Operators expressed through others here: PyTorch knows no way to do so that a file can hold."""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from fxexport._torch_compat import overload_named

__all__ = ["OWN_DECOMPOSITIONS"]

aten = torch.ops.aten

Decomposition: TypeAlias = Callable[..., Any]

OWN_DECOMPOSITIONS: dict[torch._ops.OpOverload, Decomposition] = {}
"""What to call in place of an operator."""


def _of(*names: str) -> Callable[[Decomposition], Decomposition]:
    """Enters a function for operators; one that this PyTorch does not have is left out."""

    def enter(function: Decomposition) -> Decomposition:
        for name in names:
            found = overload_named(name)
            if found is not None:
                OWN_DECOMPOSITIONS[found] = function
        return function

    return enter


def _as_float(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


# -- special functions -----------------------------------------------------------------------------

# J. M. Blair, C. A. Edwards, J. H. Johnson, "Rational Chebyshev approximations for the inverse of
# the error function", 1976: the start of two steps of Newton's, as in PyTorch's own kernel.
_CENTRE = ((0.886226899, -1.645349621, 0.914624893, -0.140543331),
           (1.0, -2.118377725, 1.442710462, -0.329097515, 0.012229801))  # fmt: skip
_TAIL = ((-1.970840454, -1.624906493, 3.429567803, 1.641345311), (1.0, 3.543889200, 1.637067800))


def _polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """``c0 + c1 x + c2 x^2 + ...``."""
    out = torch.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        out = out * x + coefficient
    return out


@_of("aten::erfinv.default", "prims::erf_inv.default")
def erfinv(y: Tensor) -> Tensor:
    y = _as_float(y)
    size = y.abs()
    inner = torch.where(size <= 0.7, y * y, 0.0)
    centre = y * _polynomial(inner, _CENTRE[0]) / _polynomial(inner, _CENTRE[1])
    outer = torch.where((size > 0.7) & (size < 1), size, 0.8)
    root = torch.sqrt(-torch.log((1 - outer) / 2))
    tail = _polynomial(root, _TAIL[0]) / _polynomial(root, _TAIL[1])
    x = torch.where(size <= 0.7, centre, torch.where(y < 0, -tail, tail))
    for _ in range(2):
        x = x - (torch.erf(x) - y) / (2 / math.sqrt(math.pi) * torch.exp(-x * x))
    x = torch.where(size == 1, y * math.inf, x)
    return torch.where((size > 1) | y.isnan(), math.nan, x)


# Bernoulli's numbers in the series that gamma functions approach for large numbers.
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760)
_LGAMMA = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)
# From here on the series are right to the last digit of float64.
_FAR = 12


def _shifted(x: Tensor) -> Tensor:
    return torch.where(x < _FAR, x + _FAR, x)


@_of("aten::digamma.default", "prims::digamma.default")
def digamma(x: Tensor) -> Tensor:
    """In float64: large terms cancel near the zero at 1.46."""
    given = _as_float(x)
    x = given.double()
    reflected = torch.where(x < 0.5, 1 - x, x)
    far = _shifted(reflected)
    square = 1 / (far * far)
    out = far.log() - 0.5 / far - square * _polynomial(square, _DIGAMMA)
    steps = sum(1 / (reflected + k) for k in range(_FAR))
    out = torch.where(reflected < _FAR, out - steps, out)
    # By the part behind the point: pi times a large number has lost it.
    angle = math.pi * (x - x.floor())
    cotangent = math.pi * torch.cos(angle) / torch.sin(angle)
    out = torch.where(x < 0.5, out - cotangent, out)
    pole = (x < 0) & (x == x.floor())
    out = torch.where(pole, math.nan, out)
    out = torch.where(x == 0, -1 / x, out)  # an infinity of the other sign
    return torch.where(x == math.inf, x, out).to(given.dtype)


@_of("aten::lgamma.default", "prims::lgamma.default")
def lgamma(x: Tensor) -> Tensor:
    """In float64: large terms cancel near the zeros at 1 and 2."""
    given = _as_float(x)
    x = given.double()
    reflected = torch.where(x < 0.5, 1 - x, x)
    far = _shifted(reflected)
    inverse = 1 / far
    out = (far - 0.5) * far.log() - far + 0.5 * math.log(2 * math.pi)
    out = out + inverse * _polynomial(inverse * inverse, _LGAMMA)
    product = reflected
    for k in range(1, _FAR):
        product = product * (reflected + k)
    out = torch.where(reflected < _FAR, out - product.log(), out)
    sine = torch.sin(math.pi * (x - x.floor())).abs()
    out = torch.where(x < 0.5, math.log(math.pi) - sine.log() - out, out)
    pole = (x <= 0) & (x == x.floor())
    return torch.where(pole | x.isinf(), math.inf, out).to(given.dtype)


# -- choices of elements ---------------------------------------------------------------------------


@_of("aten::put.default")
def put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    flat = x.reshape(-1).index_put((index.reshape(-1),), source.reshape(-1), accumulate)
    return flat.reshape(x.shape)


@_of("aten::nonzero_static.default")
def nonzero_static(x: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    filler = torch.full((size, x.dim()), fill_value, dtype=torch.int64)
    return torch.cat([x.nonzero(), filler])[:size]


@_of("aten::index_reduce.default")
def index_reduce(
    x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    if x.dim() == 0:
        return index_reduce(
            x[None], 0, index.reshape(-1), source.reshape(-1), reduce, include_self=include_self
        )[0]
    shape = [1] * x.dim()
    shape[dim] = -1
    wide = index.reshape(shape).expand(source.shape)
    return x.scatter_reduce(dim, wide, source, reduce, include_self=include_self)


@_of("aten::_pdist_forward.default")
def pdist(x: Tensor, p: float = 2.0) -> Tensor:
    steps = torch.arange(x.shape[0])
    first, second = (steps[:, None] < steps[None, :]).nonzero().unbind(1)
    return torch.linalg.vector_norm(x[first] - x[second], p, dim=1)


# -- layers ----------------------------------------------------------------------------------------


@_of("aten::_trilinear.default")
def trilinear(
    a: Tensor,
    b: Tensor,
    c: Tensor,
    expand_a: Sequence[int],
    expand_b: Sequence[int],
    expand_c: Sequence[int],
    sum_dims: Sequence[int],
    unroll_dim: int = 1,
) -> Tensor:
    """A sum of products of three tensors, each of which lacks some dimensions: ``F.bilinear``."""
    rank = a.dim() + len(expand_a)
    letters = string.ascii_lowercase[:rank]

    def of(lacking: Sequence[int]) -> str:
        return "".join(letters[d] for d in range(rank) if d not in lacking)

    # What the third tensor does not have can be summed over before.
    early = [d for d in sum_dims if d in expand_c]
    late = [d for d in sum_dims if d not in expand_c]
    half = torch.einsum(f"{of(expand_a)},{of(expand_b)}->{of(early)}", a, b)
    return torch.einsum(f"{of(early)},{of(expand_c)}->{of([*early, *late])}", half, c)


@_of("aten::rrelu_with_noise_functional.default")
def rrelu(
    x: Tensor,
    noise: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: object = None,
) -> tuple[Tensor, Tensor]:
    if not training:
        return torch.nn.functional.leaky_relu(x, (lower + upper) / 2), noise
    slope = torch.rand_like(x) * (upper - lower) + lower
    slope = torch.where(x <= 0, slope, 1.0)
    return x * slope, slope


@_of("aten::fractional_max_pool2d.default", "aten::fractional_max_pool3d.default")
def fractional_max_pool(
    x: Tensor, kernel_size: Sequence[int], output_size: Sequence[int], random_samples: Tensor
) -> tuple[Tensor, Tensor]:
    """Windows of one size begin where a random number for each plane and dimension says."""
    count = len(output_size)
    batch = x if x.dim() == count + 2 else x[None]
    # Those of 2d pooling are for the columns first.
    samples = random_samples.flip(-1) if count == 2 else random_samples
    places = torch.zeros((), dtype=torch.int64)
    for k, (kernel, number) in enumerate(zip(kernel_size, output_size, strict=True)):
        size = batch.shape[2 + k]
        starts = _window_starts(samples[:, :, k, None], size, kernel, number)
        inside = starts[..., None] + torch.arange(kernel)
        shape = [1] * (2 * count)
        shape[k], shape[count + k] = number, kernel
        places = places * size + inside.reshape([*inside.shape[:2], *shape])
    wide = places.reshape([*places.shape[: 2 + count], math.prod(kernel_size)])
    flat = batch.flatten(2)
    seen = flat.gather(2, wide.flatten(2)).reshape(wide.shape)
    # Of equal elements the first one counts, of NaN the last one.
    unknown = seen.isnan()
    steps = torch.arange(wide.shape[-1])
    best = torch.where(unknown, -math.inf, seen).argmax(-1)
    last = torch.where(unknown, steps, -1).amax(-1)
    best = torch.where(last >= 0, last, best)[..., None]
    out, indices = seen.gather(-1, best)[..., 0], wide.gather(-1, best)[..., 0]
    return (out, indices) if x.dim() == count + 2 else (out[0], indices[0])


def _window_starts(sample: Tensor, size: int, kernel: int, number: int) -> Tensor:
    """Where windows begin along a dimension, int64[batch, channels, number]."""
    last = torch.full_like(sample, 0, dtype=torch.int64) + (size - kernel)
    if number == 1:
        return last
    apart = torch.scalar_tensor(size - kernel, dtype=sample.dtype) / (number - 1)
    steps = torch.arange(number - 1, dtype=sample.dtype)
    starts = ((steps + sample) * apart).to(torch.int64) - (sample * apart).to(torch.int64)
    return torch.cat([starts, last], -1)
