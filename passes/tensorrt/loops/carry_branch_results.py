"""Results of branches, and numbers that loops give, enter loops as carried state, not captured.

Requires: nothing beyond a captured graph.
Does: a value that a loop captures and that is the result of a branch, or a number that is the
result of a loop, becomes a carried value that the body hands on unchanged. TensorRT fails on a loop
that captures it ("No nesting relationship"; measured with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same; no loop captures such a value of its own graph.
"""

from __future__ import annotations

import operator

import torch
from fxexport.passes.rewriting.visiting import each_loop
from torch import fx

from fxexport.graph import CapturedGraph
from fxexport.graph.arguments import captured_of, int_of, node_of
from fxexport.graph.editing import new_placeholder, parts, results
from fxexport.graph.ops import branch, loop

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Carries such values through all loops, in place."""
    return each_loop(graph, _carry_all)


def _carry_all(module: fx.GraphModule, node: fx.Node) -> None:
    for value in captured_of(node):
        if isinstance(value, fx.Node) and _is_such(value):
            _carry(module, node, value)


def _is_such(value: object) -> bool:
    if not isinstance(value, fx.Node) or value.target is not operator.getitem:
        return False
    source = node_of(value.args[0])
    is_number = not isinstance(value.meta.get("val"), torch.Tensor)
    return source.target is branch or (source.target is loop and is_number)


def _carry(module: fx.GraphModule, node: fx.Node, value: fx.Node) -> None:
    trip_count, condition, named, carried, captured, *rest = node.args
    assert isinstance(carried, (tuple, list)) and isinstance(captured, (tuple, list))
    ((body, placeholders),) = parts(module, node)
    count, at = len(carried), list(captured).index(value)
    old = placeholders[1 + count + at]
    placeholder = new_placeholder(body.graph, old.name, old.meta["val"], placeholders[count])
    placeholder.meta.update(old.meta)
    old.replace_all_uses_with(placeholder)
    body.graph.erase_node(old)
    given = results(body)
    body.graph.output_node().args = ((*given[: 1 + count], placeholder, *given[1 + count :]),)
    body.recompile()
    node.args = (
        trip_count,
        condition,
        named,
        (*carried, value),
        (*captured[:at], *captured[at + 1 :]),
        *rest,
    )
    vals = node.meta["val"]
    node.meta["val"] = (*vals[:count], value.meta["val"], *vals[count:])
    for user in list(node.users):
        k = int_of(user.args[1])
        if user.target is operator.getitem and k >= count:
            user.args = (node, k + 1)
