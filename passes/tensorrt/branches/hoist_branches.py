"""Branches whose result's size depends on the path taken leave the branches around them.

Requires: nothing beyond a captured graph.
Does: a branch in a branch of the root whose two paths give tensors of other sizes runs before the
outer branch, if what it needs is cheap and cannot fail, and one of its paths only passes operands
on: that path is taken where the outer branch goes past it. TensorRT takes results whose size
depends on the path taken at the top of a graph only.
Ensures: the outputs are the same; branches that need more than that stay where they are.
"""

from __future__ import annotations

import torch
from fxexport.passes.rewriting.hoisting import behind, hoist, idle_path, is_harmless, selects
from fxexport.passes.rewriting.visiting import each_path
from torch import fx

from fxexport.graph import CapturedGraph
from fxexport.graph.editing import parts, results
from fxexport.graph.ops import branch

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Moves such branches out of the root's branches, in place."""
    return each_path(graph, _hoist_from, root_only=True)


def _hoist_from(module: fx.GraphModule, node: fx.Node, side: int) -> None:
    body, _ = parts(module, node)[side]
    for inner in [n for n in body.graph.nodes if n.target is branch]:
        work = behind(inner, lambda n: is_harmless(n) or selects(n))
        if work is None or idle_path(body, inner) is None or not _sizes_differ(body, inner):
            continue
        hoist(module, node, side, work)


def _sizes_differ(body: fx.GraphModule, inner: fx.Node) -> bool:
    then, other = (results(path) for path, _ in parts(body, inner))
    return any(_sizes(a) != _sizes(b) for a, b in zip(then, other, strict=True))


def _sizes(result: object) -> list[str]:
    val = result.meta.get("val") if isinstance(result, fx.Node) else None
    return list(map(str, val.shape)) if isinstance(val, torch.Tensor) else []
