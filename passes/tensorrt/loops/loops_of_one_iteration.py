"""Loops that never go round again become branches.

Requires: nothing beyond a captured graph.
Does: a loop whose body always ends it (`while c: ...; return y`), and that collects no rows,
becomes a branch between its body and passing on what it carries.
Ensures: the outputs are the same.
"""

from __future__ import annotations

import operator
from typing import Any

from fxexport.passes.rewriting.visiting import each_loop
from torch import fx

from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.arguments import carried_of
from fxexport.graph.editing import call, new_body, parts, replace_uses, results
from fxexport.graph.ops import branch

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites such loops, in place."""
    return each_loop(graph, _become_branch)


def _ends(module: fx.GraphModule, node: fx.Node) -> bool:
    carried = carried_of(node)
    ((body, _),) = parts(module, node)
    decided = isinstance(node.args[0], fx.Node) or isinstance(node.args[1], fx.Node)
    return results(body)[0] is False and len(node.meta["val"]) == len(carried) and decided


def _become_branch(module: fx.GraphModule, node: fx.Node) -> None:
    if not _ends(module, node):
        return
    trip_count, condition, named, carried, captured, *_ = node.args
    assert isinstance(carried, (tuple, list)) and isinstance(captured, (tuple, list))
    ((body, placeholders),) = parts(module, node)
    taken: Any = condition
    if trip_count is not None:
        taken = call(node, operator.gt, trip_count, 0, val=True)
        if condition is not True:
            taken = call(node, scalars.and_, taken, condition, val=True)
    replace_uses(placeholders[0], 0)
    body.graph.output_node().args = (tuple(results(body)[1:]),)
    body.graph.erase_node(placeholders[0])
    body.recompile()
    other = fx.Graph()
    passed = [other.placeholder(placeholder.name) for placeholder in placeholders[1:]]
    for new, old in zip(passed, placeholders[1:], strict=True):
        new.meta.update(old.meta)
    other.output(tuple(passed[: len(carried)]))
    named_other = new_body(module, node, fx.GraphModule({}, other), "otherwise")
    made = call(
        node,
        branch,
        taken,
        named,
        named_other,
        (*carried, *captured),
        val=node.meta["val"],
    )
    node.replace_all_uses_with(made)
    module.graph.erase_node(node)
