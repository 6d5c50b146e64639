"""Sizes that data decides inside branches become a capacity and a count.

Requires: to run after what can leave a branch has left it (`hoist_masks`, `hoist_branches`,
`hoist_loops`).
Does: what `give_capacity` does, to branches in which elements of tensors still decide a size
(`x[mask]`, `x[:int(n)]`), and to loops that have left a branch.
Ensures: the outputs are the same; data decides sizes at the top level alone, where TensorRT takes
it.
"""

from __future__ import annotations

import torch
from fxexport.passes.tensorrt.capacity.give_capacity import rewrite
from fxexport.passes.tensorrt.capacity.limits.limits import Limits
from fxexport.passes.tensorrt.capacity.rules.writes import puts_by_mask
from fxexport.passes.tensorrt.capacity.values.open_tensors import val_of
from fxexport.passes.tensorrt.capacity.walk import makes_sizes, sizes_of
from torch import fx

from fxexport.graph import CapturedGraph
from fxexport.graph.editing import nodes_inside
from fxexport.graph.ops import loop

__all__ = ["run"]

aten = torch.ops.aten


def run(graph: CapturedGraph) -> CapturedGraph:
    """Writes such branches of the root anew, in place."""
    rewrite(graph, _needs)
    return graph


def _needs(root: fx.GraphModule, node: fx.Node, limits: Limits) -> bool:
    inside = [inner for _, inner in nodes_inside(root, node)]
    if node.target is loop or any(inner.target is loop for inner in inside):
        return any(makes_sizes(inner, limits) for inner in inside)
    return any(_decides(inner, limits) for inner in inside)


def _decides(node: fx.Node, limits: Limits) -> bool:
    """Whether a node gives a size that data decides."""
    if node.op != "call_function":
        return False
    if puts_by_mask(node):
        return True
    if node.target in (aten.slice.Tensor, aten.slice_scatter.default):
        bounds = node.args[2:4] if node.target is aten.slice.Tensor else node.args[3:5]
        if any(b is not None and limits.known.from_data(val_of(b)) for b in bounds):
            return True
    return any(limits.known.from_data(size) for size in sizes_of(node.meta.get("val")))
