"""Loops in branches run before the branch, and make no trip where the branch is not taken.

Requires: nothing beyond a captured graph.
Does: a loop of a branch's body moves out of the branch; its condition then is the branch's and its
own. What it starts from moves along, if that is cheap and cannot fail on the other way.
TensorRT does not take a branch in a loop in a branch, nor some values that such loops capture.
Ensures: the outputs are the same; loops that start from more than that stay where they are.
"""

from __future__ import annotations

from typing import Any

from torch import fx

from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.editing import call, innermost_first, parts
from fxexport.graph.hoisting import behind, hoist, idle_way, is_harmless
from fxexport.graph.ops import branch, loop

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Moves such loops out of all branches, innermost first, in place."""
    for module in innermost_first(graph):
        for node in list(module.graph.nodes):
            if node.target is branch:
                for side in (0, 1):
                    _hoist_from(module, node, side)
        module.recompile()
    return graph


def _hoist_from(module: fx.GraphModule, node: fx.Node, side: int) -> None:
    body, _ = parts(module, node)[side]
    for inner in [n for n in body.graph.nodes if n.target is loop]:
        work = behind(inner, lambda n: is_harmless(n) or _waits(body, n))
        if work is not None:
            taken = _taken(node, side)
            hoist(module, node, side, work, lambda made, on=taken: _guard(made, on))  # type: ignore[misc]


def _waits(body: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is a branch that need not run: `n > 1 and x[1] > 0`."""
    return node.target is branch and idle_way(body, node) is not None


def _taken(node: fx.Node, side: int) -> Any:
    """Whether the side is taken."""
    condition: Any = node.args[0]
    if side == 0:
        return condition
    if isinstance(condition, bool):
        return not condition
    return call(node, scalars.not_, condition, val=True)


def _guard(made: fx.Node, taken: Any) -> None:
    own: Any = made.args[1]
    condition = taken
    if own is not True:
        condition = call(made, scalars.and_, taken, own, val=True)
    made.args = (made.args[0], condition, *made.args[2:])
