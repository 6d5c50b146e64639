"""What factorisations give on fake tensors: PyTorch's own ask for strides, and so about sizes."""

from __future__ import annotations

from collections.abc import Callable

import torch

from fxexport.capture.recording.types import Value

__all__ = ["FAKE_MATRICES"]

aten = torch.ops.aten


def _one_number(x: torch.Tensor) -> torch.Tensor:
    """A matrix of one number: of it PyTorch's kernel says what it takes, and gives dtypes."""
    return x.new_empty([1] * x.dim())


def _qr(x: torch.Tensor, mode: str = "reduced") -> tuple[torch.Tensor, torch.Tensor]:
    q, r = aten.linalg_qr.default(_one_number(x), mode)
    rows, columns = x.shape[-2:]
    kept = rows if mode == "complete" else torch.sym_min(rows, columns)
    batch = x.shape[:-2]
    empty = q.new_empty(0) if mode == "r" else q.new_empty((*batch, rows, kept))
    return empty, r.new_empty((*batch, kept, columns))


def _svd(
    x: torch.Tensor,
    full_matrices: bool = False,
    compute_uv: bool = True,
    *,
    driver: str | None = None,
) -> tuple[torch.Tensor, ...]:
    u, s, vh = aten._linalg_svd.default(_one_number(x), full_matrices, compute_uv, driver=driver)
    rows, columns = x.shape[-2:]
    batch, kept = x.shape[:-2], torch.sym_min(rows, columns)
    values = s.new_empty((*batch, kept))
    if not compute_uv:
        return u.new_empty(0), values, vh.new_empty(0)
    left = u.new_empty((*batch, rows, rows if full_matrices else kept))
    return left, values, vh.new_empty((*batch, columns if full_matrices else kept, columns))


def _geqrf(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """PyTorch has none at all."""
    number = _one_number(x)
    aten.linalg_qr.default(number)  # it takes the same
    tau = number.new_empty((*x.shape[:-2], torch.sym_min(*x.shape[-2:])))
    return number.new_empty(x.shape), tau


FAKE_MATRICES: dict[torch._ops.OpOverload, Callable[..., Value]] = {
    aten.geqrf.default: _geqrf,
    aten.linalg_qr.default: _qr,
    aten._linalg_svd.default: _svd,
}
