"""Numbers that a branch only chooses between are selected outside of it.

Requires: nothing beyond a captured graph.
Does: where both ways of a branch give a number (bool, int, float) that they did not compute (a
constant, or one of the operands), a selection between the two takes its place. The flags that
`break`, `return` and `any` leave behind are of this kind, and TensorRT does not take an If that
yields constants in a loop.
Ensures: the outputs are the same; such results of branches are unused.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.editing import call, innermost_first, parts, replace_item, results
from fxexport.graph.ops import branch

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Takes such results out of all branches, in place."""
    for module in innermost_first(graph):
        for node in list(module.graph.nodes):
            if node.target is branch:
                _select_outside(module, node)
        module.recompile()
    return graph


def _select_outside(module: fx.GraphModule, node: fx.Node) -> None:
    condition, operands = node.args[0], node.args[3]
    then, other = (
        [_outside(result, places, operands) for result in results(body)]
        for body, places in parts(module, node)
    )
    for k, val in enumerate(node.meta["val"]):
        first, second = then[k], other[k]
        if isinstance(val, torch.Tensor) or first is None or second is None:
            continue
        (a,), (b,) = first, second
        value = a
        if not _same(a, b):
            value = call(node.next, scalars.select, condition, a, b, val=val, like=node)
        replace_item(node, k, value)


def _outside(result: Any, places: list[fx.Node], operands: Any) -> tuple[Any] | None:
    """A body's result as a value outside of it; None when the body computes it."""
    if not isinstance(result, fx.Node):
        return (result,)
    if result.op != "placeholder":
        return None
    value = operands[places.index(result)]
    if isinstance(value, fx.Node) and isinstance(value.meta.get("val"), torch.Tensor):
        return None
    return (value,)


def _same(a: Any, b: Any) -> bool:
    return a is b or (not isinstance(a, fx.Node) and type(a) is type(b) and a == b)
