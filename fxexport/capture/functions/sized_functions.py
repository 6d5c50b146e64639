"""Functions of PyTorch that bake sizes in, written with others that take symbolic ones."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.functions.composed_functions import alone_is_one
from fxexport.capture.recording.types import Function, Number

__all__ = ["NUMBERS_ONLY", "OF_NUMBERS", "SIZED_FUNCTIONS"]

_Packet = torch._ops.OpOverloadPacket


def _linspace(
    start: Number | torch.Tensor, end: Number | torch.Tensor, steps: Any, **kwargs: Any
) -> torch.Tensor:
    """As PyTorch's kernel: from the start up to the middle, from the end down to it."""
    dtype = kwargs.pop("dtype", None) or torch.get_default_dtype()
    exact = torch.float64 if dtype == torch.float64 or not dtype.is_floating_point else dtype
    positions = torch.arange(steps, dtype=torch.int64, device=kwargs.get("device"))
    low, high = (_scalar(value, exact) for value in (start, end))
    last = _scalar(steps - 1, torch.int64)
    step = (high - low) / last.clamp(min=1)
    first_half = (positions < steps // 2) | (positions == 0)
    up, down = positions.to(exact), (last - positions).to(exact)
    return torch.where(first_half, low + step * up, high - step * down).to(dtype)


def _logspace(
    start: Number | torch.Tensor,
    end: Number | torch.Tensor,
    steps: Any,
    base: float = 10.0,
    **kwargs: Any,
) -> torch.Tensor:
    dtype = kwargs.pop("dtype", None) or torch.get_default_dtype()
    return (float(base) ** _linspace(start, end, steps, dtype=dtype, **kwargs)).to(dtype)


def _scalar(value: Any, dtype: torch.dtype) -> torch.Tensor:
    return value.to(dtype) if isinstance(value, torch.Tensor) else torch.scalar_tensor(
        value, dtype=dtype
    )  # fmt: skip


def _triangle(lower: bool) -> Callable[..., torch.Tensor]:
    def indices(row: Any, col: Any, offset: int = 0, **kwargs: Any) -> torch.Tensor:
        dtype = kwargs.get("dtype") or torch.int64
        down, across = torch.arange(row)[:, None], torch.arange(col)[None, :]
        inside = across - down <= offset if lower else across - down >= offset
        return inside.nonzero().t().to(dtype)

    return indices


def _window(weights: Sequence[float]) -> Callable[..., torch.Tensor]:
    """A sum of cosines: hann, hamming, blackman."""

    def window(
        window_length: Any, periodic: bool = True, *own: float, **kwargs: Any
    ) -> torch.Tensor:
        dtype = kwargs.get("dtype") or torch.get_default_dtype()
        # Hamming's alone may be given: alpha and beta.
        given = (*own, *(kwargs[name] for name in ("alpha", "beta") if name in kwargs))
        sum_of = (*given, *weights[len(given) :])
        count = _scalar(window_length if periodic else window_length - 1, dtype)
        angle = torch.arange(window_length).to(dtype) * (2 * torch.pi) / count.clamp(min=1)
        waves = [(-1) ** k * weight * (angle * k).cos() for k, weight in enumerate(sum_of)]
        return alone_is_one(functools.reduce(torch.add, waves), window_length, dtype)

    return window


def _affine_grid(theta: torch.Tensor, size: Sequence[Any], align_corners: bool) -> torch.Tensor:
    def coordinates(count: Any) -> torch.Tensor:
        found = _linspace(-1, 1, count, dtype=theta.dtype)
        # One coordinate alone is 0, in the middle.
        return found * (torch.sym_min(count - 1, 1) if align_corners else (count - 1) / count)

    batch, _, *spatial = size
    axes = torch.meshgrid(*(coordinates(count) for count in spatial), indexing="ij")
    base = torch.stack([*reversed(axes), torch.ones_like(axes[0])], -1)
    grid = base.reshape(1, -1, len(spatial) + 1) @ theta.transpose(1, 2)
    return grid.reshape(batch, *spatial, len(spatial))


def _kron(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    rank = max(a.dim(), b.dim())
    a, b = (t.reshape((1,) * (rank - t.dim()) + tuple(t.shape)) for t in (a, b))
    for k in range(rank):
        a, b = a.unsqueeze(2 * k + 1), b.unsqueeze(2 * k)
    sizes = [a.shape[2 * k] * b.shape[2 * k + 1] for k in range(rank)]
    return (a * b).reshape(sizes)


def _multi_dot(tensors: Sequence[torch.Tensor], **kwargs: object) -> torch.Tensor:
    return functools.reduce(torch.matmul, tensors)


def _chain_matmul(*tensors: torch.Tensor, **kwargs: object) -> torch.Tensor:
    return functools.reduce(torch.matmul, tensors)


def _tensordot(a: torch.Tensor, b: torch.Tensor, dims: Any = 2, **kwargs: object) -> torch.Tensor:
    """Its kernel asks of each pair of sizes which of them is 1: a path for every answer."""
    dims = dims.tolist() if isinstance(dims, torch.Tensor) else dims
    if isinstance(dims, int):
        dims = (range(a.dim() - dims, a.dim()), range(dims))
    of_a, of_b = ([dim % x.dim() for dim in own] for x, own in zip((a, b), dims, strict=True))
    letters = [chr(ord("a") + k) for k in range(a.dim() + b.dim())]
    left, right = letters[: a.dim()], letters[a.dim() :]
    for dim, other in zip(of_a, of_b, strict=True):
        right[other] = left[dim]
    kept = [left[k] for k in range(a.dim()) if k not in of_a]
    kept += [right[k] for k in range(b.dim()) if k not in of_b]
    return torch.einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", a, b)


def _take_along_dim(x: torch.Tensor, indices: torch.Tensor, dim: int | None = None) -> object:
    if dim is None:
        return x.reshape(-1).gather(0, indices.reshape(-1))
    dim %= x.dim()
    # Other dimensions are broadcast. One that is not known to be 1 is the size of both.
    wide = [
        other if isinstance(own, int) and own == 1 else own
        for own, other in zip(x.shape, indices.shape, strict=True)
    ]
    x = x.expand([x.shape[k] if k == dim else size for k, size in enumerate(wide)])
    indices = indices.expand([indices.shape[k] if k == dim else n for k, n in enumerate(wide)])
    return x.gather(dim, indices)


def _cdist(
    a: torch.Tensor,
    b: torch.Tensor,
    p: float = 2.0,
    compute_mode: str = "use_mm_for_euclid_dist_if_necessary",
) -> object:
    # By default the sizes choose between two methods that compute the same.
    mode = 1 if compute_mode == "use_mm_for_euclid_dist" else 2
    return torch.ops.aten.cdist.default(a, b, p, mode)


def _chunk_cat(tensors: Sequence[torch.Tensor], dim: int, num_chunks: int) -> torch.Tensor:
    """Each tensor filled up with zeros to equal chunks, a row a chunk; the rows side by side."""
    dim %= tensors[0].dim()
    rows = []
    for tensor in tensors:
        torch._check(tensor.numel() > 0, lambda: "_chunk_cat expects non-empty tensor")
        before, size, after = tensor.shape[:dim], tensor.shape[dim], tensor.shape[dim + 1 :]
        length = (size + num_chunks - 1) // num_chunks
        missing = tensor.new_zeros([*before, length * num_chunks - size, *after])
        whole = torch.cat([tensor, missing], dim)
        rows.append(whole.reshape([*before, num_chunks, length * math.prod(after)]))
    return torch.cat(rows, dim + 1)


def _adaptive_avg_pool1d(x: torch.Tensor, output_size: Any) -> torch.Tensor:
    """Pooling in two dimensions of which one is 1: that operator takes symbolic sizes."""
    size = output_size[0] if isinstance(output_size, (tuple, list)) else output_size
    return torch.ops.aten.adaptive_avg_pool2d.default(x.unsqueeze(-2), [1, size]).squeeze(-2)


def _diagonal(x: torch.Tensor, offset: Any = 0, dim1: int = 0, dim2: int = 1) -> torch.Tensor:
    """A view: the main diagonal of the part that begins where the other one does."""
    for dim, skipped in ((dim1, -offset), (dim2, offset)):
        size = x.shape[dim]
        start = torch.sym_min(torch.sym_max(skipped, 0), size)
        x = x.narrow(dim, start, size - start)
    return x.diagonal(0, dim1, dim2)


def _whole_diagonal(x: torch.Tensor, offset: Any, length: Any) -> torch.Tensor:
    """As `_diagonal` of the last two dimensions; nobody asks whether its length is this one."""
    for dim, skipped in ((-2, -offset), (-1, offset)):
        x = x.narrow(dim, torch.sym_max(skipped, 0), length)
    return x.diagonal(0, -2, -1)


def _linalg_diagonal(
    x: torch.Tensor, *, offset: Any = 0, dim1: int = -2, dim2: int = -1
) -> torch.Tensor:
    return _diagonal(x, offset, dim1, dim2)


def _diagonal_copy(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    return _diagonal(x, *args, **kwargs).clone()


def _diagonal_scatter(
    x: torch.Tensor, src: torch.Tensor, offset: Any = 0, dim1: int = 0, dim2: int = 1
) -> torch.Tensor:
    out = x.clone()
    _diagonal(out, offset, dim1, dim2).copy_(src)
    return out


def _diag_embed(x: torch.Tensor, offset: Any = 0, dim1: int = -2, dim2: int = -1) -> torch.Tensor:
    size = x.shape[-1] + torch.sym_max(offset, -offset)
    out = x.new_zeros([*x.shape[:-1], size, size])
    _whole_diagonal(out, offset, x.shape[-1]).copy_(x)
    return torch.movedim(out, (-2, -1), (dim1, dim2))


def _diag(x: torch.Tensor, diagonal: Any = 0) -> torch.Tensor:
    return _diag_embed(x, diagonal) if x.dim() == 1 else _diagonal_copy(x, diagonal)


def _diagflat(x: torch.Tensor, offset: Any = 0) -> torch.Tensor:
    return _diag_embed(x.reshape(-1), offset)


# Called instead of the function where a size among the arguments is symbolic.
SIZED_FUNCTIONS: dict[object, Function] = {
    torch.linspace: _linspace,
    torch.logspace: _logspace,
    torch.triu_indices: _triangle(lower=False),
    torch.tril_indices: _triangle(lower=True),
    torch.hann_window: _window((0.5, 0.5)),
    torch.hamming_window: _window((0.54, 0.46)),
    torch.blackman_window: _window((0.42, 0.5, 0.08)),
    torch.affine_grid_generator: _affine_grid,
    torch.kron: _kron,
    torch.linalg.multi_dot: _multi_dot,
    torch.chain_matmul: _chain_matmul,
    torch.cdist: _cdist,
    torch.adaptive_avg_pool1d: _adaptive_avg_pool1d,
    compat.CHUNK_CAT: _chunk_cat,
    torch.tensordot: _tensordot,
    torch.take_along_dim: _take_along_dim,
    torch.Tensor.take_along_dim: _take_along_dim,
}

_aten = torch.ops.aten
_DIAGONALS: tuple[tuple[Function, tuple[Any, ...]], ...] = (
    (_diagonal, (torch.diagonal, torch.Tensor.diagonal, _aten.diagonal)),
    (_linalg_diagonal, (torch.linalg.diagonal, _aten.linalg_diagonal)),
    (_diagonal_copy, (torch.diagonal_copy, _aten.diagonal_copy)),
    (
        _diagonal_scatter,
        (torch.diagonal_scatter, torch.Tensor.diagonal_scatter, _aten.diagonal_scatter),
    ),
    (_diag, (torch.diag, torch.Tensor.diag, _aten.diag)),
    (_diag_embed, (torch.diag_embed, torch.Tensor.diag_embed, _aten.diag_embed)),
    (_diagflat, (torch.diagflat, torch.Tensor.diagflat, _aten.diagflat)),
)
# Those where only a symbolic number does it; of a tensor's sizes their operators know.
OF_NUMBERS: dict[object, Function] = {
    function: written
    for written, functions in _DIAGONALS
    for named in functions
    for function in (named, *([named.default] if isinstance(named, _Packet) else []))
}
SIZED_FUNCTIONS |= OF_NUMBERS

# Those of them that are called with numbers; a tensor stands for the number that it holds.
NUMBERS_ONLY = frozenset(list(SIZED_FUNCTIONS)[:7])
