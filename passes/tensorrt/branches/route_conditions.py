"""Branches that hang on branches are decided by a condition from a loop of one iteration.

Requires: nothing beyond a captured graph.
Does: where a graph has no loop at all but a branch inside a branch, or a branch that the result of
another one decides (`torch.equal`, whose answer is a branch on the sizes), its condition, in the
former case the outer one, passes through a loop of one iteration that changes nothing.
TensorRT compiles graphs with a loop in another way, which takes such branches; without one it fails
("utils.cpp:3613", "ssa.cpp:698"; measured with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same; a graph with such branches has a loop.
"""

from __future__ import annotations

from torch import fx

from fxexport.graph import CapturedGraph, bodies_of
from fxexport.graph.editing import call, item, new_body
from fxexport.graph.marks import HELPER
from fxexport.graph.ops import branch, loop

__all__ = ["condition_to_route", "run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Routes the first such condition of the graph, in place."""
    node = condition_to_route(graph)
    if node is not None:
        _route(graph.module, node)
        graph.module.recompile()
    return graph


def condition_to_route(graph: CapturedGraph) -> fx.Node | None:
    """The branch whose condition is to be routed; None where there is none."""
    if any(node.target is loop for module in graph.graphs() for node in module.graph.nodes):
        return None
    root = graph.module
    for node in root.graph.nodes:
        if node.target is not branch or not isinstance(node.args[0], fx.Node):
            continue
        if _has_branch(root, node) or _hangs_on_branch(node.args[0]):
            return node
    return None


def _has_branch(module: fx.GraphModule, node: fx.Node) -> bool:
    return any(inner.target is branch for b in bodies_of(module, node) for inner in b.graph.nodes)


def _hangs_on_branch(condition: fx.Node) -> bool:
    """Whether a branch's result is among what a condition is computed from."""
    todo, seen = [condition], {condition}
    while todo:
        node = todo.pop()
        if node.target is branch:
            return True
        new = [used for used in node.all_input_nodes if used not in seen]
        seen.update(new)
        todo.extend(new)
    return False


def _route(module: fx.GraphModule, node: fx.Node) -> None:
    condition = node.args[0]
    assert isinstance(condition, fx.Node)
    val = condition.meta["val"]
    body = fx.Graph()
    iteration, value = body.placeholder("trip"), body.placeholder("condition")
    iteration.meta["val"], value.meta["val"] = 0, val
    body.output((True, value))
    named = new_body(module, node, fx.GraphModule({}, body), "once")
    made = call(node, loop, 1, True, named, (condition,), (), val=(val,))
    HELPER.put(made, True)
    node.args = (item(node, made, 0), *node.args[1:])
