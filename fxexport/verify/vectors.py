"""Eigenvectors and singular vectors, which are defined up to a sign, or a rotation among equals.

PyTorch's and the file's may both be right and differ. So PyTorch's model runs once more with the
vectors that the file's own form of the operator gives, once these are found to be vectors of that
matrix: all that follows from them is then compared as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, fx

from fxexport import _torch_compat as compat
from fxexport.errors import FxExportError
from fxexport.graph.captured import CapturedGraph
from fxexport.verify.own_form import OwnForms
from fxexport.verify.tolerance import tolerance_for

__all__ = ["UNDEFINED_SIGNS", "vector_nodes", "with_file_vectors"]

_T = TypeVar("_T")

UNDEFINED_SIGNS = (
    "nothing defines the signs of eigenvectors and singular vectors: PyTorch's results were "
    "computed again with those that the file finds, which are vectors of the same matrices"
)


def with_file_vectors(run: Callable[[], _T], seconds: float | None = None) -> _T | None:
    """What a model gives where its factorisations give the vectors that files have.

    Args:
        run: runs it in PyTorch.
        seconds: how long the file's form of one may run.

    Returns:
        None where it met none, or what the file has for one are no vectors of its matrix.
    """
    mode = _FileVectors(seconds)
    try:
        with mode:
            result = run()
    except Exception:  # of the form, or of the model
        return None
    return result if mode.used else None


class _FileVectors(compat.ProgramMode):
    """Inside, factorisations give the vectors of their form in files.

    Attributes:
        used: whether any did.
    """

    supports_higher_order_operators = True

    def __init__(self, seconds: float | None) -> None:
        super().__init__()
        self.used = False
        self._forms = OwnForms(seconds)

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        rule = _rule(func)
        if rule is None or not isinstance(result, tuple) or not args[0].dtype.is_floating_point:
            return result
        values, holds = rule
        if all(x.numel() == 0 for k, x in enumerate(result) if k != values):
            return result
        assert isinstance(func, torch._ops.OpOverload)
        with compat.no_dispatch_modes():
            own = self._forms(func, args, kwargs, result)
            own[values] = result[values]
            if not holds(args, kwargs, own):
                raise FxExportError(f"what the file has for {func} does not give its vectors")
        self.used = True
        return tuple(own)


def vector_nodes(graph: CapturedGraph) -> list[fx.Node]:
    """The factorisations of a graph that give vectors."""
    return [
        node
        for module in graph.graphs()
        for node in module.graph.nodes
        if node.op == "call_function" and _rule(node.target) is not None
    ]


def _symmetric_holds(args: Sequence[Any], kwargs: dict[str, Any], own: Sequence[Tensor]) -> bool:
    """A V = V diag(w), and V is orthogonal."""
    x = args[0]
    lower = (args[1] if len(args) > 1 else kwargs.get("UPLO", "L")).upper() == "L"
    half = (x.tril() if lower else x.triu()).double()
    matrix = half + half.mT - torch.diag_embed(half.diagonal(dim1=-2, dim2=-1))
    values, vectors = (value.double() for value in own)
    scale = values.abs().amax(-1)[..., None, None]
    return _near(x, matrix @ vectors, vectors * values.unsqueeze(-2), scale) and _orthonormal(
        x, vectors
    )


def _singular_holds(args: Sequence[Any], kwargs: dict[str, Any], own: Sequence[Tensor]) -> bool:
    """A = U diag(s) V^T, and both are orthogonal."""
    x = args[0]
    u, values, vh = (value.double() for value in own)
    number = values.shape[-1]
    product = (u[..., :number] * values.unsqueeze(-2)) @ vh[..., :number, :]
    scale = torch.nn.functional.pad(values, (0, 1)).amax(-1)[..., None, None]
    return _near(x, x.double(), product, scale) and _orthonormal(x, u) and _orthonormal(x, vh.mT)


def _orthonormal(given: Tensor, columns: Tensor) -> bool:
    unit = torch.eye(columns.shape[-1], dtype=columns.dtype, device=columns.device)
    return _near(given, columns.mT @ columns, unit, torch.ones((), dtype=columns.dtype))


def _near(given: Tensor, a: Tensor, b: Tensor, scale: Tensor) -> bool:
    """Whether two matrices are the same beside a scale, as far as a dtype goes."""
    return bool(((a - b).abs() <= tolerance_for(given.dtype, None).scaled * scale).all())


_Rule = tuple[int, Callable[[Sequence[Any], dict[str, Any], Sequence[Tensor]], bool]]

# The result that is no vectors, and whether others are vectors.
_RULES: dict[str, _Rule] = {
    "aten::_linalg_eigh": (0, _symmetric_holds),
    "aten::_linalg_svd": (1, _singular_holds),
}


def _rule(func: object) -> _Rule | None:
    return _RULES.get(func._schema.name) if isinstance(func, torch._ops.OpOverload) else None
