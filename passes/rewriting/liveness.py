"""What outputs and guards depend on, also inside branches and loops."""

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

__all__ = ["live_carried", "live_nodes", "used_outputs"]


def live_nodes(graph: CapturedGraph) -> set[fx.Node]:
    """The nodes that some output or guard depends on, those of bodies too."""
    walk = _Walk()
    walk.placeholders_behind(graph.module, set(range(len(graph.outputs))))
    return walk.live


def live_carried(body: fx.GraphModule, count: int, outputs: set[int]) -> set[int]:
    """Carried values that reach a used result, the condition or a scan, in any iteration."""
    return _Walk().live_carried(body, count, outputs)


def used_outputs(node: fx.Node, alive: Container[fx.Node] | None = None) -> set[int]:
    """Which results of a node (live) users take; all where it is used whole."""
    used: set[int] = set()
    for user in node.users:
        if alive is not None and user not in alive:
            continue
        if user.target is not operator.getitem:
            return set(range(len(node.meta["val"])))
        used.add(user.args[1])  # type: ignore[arg-type]
    return used


class _Walk:
    """Goes from results back to what they depend on; `live` is all that was met."""

    def __init__(self) -> None:
        self.live: set[fx.Node] = set()

    def live_carried(self, body: fx.GraphModule, count: int, outputs: set[int]) -> set[int]:
        live = {k for k in outputs if k < count}
        while True:
            reached = self.placeholders_behind(body, {0, *(k + 1 for k in outputs | live)})
            more = {k for k in range(count) if k + 1 in reached} | live
            if more == live:
                return live
            live = more

    def placeholders_behind(self, body: fx.GraphModule, outputs: set[int]) -> set[int]:
        """Numbers of the placeholders that some results of a body, or its guards, depend on.

        A branch or loop in the body counts result by result, as what only goes through it is as
        dead as what goes past it.
        """
        results: Any = body.graph.output_node().args[0]
        alive = {results[k] for k in outputs if isinstance(results[k], fx.Node)}
        alive.update(node for node in body.graph.nodes if has_effect(body, node))
        for node in reversed(list(body.graph.nodes)):
            if node not in alive:
                continue
            if node.target is branch:
                behind = self._behind_branch(body, node, used_outputs(node, alive))
                alive.update(_nodes_in(behind))
            elif node.target is loop:
                alive.update(_nodes_in(self._behind_loop(body, node, used_outputs(node, alive))))
            else:
                alive.update(node.all_input_nodes)
        self.live |= alive
        placeholders = body.graph.find_nodes(op="placeholder")
        return {k for k, node in enumerate(placeholders) if node in alive}

    def _behind_branch(self, module: fx.GraphModule, node: fx.Node, used: set[int]) -> list[Any]:
        """The arguments that some results of a branch depend on."""
        operands = operands_of(node)
        bodies = bodies_of(module, node)
        needed = {k for body in bodies for k in self.placeholders_behind(body, used)}
        return [node.args[0], *(operands[k] for k in needed)]

    def _behind_loop(self, module: fx.GraphModule, node: fx.Node, used: set[int]) -> list[Any]:
        """The arguments that some results of a loop depend on."""
        (body,) = bodies_of(module, node)
        carried = carried_of(node)
        captured = captured_of(node)
        shapes: Any = node.args[5] if len(node.args) > 5 else ()
        live = self.live_carried(body, len(carried), used)
        reached = self.placeholders_behind(body, {0, *(k + 1 for k in used | live)})
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
