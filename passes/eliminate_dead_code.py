"""Drops what no output depends on, also inside branches and loops.

Requires: a graph of functional operators.
Does: removes unused nodes; unused outputs of branches; loop-carried values that neither the loop
nor anything after it uses; captured values that no body uses.
Ensures: the outputs are the same; no node has users none of which matter; guards are still there,
with all that their conditions depend on, and so are the branches and loops around them. Random
operators that nobody uses are dropped too.
"""

from __future__ import annotations

import operator
from typing import Any

from fxexport.passes.rewriting.liveness import live_carried, used_outputs
from torch import fx

from fxexport.graph import CapturedGraph, bodies_of
from fxexport.graph.arguments import carried_of, operands_of
from fxexport.graph.guards import has_effect
from fxexport.graph.ops import branch, loop

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Removes dead code from the graph in place and returns it."""
    _clean(graph.module)
    nodes = graph.module.graph.find_nodes(op="get_attr")
    used = {node.meta.get("weight") for node in nodes}
    graph.weights = {name: tensor for name, tensor in graph.weights.items() if name in used}
    return graph


def _clean(module: fx.GraphModule) -> None:
    """One graph: users come after what they use, so one walk from the end does."""
    for node in reversed(list(module.graph.nodes)):
        if node.op in ("placeholder", "output"):
            continue
        if not node.users and not has_effect(module, node):
            module.graph.erase_node(node)
        elif node.target is branch:
            _shrink_branch(module, node)
        elif node.target is loop:
            _shrink_loop(module, node)
    _drop_unused_bodies(module)
    module.recompile()


def _renumber(node: fx.Node, kept: list[int]) -> None:
    """Adapts the uses of a node's results after some were dropped."""
    index = {old: new for new, old in enumerate(kept)}
    for user in list(node.users):
        if user.target is operator.getitem:
            user.args = (node, index[user.args[1]])  # type: ignore[index]
    node.meta["val"] = tuple(node.meta["val"][k] for k in kept)


def _shrink_branch(module: fx.GraphModule, node: fx.Node) -> None:
    kept = sorted(used_outputs(node))
    bodies = bodies_of(module, node)
    for body in bodies:
        _keep_outputs(body, kept)
        _clean(body)
    _renumber(node, kept)
    operands = operands_of(node)
    needed = [
        k for k in range(len(operands)) if any(_placeholder(body, k).users for body in bodies)
    ]
    for body in bodies:
        _keep_placeholders(body, needed)
    node.args = (*node.args[:3], tuple(operands[k] for k in needed))


def _shrink_loop(module: fx.GraphModule, node: fx.Node) -> None:
    (body,) = bodies_of(module, node)
    carried = carried_of(node)
    captured: Any = node.args[4]
    scans = len(node.meta["val"]) - len(carried)
    used = used_outputs(node)
    live = live_carried(body, len(carried), used)
    kept = [
        k for k in range(len(carried) + scans) if k in live or (k in used and k >= len(carried))
    ]
    _keep_outputs(body, [0, *(k + 1 for k in kept)])
    _clean(body)
    keep_carried = [k for k in kept if k < len(carried)]
    offset = 1 + len(carried)
    keep_captured = [k for k in range(len(captured)) if _placeholder(body, offset + k).users]
    _keep_placeholders(
        body, [0, *(k + 1 for k in keep_carried), *(offset + k for k in keep_captured)]
    )
    _renumber(node, kept)
    rest = list(node.args[5:])
    if rest and scans:
        shapes: Any = rest[0]
        rest[0] = tuple(s for k, s in enumerate(shapes) if k + len(carried) in kept)
    node.args = (
        *node.args[:3],
        tuple(carried[k] for k in keep_carried),
        tuple(captured[k] for k in keep_captured),
        *rest,
    )


def _placeholder(body: fx.GraphModule, k: int) -> fx.Node:
    return body.graph.find_nodes(op="placeholder")[k]  # type: ignore[index]


def _keep_outputs(body: fx.GraphModule, kept: list[int]) -> None:
    output = body.graph.output_node()
    results: Any = output.args[0]
    output.args = (tuple(results[k] for k in kept),)


def _keep_placeholders(body: fx.GraphModule, kept: list[int]) -> None:
    for k, node in enumerate(list(body.graph.find_nodes(op="placeholder"))):
        if k not in kept:
            body.graph.erase_node(node)
    body.recompile()


def _drop_unused_bodies(module: fx.GraphModule) -> None:
    """Attributes that no get_attr node names any more."""
    named = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    for name in [*module._modules, *module._buffers, *module._parameters]:
        if name not in named:
            delattr(module, name)
