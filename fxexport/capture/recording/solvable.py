"""What factorisations need of the numbers of a matrix: LAPACK gives up where they are NaN."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fxexport.capture.recording.types import OpArgs, OpKwargs

__all__ = ["solvable"]


def solvable(
    func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs
) -> tuple[Tensor, str] | None:
    """A condition on the data, bool[], without which PyTorch raises, and what it says.

    It is computed with the operators of the program.
    """
    rule = _RULES.get(func._schema.name)
    return None if rule is None else rule(*args, **kwargs)


def _svd(x: Tensor, *_: object, **__: object) -> tuple[Tensor, str]:
    return ~x.isnan().any(), "no number is NaN that torch.linalg.svd is given"


def _eigh(x: Tensor, UPLO: str = "L", *_: object, **__: object) -> tuple[Tensor, str]:
    """In the triangle that is read; of a matrix of one number, NaN is the eigenvalue."""
    read = x.tril() if UPLO.upper() == "L" else x.triu()
    holds = ~read.isnan().any()
    size = x.shape[-1]
    if not isinstance(size, int):
        holds = holds | (torch.scalar_tensor(size, dtype=torch.int64) == 1)
    elif size == 1:
        holds = torch.ones((), dtype=torch.bool)
    return holds, "no number is NaN that torch.linalg.eigh is given"


_RULES: dict[str, Callable[..., tuple[Tensor, str]]] = {
    "aten::_linalg_svd": _svd,
    "aten::_linalg_eigh": _eigh,
}
