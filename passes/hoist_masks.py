"""Selections by a mask leave branches, so that the data decides a size outside of them only.

Requires: nothing beyond a captured graph.
Does: in branches of the root, `x[mask]`, `nonzero`, `masked_select`, and sorting and `topk` (which
need the size of what is left) run before the branch, if what they need is cheap and cannot fail on
the other way. TensorRT takes sizes that the data decides at the top of a graph only.
Ensures: the outputs are the same; selections that need more than that stay where they are.
"""

from __future__ import annotations

import torch
from torch import fx

from fxexport.graph import CapturedGraph
from fxexport.graph.editing import parts
from fxexport.graph.hoisting import behind, hoist, is_harmless, selects
from fxexport.graph.ops import branch

__all__ = ["run"]

aten = torch.ops.aten
_RANKS = (aten.sort.default, aten.sort.stable, aten.argsort.default, aten.topk.default)


def run(graph: CapturedGraph) -> CapturedGraph:
    """Moves such selections out of the root's branches, in place."""
    root = graph.module
    for node in list(root.graph.nodes):
        if node.target is branch:
            for side in (0, 1):
                _hoist_from(root, node, side)
    root.recompile()
    return graph


def _hoist_from(module: fx.GraphModule, node: fx.Node, side: int) -> None:
    body, _ = parts(module, node)[side]
    for inner in [n for n in body.graph.nodes if selects(n) or n.target in _RANKS]:
        work = behind(inner, lambda n: is_harmless(n) or selects(n))
        if work is not None and inner.users and (selects(inner) or is_harmless(inner)):
            hoist(module, node, side, work)
