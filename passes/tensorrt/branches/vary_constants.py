"""Numbers that a branch gives without computing them from data are computed on the device.

Requires: nothing beyond a captured graph; to run after loops have been added (`route_conditions`).
Does: in a graph with a loop, a number (bool, int, float) that a path of a branch gives as a
constant or computes from sizes has a zero added to it, which is made of the branch's condition:
that is true on the one path and false on the other. A condition from sizes goes through a TopK for
that. TensorRT fails on numbers that a branch gives in such graphs and that it computed on the host
("myelinTypeNone"; measured with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same; every number that a branch of such a graph gives depends on data.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from fxexport.passes.bounds.device_numbers import from_data, read_on_device
from fxexport.passes.rewriting.visiting import each_branch, some_tensor
from torch import fx
from torch.fx.node import Argument

from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.arguments import operands_of
from fxexport.graph.editing import call, items, new_placeholder, parts, results
from fxexport.graph.ops import loop

__all__ = ["run"]

aten = torch.ops.aten
_NUMBERS = (bool, int, float, torch.SymBool, torch.SymInt, torch.SymFloat)


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites such results of all branches, in place."""
    beside = some_tensor(graph.graphs())
    has_loop = any(n.target is loop for m in graph.graphs() for n in m.graph.nodes)
    if not has_loop or beside is None:
        return graph
    return each_branch(graph, partial(_vary, beside))


def _vary(beside: torch.Tensor, module: fx.GraphModule, node: fx.Node) -> None:
    condition = node.args[0]
    if not isinstance(condition, fx.Node):
        return
    sides = parts(module, node)
    operands = operands_of(node)
    used = sorted({k for k, _ in items(node)})
    found = [
        [k for k in used if _on_host(results(body)[k], placeholders, operands)]
        for body, placeholders in sides
    ]
    if not any(found):
        return
    val = condition.meta["val"]
    if not isinstance(val, torch.Tensor) and not from_data(condition):
        condition, val = read_on_device(node, condition, beside), 0
    node.args = (*node.args[:3], (*operands, condition))
    for side, (body, placeholders) in enumerate(sides):
        placeholder = new_placeholder(
            body.graph, condition.name, val, placeholders[-1] if placeholders else None
        )
        if found[side]:
            known = _Known(body.graph.output_node(), placeholder, holds=side == 0)
            given = results(body)
            for k in found[side]:
                given[k] = known.added_to(given[k])
            body.graph.output_node().args = (tuple(given),)
        body.recompile()


class _Known:
    """A path's condition, whose value is known on that path."""

    def __init__(self, before: fx.Node, placeholder: fx.Node, *, holds: bool) -> None:
        self._before = before
        flag: Any = placeholder
        if isinstance(placeholder.meta["val"], torch.Tensor):
            flag = call(before, aten._local_scalar_dense.default, placeholder, val=True)
        # False on both paths, though TensorRT cannot know.
        self._no = call(before, operator.eq if holds else operator.ne, flag, 0, val=False)

    def added_to(self, result: Argument) -> fx.Node:
        """The same value, which depends on the condition."""
        val = result.meta["val"] if isinstance(result, fx.Node) else result
        number: Any = result
        if isinstance(val, torch.Tensor):
            number = call(self._before, aten._local_scalar_dense.default, result, val=_plain(val))
        kind: Any = val.dtype if isinstance(val, torch.Tensor) else type(val)
        if kind in (bool, torch.SymBool, torch.bool):
            made = call(self._before, scalars.or_, number, self._no, val=True)
        else:
            is_float = kind in (float, torch.SymFloat) or (
                isinstance(kind, torch.dtype) and kind.is_floating_point
            )
            convert = scalars.to_float if is_float else scalars.to_int
            zero = call(self._before, convert, self._no, val=0.0 if is_float else 0)
            made = call(self._before, operator.add, number, zero, val=_plain(val))
        if not isinstance(val, torch.Tensor):
            made.meta["val"] = val
            return made
        tensor = call(self._before, aten.scalar_tensor.default, made, val=val)
        tensor.kwargs = {"dtype": val.dtype, "device": val.device, "pin_memory": False}
        return tensor


def _plain(val: Any) -> Any:
    """Metadata of a number of a tensor's dtype, or of a number."""
    if not isinstance(val, torch.Tensor):
        return val
    if val.dtype == torch.bool:
        return True
    return 0.5 if val.dtype.is_floating_point else 0


def _on_host(result: object, placeholders: list[fx.Node], operands: Sequence[Argument]) -> bool:
    """Whether TensorRT may compute a result on the host: a number that no data decides."""
    if not isinstance(result, fx.Node):
        return isinstance(result, _NUMBERS)
    if result in placeholders:
        outer = operands[placeholders.index(result)]
        if not isinstance(outer, fx.Node):
            return True
        result = outer
    val = result.meta["val"]
    if isinstance(val, torch.Tensor):
        source = result.args[0] if result.target is aten.scalar_tensor.default else None
        return source is not None and not (isinstance(source, fx.Node) and from_data(source))
    return isinstance(val, _NUMBERS) and not from_data(result)
