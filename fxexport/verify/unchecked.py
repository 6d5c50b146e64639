"""Operators whose result in PyTorch is no reference as it stands.

Some take any values for granted, and give anything on wrong ones. `topk(sorted=False)` gives its
elements in any order; the file has them in order, which is one of those.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload

from fxexport import _torch_compat as compat
from fxexport.graph.captured import CapturedGraph

__all__ = ["GraphChecks", "ReferenceChecks", "checked", "takes_anything", "unordered_nodes"]

# The position of `sorted` in the arguments of topk, of `include_last_offset` in those of bags.
_SORTED, _LAST = 4, 7

# Their boxes say in the first column which image they lie in; outside of it they read anything.
_BOXES = frozenset(
    f"torchvision::{name}" for name in ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool")
)


# Their bags begin at offsets, which they follow wherever these lead.
_BAGS = frozenset(("aten::_embedding_bag", "aten::_embedding_bag_forward_only"))


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


def checked(graph: CapturedGraph) -> contextlib.AbstractContextManager[object]:
    """Inside, such operators give a reference.

    Those that take anything raise an IndexError for values that they have no result for, and a
    selection without an order is in order.
    """
    return GraphChecks(graph)()


class GraphChecks:
    """Around each of many runs of one graph: inside, such operators give a reference."""

    def __init__(self, graph: CapturedGraph) -> None:
        self._wanted = takes_anything(graph) or bool(unordered_nodes(graph))

    def __call__(self) -> contextlib.AbstractContextManager[object]:
        """The checks for one run; see `checked`."""
        return _Checks() if self._wanted else contextlib.nullcontext()


def _is_unordered(target: object, args: Sequence[object], kwargs: Mapping[str, object]) -> bool:
    if not isinstance(target, OpOverload) or target._schema.name != "aten::topk":
        return False
    return not (args[_SORTED] if len(args) > _SORTED else kwargs.get("sorted", True))


class ReferenceChecks:
    """Around each run of the model in PyTorch: checks what its operators take for granted.

    The first run shows whether the model has such an operator; without one, the others go unseen.
    """

    def __init__(self, graph: CapturedGraph) -> None:
        self._mode = _Checks()
        self._wanted = True
        self._always = takes_anything(graph) or bool(unordered_nodes(graph))

    def __call__(self) -> contextlib.AbstractContextManager[object]:
        """The checks for one run."""
        wanted = self._wanted or self._always or self._mode.met
        self._wanted = False
        return self._mode if wanted else contextlib.nullcontext()


class _Checks(compat.ProgramMode):
    # `torch.cond` and kin run as they are, with this mode inside of their branches.
    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.met = False

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if isinstance(func, OpOverload) and func._schema.name in _BOXES | _BAGS:
            self.met = True
            if func._schema.name in _BOXES:
                _check_boxes(func._schema.name, args[0], args[1])
            else:
                _check_bags(args[1], args[2], len(args) > _LAST and bool(args[_LAST]))
        if _is_unordered(func, args, kwargs):
            args, kwargs = args[:_SORTED], {**kwargs, "sorted": True}
        return func(*args, **kwargs)


def _check_bags(indices: torch.Tensor, offsets: torch.Tensor, last: bool) -> None:
    """Bags follow each other from the first index to the last."""
    count = len(indices)
    if last and (not len(offsets) or int(offsets[-1]) != count):
        raise IndexError(f"the last offset of bags is not {count}, the number of indices")
    ends = torch.cat([offsets, offsets.new_full((1,), count)])
    if len(offsets) and (int(offsets[0]) != 0 or bool((ends.diff() < 0).any())):
        raise IndexError("the offsets of bags do not ascend from 0 to the number of indices")


def _check_boxes(name: str, x: torch.Tensor, boxes: torch.Tensor) -> None:
    inside = (boxes[:, 0] >= 0) & (boxes[:, 0] < x.shape[0])
    if not inside.all():
        raise IndexError(f"{name} gets boxes of an image that is none of the {x.shape[0]}")
    if len(boxes) and not x.numel():
        raise IndexError(f"{name} gets boxes of images without pixels")
