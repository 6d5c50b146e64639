"""Loops that may stop early count their rows, and the rows are cut to that count.

Requires: nothing beyond a captured graph.
Does: a loop that collects rows and does not always make all its iterations carries one more number,
the iterations that it made; its collected rows are cut to it. A runtime that gives as many rows as
there could have been iterations (TensorRT, without an error) is right then.
Ensures: the outputs are the same; rows of a loop that may stop early are used through that slice
alone.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from fxexport.passes.rewriting.visiting import each_loop
from torch import fx

from fxexport.graph import CapturedGraph
from fxexport.graph.arguments import carried_of
from fxexport.graph.editing import (
    call,
    item,
    items,
    new_placeholder,
    parts,
    results,
)

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Adds counts to such loops, in place."""
    return each_loop(graph, _count)


def _may_stop(module: fx.GraphModule, node: fx.Node) -> bool:
    carried = carried_of(node)
    ((body, _),) = parts(module, node)
    going: Any = results(body)[0]
    collects = len(node.meta["val"]) > len(carried)
    always = going is True and node.args[1] is True and node.args[0] is not None
    return collects and not always


def _count(module: fx.GraphModule, node: fx.Node) -> None:
    if not _may_stop(module, node):
        return
    trip_count, condition, named, carried, captured, *rest = node.args
    assert isinstance(carried, (tuple, list))
    index = len(carried)
    ((body, inputs),) = parts(module, node)
    number = inputs[0].meta["val"]
    count = new_placeholder(body.graph, "rows", number, inputs[index])
    output = body.graph.output_node()
    more = call(output, operator.add, count, 1, val=number, like=node)
    outputs = results(body)
    output.args = ((*outputs[: 1 + index], more, *outputs[1 + index :]),)
    body.recompile()
    vals = node.meta["val"]
    for k, user in list(items(node)):
        if k >= index:
            user.args = (node, k + 1)
    node.args = (trip_count, condition, named, (*carried, 0), captured, *rest)
    rows = vals[index].shape[0]
    node.meta["val"] = (*vals[:index], rows, *vals[index:])
    total = item(node.next, node, index)
    for k, user in list(items(node)):
        if k > index:
            cut = call(
                user.next,
                torch.ops.aten.slice.Tensor,
                user,
                0,
                0,
                total,
                val=user.meta["val"],
                like=node,
            )
            user.replace_all_uses_with(cut)
            cut.args = (user, *cut.args[1:])
