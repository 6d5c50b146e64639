"""A branch between a tensor and an empty one becomes a slice.

Requires: nothing beyond a captured graph.
Does: where one way of a branch of the root gives a tensor without rows (`torch.zeros((0, 4))`) and
the other one that can be computed in any case, the latter is computed and cut to no rows where the
former was meant. TensorRT does not take a branch whose result has a size that the data decides.
Ensures: the outputs are the same; such results of the branch are unused.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.editing import call, parts, results
from fxexport.graph.hoisting import behind, hoist, is_harmless, selects
from fxexport.graph.ops import branch

__all__ = ["run"]

aten = torch.ops.aten

_ALL = 2**63 - 1


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites such results of the root's branches, in place."""
    root = graph.module
    for node in list(root.graph.nodes):
        if node.target is branch:
            for k in range(len(node.meta["val"])):
                _cut(root, node, k)
    root.recompile()
    return graph


def _cut(module: fx.GraphModule, node: fx.Node, k: int) -> None:
    sides = parts(module, node)
    given = [results(body)[k] for body, _ in sides]
    shapes = [shape for value in given if (shape := _shape(value)) is not None]
    if len(shapes) != 2:
        return
    empty = next((side for side in (0, 1) if _is_empty(shapes[side], shapes[1 - side])), None)
    if empty is None:
        return
    full = 1 - empty
    result = given[full]
    if result.op == "placeholder":
        operands: Any = node.args[3]
        rows = operands[sides[full][1].index(result)]
    else:
        work = behind(result, lambda n: is_harmless(n) or selects(n))
        if work is None or not (is_harmless(result) or selects(result)):
            return
        hoist(module, node, full, work)
        operands = node.args[3]
        rows = operands[-1]
    condition = node.args[0]
    val = rows.meta["val"]
    # Its own size would be a size that depends on the way taken elsewhere.
    ways = (_ALL, 0) if full == 0 else (0, _ALL)
    count = call(node, scalars.select, condition, *ways, val=val.shape[0])
    for user in list(node.users):
        if user.target is operator.getitem and user.args[1] == k:
            cut = call(user, aten.slice.Tensor, rows, 0, 0, count, val=user.meta["val"])
            user.replace_all_uses_with(cut)
            module.graph.erase_node(user)


def _shape(value: Any) -> list[Any] | None:
    val = value.meta.get("val") if isinstance(value, fx.Node) else None
    return list(val.shape) if isinstance(val, torch.Tensor) and val.ndim else None


def _is_empty(shape: list[Any], other: list[Any]) -> bool:
    """No rows, and else the same sizes as the other tensor, which has a size of its own."""
    return (
        is_concrete_int(shape[0])
        and int(shape[0]) == 0
        and not is_concrete_int(other[0])
        and list(map(str, shape[1:])) == list(map(str, other[1:]))
    )
