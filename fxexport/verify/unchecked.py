"""Operators whose result in PyTorch is no reference as it stands.

Some take any values for granted, and give anything on wrong ones. `topk(sorted=False)` gives its
elements in any order; the file has them in order, which is one of those.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload

from fxexport import _torch_compat as compat
from fxexport.graph.captured import CapturedGraph

__all__ = ["checked", "takes_anything", "unordered_nodes"]
# The place of `sorted` in the arguments of topk.
_SORTED = 4

# Their boxes say in the first column which image they lie in; outside of it they read anything.
_BOXES = frozenset(
    f"torchvision::{name}" for name in ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool")
)


def takes_anything(graph: CapturedGraph) -> bool:
    """Whether a graph has an operator that does not look at what it gets."""
    return any(
        isinstance(node.target, OpOverload) and node.target._schema.name in _BOXES
        for module in graph.graphs()
        for node in module.graph.nodes
    )


def unordered_nodes(graph: CapturedGraph) -> list[fx.Node]:
    """The nodes that select elements without an order, `topk(sorted=False)`."""
    return [
        node
        for module in graph.graphs()
        for node in module.graph.nodes
        if _is_unordered(node.target, node.args, node.kwargs)
    ]


def checked(graph: CapturedGraph) -> contextlib.AbstractContextManager[Any]:
    """Inside, such operators give a reference.

    Those that take anything raise an IndexError for values that they have no result for, and a
    selection without an order is in order.
    """
    if takes_anything(graph) or unordered_nodes(graph):
        return _Checks()
    return contextlib.nullcontext()


def _is_unordered(target: Any, args: Any, kwargs: Any) -> bool:
    if not isinstance(target, OpOverload) or target._schema.name != "aten::topk":
        return False
    return not (args[_SORTED] if len(args) > _SORTED else kwargs.get("sorted", True))


class _Checks(compat.UserMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, OpOverload) and func._schema.name in _BOXES:
            _check_boxes(func._schema.name, args[0], args[1])
        if _is_unordered(func, args, kwargs):
            args, kwargs = args[:_SORTED], {**kwargs, "sorted": True}
        return func(*args, **kwargs)


def _check_boxes(name: str, x: torch.Tensor, boxes: torch.Tensor) -> None:
    inside = (boxes[:, 0] >= 0) & (boxes[:, 0] < x.shape[0])
    if not inside.all():
        raise IndexError(f"{name} gets boxes of an image that is none of the {x.shape[0]}")
    if len(boxes) and not x.numel():
        raise IndexError(f"{name} gets boxes of images without pixels")
