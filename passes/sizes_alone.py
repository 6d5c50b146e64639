"""Writes operators that take a tensor for its sizes alone without it, where these are static.

Requires: nothing.
Does: ``zeros_like(x)`` becomes a tensor of static sizes, and so on; ``copy(x, y)``, what a write
over all of a tensor leaves in it, becomes ``y``, expanded.
Ensures: the outputs are the same; what only said how large something is, is dead code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from fxexport._torch_compat import empty_beside
from fxexport.graph import CapturedGraph
from fxexport.graph.editing import call

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites the graph in place and returns it."""
    for module in graph.graphs():
        for node in list(module.graph.nodes):
            if node.op == "call_function" and _is_static(node):
                _rewrite(node)
        module.recompile()
    return graph


# Value of each element; None for one that is given.
_FILLED: dict[Any, int | None] = {
    aten.zeros_like.default: 0,
    aten.empty_like.default: 0,
    aten.ones_like.default: 1,
    aten.full_like.default: None,
    aten.fill.Scalar: None,
}


def _is_static(node: fx.Node) -> bool:
    val = node.meta.get("val")
    if not isinstance(val, torch.Tensor) or val.is_complex():
        return False
    return all(isinstance(size, int) for size in val.shape)


def _rewrite(node: fx.Node) -> None:
    val = node.meta["val"]
    sizes = list(val.shape)
    if node.target in _FILLED:
        value = _FILLED[node.target]
        node.args = (sizes, node.args[1] if value is None else value)
        node.kwargs = {"dtype": val.dtype}
        node.target = aten.full.default
    elif node.target is aten.copy.default:
        source: Any = node.args[1]
        given = source.meta["val"]
        if given.dtype != val.dtype:
            made = empty_beside(given, given.shape, val.dtype)
            source = call(node, aten._to_copy.default, source, val=made)
            source.kwargs = {"dtype": val.dtype}
        node.args = (source, sizes)
        node.kwargs = {}
        node.target = aten.expand.default
