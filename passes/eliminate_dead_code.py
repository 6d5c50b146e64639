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
from collections.abc import Container
from typing import Any

from torch import fx
from torch.fx.node import Argument

from fxexport.graph import CapturedGraph, bodies_of
from fxexport.graph.arguments import captured_of, carried_of, operands_of
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


def _used_outputs(node: fx.Node, alive: Container[fx.Node] | None = None) -> set[int]:
    """Which results of a node (live) users take; all where it is used whole."""
    used: set[int] = set()
    for user in node.users:
        if alive is not None and user not in alive:
            continue
        if user.target is not operator.getitem:
            return set(range(len(node.meta["val"])))
        used.add(user.args[1])  # type: ignore[arg-type]
    return used


def _renumber(node: fx.Node, kept: list[int]) -> None:
    """Adapts the uses of a node's results after some were dropped."""
    index = {old: new for new, old in enumerate(kept)}
    for user in list(node.users):
        if user.target is operator.getitem:
            user.args = (node, index[user.args[1]])  # type: ignore[index]
    node.meta["val"] = tuple(node.meta["val"][k] for k in kept)


def _shrink_branch(module: fx.GraphModule, node: fx.Node) -> None:
    kept = sorted(_used_outputs(node))
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
    used = _used_outputs(node)
    live = _live_carried(body, len(carried), used)
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


def _live_carried(body: fx.GraphModule, count: int, outputs: set[int]) -> set[int]:
    """Carried values that reach a used result, the condition or a scan, in any iteration."""
    live = {k for k in outputs if k < count}
    while True:
        reached = _placeholders_behind(body, {0, *(k + 1 for k in outputs | live)})
        more = {k for k in range(count) if k + 1 in reached} | live
        if more == live:
            return live
        live = more


def _placeholders_behind(body: fx.GraphModule, outputs: set[int]) -> set[int]:
    """Numbers of the placeholders that some results of a body, or its guards, depend on.

    A branch or loop in the body counts result by result, as what only goes through it is as dead
    as what goes past it.
    """
    results: Any = body.graph.output_node().args[0]
    alive = {results[k] for k in outputs if isinstance(results[k], fx.Node)}
    alive.update(node for node in body.graph.nodes if has_effect(body, node))
    for node in reversed(list(body.graph.nodes)):
        if node not in alive:
            continue
        if node.target is branch:
            alive.update(_nodes_in(_behind_branch(body, node, _used_outputs(node, alive))))
        elif node.target is loop:
            alive.update(_nodes_in(_behind_loop(body, node, _used_outputs(node, alive))))
        else:
            alive.update(node.all_input_nodes)
    placeholders = body.graph.find_nodes(op="placeholder")
    return {k for k, node in enumerate(placeholders) if node in alive}


def _behind_branch(module: fx.GraphModule, node: fx.Node, used: set[int]) -> list[Any]:
    """The arguments that some results of a branch depend on."""
    operands = operands_of(node)
    needed = {k for body in bodies_of(module, node) for k in _placeholders_behind(body, used)}
    return [node.args[0], *(operands[k] for k in needed)]


def _behind_loop(module: fx.GraphModule, node: fx.Node, used: set[int]) -> list[Any]:
    """The arguments that some results of a loop depend on."""
    (body,) = bodies_of(module, node)
    carried = carried_of(node)
    captured = captured_of(node)
    shapes: Any = node.args[5] if len(node.args) > 5 else ()
    live = _live_carried(body, len(carried), used)
    reached = _placeholders_behind(body, {0, *(k + 1 for k in used | live)})
    return [
        *node.args[:2],
        *(carried[k] for k in live),
        *(value for k, value in enumerate(captured, 1 + len(carried)) if k in reached),
        *(shapes[k - len(carried)] for k in used if k >= len(carried)),
    ]


def _nodes_in(arguments: Argument) -> set[fx.Node]:
    found: set[fx.Node] = set()
    fx.map_arg(arguments, found.add)
    return found


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
