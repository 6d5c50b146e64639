"""Branches whose result's size depends on the way taken leave the branches around them.

Requires: nothing beyond a captured graph.
Does: a branch in a branch of the root whose two ways give tensors of other sizes runs before the
outer branch, if what it needs is cheap and cannot fail, and one of its ways only passes operands
on: that way is taken where the outer branch goes past it. TensorRT takes results whose size depends
on the way taken at the top of a graph only.
Ensures: the outputs are the same; branches that need more than that stay where they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from fxexport.graph import CapturedGraph
from fxexport.graph.editing import parts, results
from fxexport.graph.hoisting import behind, hoist, idle_way, is_harmless, selects
from fxexport.graph.ops import branch

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Moves such branches out of the root's branches, in place."""
    root = graph.module
    for node in list(root.graph.nodes):
        if node.target is branch:
            for side in (0, 1):
                _hoist_from(root, node, side)
    root.recompile()
    return graph


def _hoist_from(module: fx.GraphModule, node: fx.Node, side: int) -> None:
    body, _ = parts(module, node)[side]
    for inner in [n for n in body.graph.nodes if n.target is branch]:
        work = behind(inner, lambda n: is_harmless(n) or selects(n))
        if work is None or idle_way(body, inner) is None or not _sizes_differ(body, inner):
            continue
        hoist(module, node, side, work)


def _sizes_differ(body: fx.GraphModule, inner: fx.Node) -> bool:
    then, other = (results(way) for way, _ in parts(body, inner))
    return any(_sizes(a) != _sizes(b) for a, b in zip(then, other, strict=True))


def _sizes(result: Any) -> list[str]:
    val = result.meta.get("val") if isinstance(result, fx.Node) else None
    return list(map(str, val.shape)) if isinstance(val, torch.Tensor) else []
