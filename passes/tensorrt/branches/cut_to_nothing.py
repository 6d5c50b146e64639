"""A branch between a tensor and an empty one becomes a slice.

Requires: nothing beyond a captured graph.
Does: where one path of a branch of the root gives a tensor without rows (`torch.zeros((0, 4))`) and
the other one that can be computed in any case, the latter is computed and cut to no rows where the
former was meant; where the condition itself says that there is nothing (`if n > 0` of tensors with
`n` rows), there is nothing to cut. TensorRT does not take a branch whose result has a size that the
data decides.
Ensures: the outputs are the same; such results of the branch are unused.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from fxexport.passes.bounds.emptiness import NOTHING
from fxexport.passes.rewriting.hoisting import behind, hoist, is_harmless, selects
from fxexport.passes.rewriting.visiting import each_result, on_both_paths
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.arguments import node_of, operands_of
from fxexport.graph.editing import call, parts, replace_item

__all__ = ["run"]

aten = torch.ops.aten

_ALL = 2**63 - 1

_MADE = (aten.zeros.default, aten.empty.memory_format, aten.ones.default, aten.full.default)


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites such results of the root's branches, in place."""
    return each_result(graph, _cut, root_only=True)


def _cut(module: fx.GraphModule, node: fx.Node, k: int) -> None:
    sides = parts(module, node)
    given = on_both_paths(module, node, k)
    shapes = [shape for value in given if (shape := _shape(value)) is not None]
    if len(shapes) != 2:
        return
    empty = next((side for side in (0, 1) if _is_empty(shapes[side], shapes[1 - side])), None)
    nothing = _side_of_nothing(node, sides, given) if empty is None else None
    if empty is None and nothing is None:
        return
    full = 1 - (empty if nothing is None else nothing)  # type: ignore[operator]
    result = given[full]
    if result.op == "placeholder":
        operands: Any = node.args[3]
        rows = operands[sides[full][1].index(result)]
    else:
        last = nothing is not None and _spelled_out(result)
        if not (last or is_harmless(result) or selects(result)):
            return
        work = behind(result, lambda n: is_harmless(n) or selects(n) or (last and n is result))
        if work is None:
            return
        hoist(module, node, full, work)
        operands = node.args[3]
        rows = operands[-1]
    if nothing is not None:
        replace_item(node, k, rows)
        return
    condition = node.args[0]
    val = rows.meta["val"]
    # Its own size would be a size that depends on the path taken elsewhere.
    paths = (_ALL, 0) if full == 0 else (0, _ALL)
    count = call(node, scalars.select, condition, *paths, val=val.shape[0])
    for user in list(node.users):
        if user.target is operator.getitem and user.args[1] == k:
            cut = call(user, aten.slice.Tensor, rows, 0, 0, count, val=user.meta["val"])
            user.replace_all_uses_with(cut)
            module.graph.erase_node(user)


def _shape(value: object) -> list[Any] | None:
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


def _side_of_nothing(node: fx.Node, sides: list[Any], given: list[Any]) -> int | None:
    """The path that is taken where a size is 0 that its result is made with.

    Both results have the same shape, so that the other path's is empty there, too.
    """
    condition: Any = node.args[0]
    if not isinstance(condition, fx.Node) or len(condition.args) != 2:
        return None
    size, number = condition.args
    target = condition.target
    side = NOTHING.get((target, number)) if isinstance(number, int) else None
    if side is None or not isinstance(size, fx.Node):
        return None
    then, other = map(_shape, given)
    made = given[side]
    if list(map(str, then or [])) != list(map(str, other or [])) or made.target not in _MADE:
        return None
    operands = operands_of(node)
    placeholders = [p for p, used in zip(sides[side][1], operands, strict=True) if used is size]
    return side if any(p in made.args[0] for p in placeholders) else None


def _spelled_out(node: fx.Node) -> bool:
    """Whether a reshape keeps the first size and all others are numbers: it fits nothing, too."""
    if node.target is not aten.reshape.default or not isinstance(node.args[1], (list, tuple)):
        return False
    source = node_of(node.args[0])
    before, after = source.meta["val"].shape, node.meta["val"].shape
    if not before or str(before[0]) != str(after[0]) or not all(map(is_concrete_int, after[1:])):
        return False
    if not isinstance(node.args[1][0], fx.Node):
        return False
    node.args = (source, [node.args[1][0], *map(int, after[1:])])
    return True
