"""Selections by a mask leave branches, so that the data decides a size outside of them only.

Requires: nothing beyond a captured graph.
Does: in branches of the root, `x[mask]`, `nonzero`, `masked_select`, and sorting and `topk` (which
need the size of the result) run before the branch, if what they need is cheap and cannot fail on
the other path. TensorRT takes sizes that the data decides at the top of a graph only.
Ensures: the outputs are the same; selections that need more than that stay where they are.
"""

from __future__ import annotations

import torch
from fxexport.passes.rewriting.hoisting import behind, hoist, is_harmless, selects
from fxexport.passes.rewriting.visiting import each_path
from torch import fx

from fxexport.graph import CapturedGraph
from fxexport.graph.editing import parts

__all__ = ["run"]

aten = torch.ops.aten
_RANKS = (aten.sort.default, aten.sort.stable, aten.argsort.default, aten.topk.default)


def run(graph: CapturedGraph) -> CapturedGraph:
    """Moves such selections out of the root's branches, in place."""
    return each_path(graph, _hoist_from, root_only=True)


def _hoist_from(module: fx.GraphModule, node: fx.Node, side: int) -> None:
    body, _ = parts(module, node)[side]
    for inner in [n for n in body.graph.nodes if selects(n) or n.target in _RANKS]:
        work = behind(inner, lambda n: is_harmless(n) or selects(n))
        if work is not None and inner.users and (selects(inner) or is_harmless(inner)):
            hoist(module, node, side, work)
