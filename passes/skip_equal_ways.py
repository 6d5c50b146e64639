"""A branch that gives one of its operands on either way is passed by.

Requires: nothing beyond a captured graph.
Does: where both ways of a branch yield the same operand, unchanged or reshaped to the shape that
it has (`if n > 0: x = x.reshape(n, -1)`), that operand takes the result's place. TensorRT does not
take sizes that the data decides through such a branch.
Ensures: the outputs are the same; such results of branches are unused.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from fxexport.graph import CapturedGraph
from fxexport.graph.editing import innermost_first, parts, replace_item, results
from fxexport.graph.ops import branch

__all__ = ["run"]

aten = torch.ops.aten
_RESHAPES = (aten.reshape.default, aten.view.default, aten._unsafe_view.default)


def run(graph: CapturedGraph) -> CapturedGraph:
    """Passes by such branches, in place."""
    for module in innermost_first(graph):
        for node in list(module.graph.nodes):
            if node.target is branch:
                _pass_by(module, node)
        module.recompile()
    return graph


def _pass_by(module: fx.GraphModule, node: fx.Node) -> None:
    operands: Any = node.args[3]
    then, other = (
        [_operand(result, places, operands) for result in results(body)]
        for body, places in parts(module, node)
    )
    for k, (first, second) in enumerate(zip(then, other, strict=True)):
        if first is not None and first is second:
            replace_item(node, k, first)


def _operand(result: Any, places: list[fx.Node], operands: Any) -> fx.Node | None:
    """The operand of the branch that a way's result is; None where it is something else."""
    while isinstance(result, fx.Node) and result.target in _RESHAPES and _keeps_shape(result):
        result = result.args[0]
    if not isinstance(result, fx.Node) or result not in places:
        return None
    found = operands[places.index(result)]
    return found if isinstance(found, fx.Node) else None


def _keeps_shape(node: fx.Node) -> bool:
    source: Any = node.args[0]
    before, after = source.meta["val"], node.meta["val"]
    return [str(size) for size in before.shape] == [str(size) for size in after.shape]
