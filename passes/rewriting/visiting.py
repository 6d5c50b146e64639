"""The walks that passes share: over the branches or loops of a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.editing import innermost_first, parts, results
from fxexport.graph.ops import branch, loop

__all__ = ["each_branch", "each_loop", "each_path", "each_result", "on_both_paths", "some_tensor"]

_Change = Callable[[fx.GraphModule, fx.Node], None]


def each_branch(graph: CapturedGraph, change: _Change, *, root_only: bool = False) -> CapturedGraph:
    """Changes each branch of a graph, innermost first; branches that this adds are left out.

    Args:
        graph: the graph.
        change: is given the graph that a branch is in, and the branch.
        root_only: leaves out the branches in bodies.
    """
    return _each(graph, branch, change, root_only)


def each_loop(graph: CapturedGraph, change: _Change) -> CapturedGraph:
    """Changes each loop of a graph, innermost first; loops that this adds are left out."""
    return _each(graph, loop, change, root_only=False)


def each_path(
    graph: CapturedGraph,
    change: Callable[[fx.GraphModule, fx.Node, int], None],
    *,
    root_only: bool = False,
) -> CapturedGraph:
    """`each_branch`, for both paths of each: 0 where the condition holds, then 1."""

    def change_both(module: fx.GraphModule, node: fx.Node) -> None:
        for side in (0, 1):
            change(module, node, side)

    return each_branch(graph, change_both, root_only=root_only)


def each_result(
    graph: CapturedGraph,
    change: Callable[[fx.GraphModule, fx.Node, int], None],
    *,
    root_only: bool = False,
) -> CapturedGraph:
    """`each_branch`, for each of its results; those that this adds are left out."""

    def change_all(module: fx.GraphModule, node: fx.Node) -> None:
        for k in range(len(node.meta["val"])):
            change(module, node, k)

    return each_branch(graph, change_all, root_only=root_only)


def on_both_paths(module: fx.GraphModule, node: fx.Node, k: int) -> list[Any]:
    """What one result of a branch is on either path: nodes of its bodies, or constants.

    Args:
        module: the graph that the branch is in.
        node: the branch.
        k: which result.
    """
    return [results(body)[k] for body, _ in parts(module, node)]


def some_tensor(modules: Iterable[fx.GraphModule]) -> torch.Tensor | None:
    """The metadata of any tensor of some graphs: its mode and device are those of all."""
    for module in modules:
        for node in module.graph.nodes:
            val = node.meta.get("val")
            for value in val if isinstance(val, (tuple, list)) else (val,):
                if isinstance(value, torch.Tensor):
                    return value
    return None


def _each(
    graph: CapturedGraph, target: Callable[..., object], change: _Change, root_only: bool
) -> CapturedGraph:
    for module in [graph.module] if root_only else innermost_first(graph):
        for node in list(module.graph.nodes):
            if node.target is target:
                change(module, node)
        module.recompile()
    return graph
