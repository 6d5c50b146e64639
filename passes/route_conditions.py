"""Branches in branches are decided by a condition that went through a loop of one trip.

Requires: nothing beyond a captured graph.
Does: where a graph has no loop at all but a branch inside a branch, the outer condition passes
through a loop of one trip that changes nothing.
TensorRT compiles graphs with a loop in another way, which takes such branches; without one it fails
("utils.cpp:3613"; measured with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same; a graph with such branches has a loop.
"""

from __future__ import annotations

from torch import fx

from fxexport.graph import CapturedGraph, bodies_of
from fxexport.graph.editing import call, item, new_body
from fxexport.graph.ops import branch, loop

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Routes the first such condition of the graph, in place."""
    if any(node.target is loop for module in graph.graphs() for node in module.graph.nodes):
        return graph
    root = graph.module
    for node in list(root.graph.nodes):
        if node.target is branch and isinstance(node.args[0], fx.Node) and _has_branch(root, node):
            _route(root, node)
            break
    root.recompile()
    return graph


def _has_branch(module: fx.GraphModule, node: fx.Node) -> bool:
    return any(inner.target is branch for b in bodies_of(module, node) for inner in b.graph.nodes)


def _route(module: fx.GraphModule, node: fx.Node) -> None:
    condition = node.args[0]
    assert isinstance(condition, fx.Node)
    val = condition.meta["val"]
    body = fx.Graph()
    trip, value = body.placeholder("trip"), body.placeholder("condition")
    trip.meta["val"], value.meta["val"] = 0, val
    body.output((True, value))
    named = new_body(module, node, fx.GraphModule({}, body), "once")
    made = call(node, loop, 1, True, named, (condition,), (), val=(val,))
    node.args = (item(node, made, 0), *node.args[1:])
