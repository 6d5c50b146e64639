"""What PyTorch's kernels need of indices, and what they raise for others.

Files need no guard for it: what runs them looks at indices itself. It counts where the program may
catch what is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = ["IndexRule", "index_rule"]

# A condition that must hold, a bool[] or one on sizes, and the class of what is raised otherwise.
Requirement: TypeAlias = tuple["Tensor | bool | torch.SymBool", type[Exception]]
IndexRule: TypeAlias = Callable[..., Iterator[Requirement]]


def index_rule(func: torch._ops.OpOverload) -> IndexRule | None:
    """What an operator needs of its indices: to be called with its arguments.

    The conditions are computed by operators on these.
    """
    return _RULES.get(func._schema.name.removesuffix("_"))


def _inside(indices: Tensor, size: Any, *, from_end: bool = True) -> Tensor:
    """Whether all indices are inside a dimension; `from_end`: whether those below 0 may be."""
    return ((indices < size) & (indices >= (-size if from_end else 0))).all()


def _index(x: Tensor, indices: Sequence[Tensor | None], *_: object, **__: object) -> Any:
    dim = 0
    for one in indices:
        if one is None:
            dim += 1
        elif one.dtype in (torch.bool, torch.uint8):
            dim += one.dim()
        else:
            yield _inside(one, x.shape[dim]), IndexError
            dim += 1


def _along(kind: type[Exception], *, from_end: bool = False) -> IndexRule:
    """Of operators that are given a dimension and indices along it."""

    def rule(x: Tensor, dim: int, index: Tensor, *_: object, **__: object) -> Iterator[Requirement]:
        if x.dim():
            yield _inside(index, x.shape[dim], from_end=from_end), kind

    return rule


def _among_all(x: Tensor, index: Tensor, *_: object, **__: object) -> Iterator[Requirement]:
    yield _inside(index, x.numel()), IndexError


def _rows(weight: Tensor, indices: Tensor, *_: object, **__: object) -> Iterator[Requirement]:
    yield _inside(indices, weight.shape[0], from_end=False), IndexError


def _select(x: Tensor, dim: int, index: Any) -> Iterator[Requirement]:
    size = x.shape[dim]
    yield index < size, IndexError
    yield index >= -size, IndexError


def _select_scatter(x: Tensor, src: Tensor, dim: int, index: Any) -> Iterator[Requirement]:
    return _select(x, dim, index)


_RULES: dict[str, IndexRule] = {
    "aten::index": _index,
    "aten::index_put": _index,
    "aten::_index_put_impl": _index,
    "aten::index_select": _along(IndexError),
    "aten::index_copy": _along(IndexError),
    "aten::index_fill": _along(IndexError, from_end=True),
    "aten::index_add": _along(RuntimeError),
    "aten::index_reduce": _along(IndexError),
    "aten::gather": _along(RuntimeError),
    "aten::scatter": _along(RuntimeError),
    "aten::scatter_add": _along(RuntimeError),
    "aten::scatter_reduce": _along(RuntimeError),
    "aten::embedding": _rows,
    "aten::take": _among_all,
    "aten::put": _among_all,
    "aten::select": _select,
    "aten::select_scatter": _select_scatter,
}
