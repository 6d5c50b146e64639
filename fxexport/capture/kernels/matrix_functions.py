"""Operators of linear algebra written with others: what follows from factors of a matrix.

PyTorch's own code for them asks for sizes as whole numbers, or has no kernel for fake tensors. It
is called with the tensors of the program, so what is checked in it becomes a guard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fxexport import _torch_compat as compat
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["MATRIX_FUNCTIONS"]

_INFINITE = float("inf")


def _first(values: Tensor, otherwise: float = 0.0) -> Tensor:
    """The first of some numbers, as [..., 1]."""
    return torch.nn.functional.pad(values, (0, 1), value=otherwise)[..., :1]


def _last(values: Tensor, otherwise: float = 0.0) -> Tensor:
    return torch.nn.functional.pad(values, (1, 0), value=otherwise)[..., -1:]


def _default_rtol(x: Tensor) -> Tensor:
    """What is small beside the largest singular value, float64[]."""
    size = torch.sym_max(x.shape[-2], x.shape[-1])
    return torch.scalar_tensor(size, dtype=torch.float64) * torch.finfo(x.dtype).eps


def _pinv(
    x: Tensor, *, atol: Tensor | None = None, rtol: Tensor | None = None, hermitian: bool = False
) -> Any:
    """The pseudoinverse: what is below a tolerance counts as 0."""
    if not x.dtype.is_floating_point:
        return NotImplemented
    if rtol is None:
        rtol = _default_rtol(x)
        if atol is not None:
            rtol = torch.where(atol > 0, 0.0, rtol)
    if atol is None:
        atol = torch.zeros((), dtype=torch.float64)
    if hermitian:
        values, left = torch.linalg.eigh(x)
        right, sizes = left.mT, values.abs()
        largest = torch.nn.functional.pad(sizes, (0, 1)).amax(-1, keepdim=True)
    else:
        left, values, right = torch.linalg.svd(x, full_matrices=False)
        sizes, largest = values, _first(values)
    small = torch.maximum(atol.unsqueeze(-1), rtol.unsqueeze(-1) * largest)
    inverses = torch.where(sizes > small, 1 / values, 0.0)
    if hermitian:
        return left @ (inverses.unsqueeze(-1) * right)
    return right.mT @ (inverses.unsqueeze(-1) * left.mT)


def _lstsq(x: Tensor, b: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """The solution of least squares that has the smallest norm, whatever the driver."""
    if not x.dtype.is_floating_point or x.dtype != b.dtype or not 0 <= x.dim() - b.dim() <= 1:
        return NotImplemented
    driver = "gelsy" if driver is None else driver
    rows, columns = x.shape[-2:]
    vector = b.dim() < x.dim()
    right = b.unsqueeze(-1) if vector else b
    torch._check(right.shape[-2] == rows, lambda: "linalg.lstsq: rows of both sides differ")
    u, values, vh = torch.linalg.svd(x, full_matrices=False)
    small = _default_rtol(x).to(x.dtype) if rcond is None else rcond
    if driver == "gels":
        small = 0.0  # it takes the rank for full
    kept = values > small * _first(values)
    rank = kept.sum(-1)
    inverses = torch.where(kept, 1 / values, 0.0)
    solution = (vh.mT * inverses.unsqueeze(-2)) @ (u.mT @ right)
    found = solution.squeeze(-1) if vector else solution
    none = x.new_empty(0)
    if driver == "gelsy":
        # LAPACK looks at nothing where there is no right side.
        return found, none, rank * torch.sym_min(right.shape[-1], 1), none
    residuals = none
    if rows > columns:
        residuals = (right - x @ solution).square().sum(-2)
        if driver == "gels":
            residuals = residuals * torch.sym_min(columns, 1)  # nor this one without columns
        else:
            residuals = _of_full_rank(residuals, rank == columns)
    if driver == "gels":
        compat.LINALG_CHECK((~kept).any(-1).int(), "linalg.lstsq", is_matrix=x.dim() == 2)
        return found, residuals, rank.new_empty(0), none
    return found, residuals, rank, values


def _of_full_rank(residuals: Tensor, full: Tensor) -> Tensor:
    """Residuals; none unless all matrices have full rank."""
    if residuals.dim() > 1:
        raise UnsupportedError(
            "whether there are residuals is decided by the ranks of all matrices with this driver",
            code=Code.NO_ONNX_FORM,
            location=user_location(),
            hint="use the driver gelsy, or gels where the ranks are full",
        )
    return residuals[full.expand(residuals.shape)]


def _cond(x: Tensor, p: float | str | None = None) -> Any:
    """How far apart the largest and the smallest singular value are; 0 of an empty matrix."""
    if x.dim() < 2 or p not in (None, 2, -2):
        return NotImplemented
    values = torch.linalg.svdvals(x)
    if p == -2:
        return (_last(values) / _first(values, _INFINITE)).squeeze(-1)
    return (_first(values) / _last(values, _INFINITE)).squeeze(-1)


def _matrix_norm(
    x: Tensor,
    ord: float,
    dim: tuple[int, int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    """The largest or smallest singular value, or sum of the absolute values of a row or column."""
    if abs(ord) not in (1, 2, _INFINITE) or x.dim() < 2 or len(dim) != 2:
        return NotImplemented
    matrices = torch.movedim(x if dtype is None else x.to(dtype), dim, (-2, -1))
    if abs(ord) == 2:
        values = torch.linalg.svdvals(matrices)
    else:
        values = torch.linalg.vector_norm(matrices, 1, dim=-2 if abs(ord) == 1 else -1)
        if ord > 0:  # of none, it is 0
            values = torch.nn.functional.pad(values, (0, 1))
    found = values.amax(-1) if ord > 0 else values.amin(-1)
    if keepdim:
        for axis in sorted(d % x.dim() for d in dim):
            found = found.unsqueeze(axis)
    return found


def _sqrth(x: Tensor) -> Any:
    """The square root of a symmetric matrix; eigenvalues below 0 count as 0."""
    if not x.dtype.is_floating_point:
        return NotImplemented
    values, vectors = torch.linalg.eigh(x)
    return (vectors * values.clamp(min=0.0).sqrt().unsqueeze(-2)) @ vectors.mT


def _cholesky(x: Tensor, upper: bool = False) -> Any:
    """That of PyTorch before 2.14 raises by itself."""
    factor, info = torch.linalg.cholesky_ex(x, upper=upper)
    compat.LINALG_CHECK(info, "cholesky", is_matrix=x.dim() == 2)
    return factor


def _addmv(x: Tensor, matrix: Tensor, vector: Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    """A product with a vector or one number added to it."""
    if x.dim() > 1 or not x.dtype == matrix.dtype == vector.dtype:
        return NotImplemented
    # Of an empty matrix PyTorch gives one number itself, whatever the rows are.
    filled = matrix.shape[0] * matrix.shape[1] > 0
    size = x.shape[0] if x.dim() else 1
    if not isinstance(size, int):
        torch._check((size != 1) | filled, lambda: "addmv: an empty matrix and one number")
        return NotImplemented
    if size != 1:
        return NotImplemented
    torch._check(filled, lambda: "addmv: an empty matrix and one number")
    product = alpha * (matrix @ vector)
    return product if beta == 0 else product + beta * x


aten = torch.ops.aten
MATRIX_FUNCTIONS: dict[torch._ops.OpOverload, Callable[..., Any]] = {
    operator: function
    for operator, function in (
        (aten.linalg_pinv.atol_rtol_tensor, _pinv),
        (aten.linalg_lstsq.default, _lstsq),
        (aten.addmv.default, _addmv),
        (aten.linalg_cond.default, _cond),
        (aten.linalg_matrix_norm.default, _matrix_norm),
        (compat.OLD_CHOLESKY, _cholesky),
        (compat.overload_named("aten::linalg_matrix_sqrth.default"), _sqrth),  # since 2.14
    )
    if operator is not None
}
"""What to call in place of an operator; where it gives NotImplemented, PyTorch's own is called."""
