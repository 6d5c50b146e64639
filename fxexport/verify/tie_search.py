"""Searching the inputs of ordering operators for equal elements among what they select."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from fxexport.graph.library_functions import BATCHED_NMS

__all__ = ["tied_results"]

Bound = Mapping[str, Any]


def tied_results(target: object, args: Sequence[object], kwargs: Bound) -> frozenset[int]:
    """Which results of an operator depend on the order of equal elements of its input.

    Args:
        target: any function of a graph.
        args: what it is called with.
        kwargs: likewise.

    Returns:
        Positions of the results that do: indices do, the values at them do not. Empty when the
        operator orders nothing, or met no equal elements.
    """
    if not isinstance(target, torch._ops.OpOverload):
        return frozenset()
    rule = _RULES.get(target.name().removeprefix("aten::").removesuffix(".default"))
    if rule is None:
        return frozenset()
    named: dict[str, Any] = {
        argument.name: args[k]
        if k < len(args)
        else kwargs.get(
            argument.name, argument.default_value if argument.has_default_value() else None
        )
        for k, argument in enumerate(target._schema.arguments)
    }
    ordered: torch.Tensor = named["self"] if "self" in named else named["scores"]
    if ordered.numel() == 0 or not rule(named):
        return frozenset()
    return frozenset([len(target._schema.returns) - 1])


def _neighbours_equal(ordered: torch.Tensor, dim: int) -> bool:
    if ordered.dim() == 0 or ordered.shape[dim] < 2:
        return False
    count = ordered.shape[dim] - 1
    return bool(_same(ordered.narrow(dim, 0, count), ordered.narrow(dim, 1, count)).any())


def _same(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a == b) | ((a != a) & (b != b))


def _sorted(named: Bound) -> bool:
    x, dim = named["self"], named["dim"]
    return not named.get("stable") and _neighbours_equal(x.sort(dim=dim).values, dim)


def _top(named: Bound) -> bool:
    x, dim, k = named["self"], named["dim"], int(named["k"])
    if x.dim() == 0 or k == 0:
        return False
    # One more than is selected: equal elements on the border compete as well.
    more = min(k + 1, x.shape[dim])
    return _neighbours_equal(x.topk(more, dim=dim, largest=named["largest"]).values, dim)


def _several(x: torch.Tensor, chosen: torch.Tensor, dim: int | None) -> bool:
    """Whether what was chosen along a dimension (kept, of size 1) is there more than once."""
    found = _same(x, chosen)
    return bool((found.sum() if dim is None else found.sum(dim)).gt(1).any())


def _extreme(largest: bool) -> Callable[[Bound], bool]:
    def rule(named: Bound) -> bool:
        x, dim = named["self"], named["dim"]
        # The first of equal elements is PyTorch's documented choice. Floats may be equal from
        # rounding alone, and then in PyTorch alone; other dtypes are exact.
        if not x.dtype.is_floating_point or x.dim() == 0:
            return False
        dims = tuple(range(x.dim())) if dim is None else (dim,)
        chosen = x.amax(dims, keepdim=True) if largest else x.amin(dims, keepdim=True)
        return _several(x, chosen, dim)

    return rule


def _kept(result: str) -> Callable[[Bound], bool]:
    def rule(named: Bound) -> bool:
        x, dim = named["self"], named["dim"]
        if x.dim() == 0:
            return False
        first = (int(named["k"]),) if "k" in named else ()
        chosen = getattr(torch, result)(x, *first, dim=dim, keepdim=True).values
        return _several(x, chosen, dim)

    return rule


def _suppressed(space: str, name: str) -> Callable[[Bound], bool]:
    """Boxes of equal scores compete, and torchvision does not say which of them stays.

    A box that does not stay has no say in what does, so only the scores of what stays count.
    """

    def rule(named: Bound) -> bool:
        kept = getattr(getattr(torch.ops, space), name).default(*named.values())
        _, places, counts = named["scores"].unique(return_inverse=True, return_counts=True)
        return bool((counts[places][kept] > 1).any())

    return rule


_RULES: dict[str, Callable[[Bound], bool]] = {
    "sort": _sorted,
    "sort.stable": _sorted,
    "argsort": _sorted,
    "argsort.stable": _sorted,
    "topk": _top,
    "argmax": _extreme(True),
    "argmin": _extreme(False),
    "max.dim": _extreme(True),
    "min.dim": _extreme(False),
    "kthvalue": _kept("kthvalue"),
    "median.dim": _kept("median"),
    "nanmedian.dim": _kept("nanmedian"),
    "mode": _kept("mode"),
    "torchvision::nms": _suppressed("torchvision", "nms"),
    BATCHED_NMS.operator: _suppressed(*BATCHED_NMS.operator.split("::")),
}
