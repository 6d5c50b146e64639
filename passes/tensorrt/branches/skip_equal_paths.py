"""A branch that gives one of its operands on either path is passed by.

Requires: nothing beyond a captured graph.
Does: where both paths of a branch yield the same operand, unchanged or reshaped to the shape that
it has (`if n > 0: x = x.reshape(n, -1)`), that operand replaces the result. TensorRT does not
take sizes that the data decides through such a branch.
Ensures: the outputs are the same; such results of branches are unused.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from fxexport.passes.rewriting.visiting import each_branch
from torch import fx
from torch.fx.node import Argument

from fxexport.graph import CapturedGraph
from fxexport.graph.arguments import node_of, operands_of
from fxexport.graph.editing import parts, replace_item, results

__all__ = ["run"]

aten = torch.ops.aten
_RESHAPES = (aten.reshape.default, aten.view.default, aten._unsafe_view.default)


def run(graph: CapturedGraph) -> CapturedGraph:
    """Passes by such branches, in place."""
    return each_branch(graph, _pass_by)


def _pass_by(module: fx.GraphModule, node: fx.Node) -> None:
    operands = operands_of(node)
    then, other = (
        [_operand(result, placeholders, operands) for result in results(body)]
        for body, placeholders in parts(module, node)
    )
    for k, (first, second) in enumerate(zip(then, other, strict=True)):
        if first is not None and first is second:
            replace_item(node, k, first)


def _operand(
    result: object, placeholders: list[fx.Node], operands: Sequence[Argument]
) -> fx.Node | None:
    """The operand of the branch that a path's result is; None where it is something else."""
    while isinstance(result, fx.Node) and result.target in _RESHAPES and _keeps_shape(result):
        result = result.args[0]
    if not isinstance(result, fx.Node) or result not in placeholders:
        return None
    found = operands[placeholders.index(result)]
    return found if isinstance(found, fx.Node) else None


def _keeps_shape(node: fx.Node) -> bool:
    source = node_of(node.args[0])
    before, after = source.meta["val"], node.meta["val"]
    return [str(size) for size in before.shape] == [str(size) for size in after.shape]
