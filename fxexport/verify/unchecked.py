"""Operators that take any values for granted: what PyTorch gives on wrong ones is no reference."""

from __future__ import annotations

import contextlib
from typing import Any

from torch._ops import OpOverload

from fxexport import _torch_compat as compat
from fxexport.graph.captured import CapturedGraph

__all__ = ["checked", "takes_anything"]

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


def checked(graph: CapturedGraph) -> contextlib.AbstractContextManager[Any]:
    """Inside, such an operator raises an IndexError for values that it has no result for."""
    return _Checks() if takes_anything(graph) else contextlib.nullcontext()


class _Checks(compat.UserMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if isinstance(func, OpOverload) and func._schema.name in _BOXES:
            x, boxes = args[0], args[1]
            inside = (boxes[:, 0] >= 0) & (boxes[:, 0] < x.shape[0])
            if not inside.all():
                raise IndexError(
                    f"{func._schema.name} gets boxes of an image that is none of the {x.shape[0]}"
                )
            if len(boxes) and not x.numel():
                raise IndexError(f"{func._schema.name} gets boxes of images without pixels")
        return func(*args, **(kwargs or {}))
