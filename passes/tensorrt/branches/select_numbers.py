"""Numbers that a branch only chooses between are selected outside of it.

Requires: nothing beyond a captured graph.
Does: where both paths of a branch give a number (bool, int, float, or a tensor of rank 0) that they
did not compute (a constant, or one of the operands), a selection between the two replaces it;
so it does where what they computed is a few numbers, cheap, and cannot fail. The flags that
`break`, `return` and `any` leave behind and the two sides of `or` are of this kind; TensorRT does
not take an If that yields constants in a loop.
Ensures: the outputs are the same; such results of branches are unused.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from fxexport.passes.rewriting.hoisting import behind, hoist, is_harmless
from fxexport.passes.rewriting.visiting import each_branch
from torch import fx
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside
from fxexport.graph import CapturedGraph, scalars, source_of
from fxexport.graph.arguments import operands_of
from fxexport.graph.editing import call, parts, replace_item, results

__all__ = ["run"]

_FEW = 12
"""Nodes that are rather computed in any case than branched around."""


def run(graph: CapturedGraph) -> CapturedGraph:
    """Takes such results out of all branches, in place."""

    def take_out(module: fx.GraphModule, node: fx.Node) -> None:
        _compute_outside(module, node)
        if _select_outside(module, node):
            graph.selected.append(source_of(node))

    return each_branch(graph, take_out)


def _compute_outside(module: fx.GraphModule, node: fx.Node) -> None:
    """Moves work on a few numbers out of the branch."""
    for side, (body, _) in enumerate(parts(module, node)):
        for result in results(body):
            if not isinstance(result, fx.Node) or result.op == "placeholder":
                continue
            work = behind(result, _is_number_work)
            if work is not None and len(work) <= _FEW and _is_number_work(result):
                hoist(module, node, side, work)


def _is_number_work(node: fx.Node) -> bool:
    val = node.meta.get("val")
    picks = node.target is torch.ops.aten.select.int  # `x[1, 2]` on the way to a number
    small = picks or not isinstance(val, torch.Tensor) or val.ndim == 0
    return node.op == "placeholder" or (small and is_harmless(node) and node.op != "get_attr")


def _select_outside(module: fx.GraphModule, node: fx.Node) -> bool:
    """Takes the results that the branch chooses between out of it; whether any is selected."""
    selected = False
    operands = operands_of(node)
    then, other = (
        [_outside(result, placeholders, operands) for result in results(body)]
        for body, placeholders in parts(module, node)
    )
    for k, val in enumerate(node.meta["val"]):
        first, second = then[k], other[k]
        if first is None or second is None:
            continue
        (a,), (b,) = first, second
        value = a
        if not _same(a, b):
            value = _selection(node, a, b, val)
            selected = True
        replace_item(node, k, value)
    return selected


def _selection(node: fx.Node, a: Argument, b: Argument, val: object) -> fx.Node:
    """A selection right behind the branch, by its condition."""
    condition = node.args[0]
    if not isinstance(val, torch.Tensor):
        return call(node.next, scalars.select, condition, a, b, val=val, like=node)
    chosen = call(node.next, torch.ops.aten.where.self, condition, a, b, val=val, like=node)
    test = condition.meta["val"] if isinstance(condition, fx.Node) else condition
    if not isinstance(test, torch.Tensor) or test.ndim:
        flag = call(chosen, scalars.to_bool, condition, val=True)
        kind = fake_beside(val, ()).to(torch.bool)
        tensor = call(chosen, torch.ops.aten.scalar_tensor.default, flag, val=kind)
        tensor.kwargs = {"dtype": torch.bool, "device": val.device, "pin_memory": False}
        chosen.args = (tensor, a, b)
    return chosen


def _outside(
    result: Argument, placeholders: list[fx.Node], operands: Sequence[Argument]
) -> tuple[Argument] | None:
    """A body's result as a value outside of it; None when the body computes it."""
    if not isinstance(result, fx.Node):
        return (result,)
    if result.op != "placeholder":
        return None
    value = operands[placeholders.index(result)]
    val = value.meta.get("val") if isinstance(value, fx.Node) else None
    return None if isinstance(val, torch.Tensor) and val.ndim else (value,)


def _same(a: object, b: object) -> bool:
    return a is b or (not isinstance(a, fx.Node) and type(a) is type(b) and a == b)
