"""Loops in loops that start by a carried number stop inside of their bodies instead.

Requires: nothing beyond a captured graph; to run after loops have left branches.
Does: where the trip count or the first condition of a loop in a loop's body is computed from a
number that the outer loop carries, and that comes of the inner loop (how many beams there are), the
inner loop has no bound of its own: its body is a branch on the true count, behind which it stops.
TensorRT takes such a loop for an "illegal cycle in network" (measured with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same; loops with rows that they stack stay.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from fxexport.passes.rewriting.visiting import each_loop
from torch import fx

from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.editing import call, item, new_body, new_placeholder, parts, results
from fxexport.graph.marks import HELPER
from fxexport.graph.ops import branch, loop

__all__ = ["run"]

aten = torch.ops.aten

_MANY = 2**30
"""More iterations than any loop makes. 2**31 - 1 would be no bound to TensorRT, which then has no
iteration number."""


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites such loops everywhere, in place."""
    return each_loop(graph, _visit)


def _visit(module: fx.GraphModule, node: fx.Node) -> None:
    ((body, placeholders),) = parts(module, node)
    count = len(node.args[3])  # type: ignore[arg-type]
    carried = [
        (placeholder, given)
        for placeholder, given in zip(placeholders[1 : 1 + count], results(body)[1:], strict=False)
        if isinstance(given, fx.Node) and not isinstance(placeholder.meta.get("val"), torch.Tensor)
    ]
    for inner in [n for n in body.graph.nodes if n.target is loop]:
        starts = {known for arg in inner.args[:2] for known in _behind(arg)}
        cycle = any(
            placeholder in starts and inner in _behind(given) for placeholder, given in carried
        )
        if cycle and not _stacks(body, inner):
            _fix(body, inner)
    body.recompile()


def _stacks(module: fx.GraphModule, node: fx.Node) -> bool:
    ((body, _),) = parts(module, node)
    return len(results(body)) - 1 > len(node.args[3])  # type: ignore[arg-type]


def _behind(number: object) -> set[fx.Node]:
    """What a number is computed from; what only gives its size does not count."""
    seen = {number} if isinstance(number, fx.Node) else set()
    todo = list(seen)
    while todo:
        node = todo.pop()
        if node.target is aten.sym_size.int:
            continue
        new = [used for used in node.all_input_nodes if used not in seen]
        seen.update(new)
        todo.extend(new)
    return seen


def _fix(module: fx.GraphModule, node: fx.Node) -> None:
    """Gives a loop a start that the outer loop does not change."""
    trip_count, condition, _, carried, captured, *rest = node.args
    assert isinstance(carried, (tuple, list)) and isinstance(captured, (tuple, list))
    ((body, placeholders),) = parts(module, node)
    count = len(carried)
    inside, idle = fx.GraphModule({}, fx.Graph()), fx.Graph()
    made, kept = (_same_placeholders(graph, placeholders) for graph in (inside.graph, idle))
    start: dict[fx.Node, fx.Node] = {}
    for value in (trip_count, condition):
        if isinstance(value, fx.Node) and value not in start:
            after = next(reversed([*made, *start.values()]))
            start[value] = new_placeholder(inside.graph, value.name, value.meta["val"], after)
    idle.output((False, *kept[1 : 1 + count]))
    output = inside.graph.output((True,))
    output.meta["source"] = node.meta.get("source", ())
    going: Any = True
    if trip_count is not None:
        limit = start.get(trip_count, trip_count)  # type: ignore[arg-type]
        going = call(output, operator.lt, made[0], limit, val=True, like=node)
    if isinstance(condition, fx.Node):
        later = call(output, operator.gt, made[0], 0, val=True, like=node)
        first = call(output, scalars.or_, later, start[condition], val=True, like=node)
        going = call(output, scalars.and_, going, first, val=True, like=node)
    paths = [
        new_body(inside, output, path, name)
        for path, name in ((body, "in_trips"), (fx.GraphModule({}, idle), "past_trips"))
    ]
    vals = (True, *(p.meta["val"] for p in placeholders[1 : 1 + count]))
    result = call(output, branch, going, *paths, tuple(made), val=vals, like=node)
    HELPER.put(result, True)
    output.args = (tuple(item(output, result, k) for k in range(1 + count)),)
    inside.recompile()
    fixed = new_body(module, node, inside, "fixed_start")
    most = trip_count if isinstance(trip_count, int) else _MANY
    node.args = (most, True, fixed, carried, (*captured, *start), *rest)


def _same_placeholders(graph: fx.Graph, placeholders: list[fx.Node]) -> list[fx.Node]:
    """The placeholders of one body in another."""
    made: list[fx.Node] = []
    for placeholder in placeholders:
        after = made[-1] if made else None
        made.append(new_placeholder(graph, str(placeholder.target), placeholder.meta["val"], after))
        made[-1].meta.update(placeholder.meta)
    return made
