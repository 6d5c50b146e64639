"""Loops without a bound on their iterations get that of the user, and say when it was reached.

Requires: bounds that follow from the model to be there already (`bound_trips`).
Does: where the export was given `max_trips`, a loop without a bound that fills a list, collects
rows or changes the size of a tensor makes at most that many iterations. It carries whether it would
go on; through all bodies around it that becomes one more output, `max_trips.exceeded`. The
locations of such loops are in `graph.capped`.
Ensures: the outputs are the same while `max_trips.exceeded` is False.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx
from torch.fx.node import Argument

from fxexport.graph import CapturedGraph, OutputSpec, scalars, source_of
from fxexport.graph.arguments import Number, carried_of
from fxexport.graph.editing import (
    call,
    innermost_first,
    item,
    items,
    new_placeholder,
    parts,
    results,
)
from fxexport.graph.ops import branch, loop
from fxexport.graph.sequences import SequenceVal

__all__ = ["run"]

_NAME = "max_trips.exceeded"


def run(graph: CapturedGraph) -> CapturedGraph:
    """Caps such loops, in place."""
    if graph.max_trips is None:
        return graph
    owners: dict[fx.Graph, tuple[fx.GraphModule, fx.Node]] = {}
    for module in graph.graphs():
        for node in module.graph.nodes:
            for body, _ in parts(module, node):
                owners[body.graph] = module, node
    flags = []
    for module in innermost_first(graph):
        for node in list(module.graph.nodes):
            if node.target is loop and node.args[0] is None and _needs_bound(module, node):
                graph.capped.append(source_of(node))
                flags.append(_outward(module, _cap(module, node, graph.max_trips), owners))
    if flags:
        _add_output(graph, flags)
    for module in graph.graphs():
        module.recompile()
    return graph


def _needs_bound(module: fx.GraphModule, node: fx.Node) -> bool:
    """Whether TensorRT needs to know how much space a loop's results take."""
    carried = carried_of(node)
    if len(node.meta["val"]) > len(carried):
        return True
    ((_, inputs),) = parts(module, node)
    return any(
        isinstance(placeholder.meta.get("val"), SequenceVal) or _shape(start) != _shape(placeholder)
        for start, placeholder in zip(carried, inputs[1 : 1 + len(carried)], strict=True)
    )


def _shape(value: object) -> Any:
    val = value.meta.get("val") if isinstance(value, fx.Node) else None
    return tuple(map(str, val.shape)) if isinstance(val, torch.Tensor) else ()


def _cap(module: fx.GraphModule, node: fx.Node, most: int) -> fx.Node:
    """Bounds a loop; returns the number that says whether it would have gone on."""
    ((body, _),) = parts(module, node)
    output = body.graph.output_node()
    going = _as_number(output, results(body)[0])
    first = _as_number(node, node.args[1])
    node.args = (most, *node.args[1:])
    return _carry(module, node, first, going)


def _as_number(before: fx.Node, condition: Argument) -> Any:
    if isinstance(condition, bool):
        return condition
    return call(before, scalars.to_bool, condition, val=True)


def _carry(
    module: fx.GraphModule, node: fx.Node, first: Number, after: Any, either: bool = False
) -> fx.Node:
    """Makes a loop carry one more flag; returns the flag after the loop.

    Args:
        module: the graph that the loop is in.
        node: the loop.
        first: the flag before the loop.
        after: the flag after an iteration.
        either: whether it stays set once it is.
    """
    ((body, placeholders),) = parts(module, node)
    carried = carried_of(node)
    number = len(carried)
    placeholder = new_placeholder(body.graph, "exceeded", True, placeholders[number])
    output = body.graph.output_node()
    if either:
        after = call(output, scalars.or_, placeholder, after, val=True)
    given = results(body)
    output.args = ((*given[: 1 + number], after, *given[1 + number :]),)
    for k, user in list(items(node)):
        if k >= number:
            user.args = (node, k + 1)
    node.args = (*node.args[:3], (*carried, first), *node.args[4:])
    vals = node.meta["val"]
    node.meta["val"] = (*vals[:number], True, *vals[number:])
    return item(node.next, node, number)


def _outward(
    module: fx.GraphModule, flag: fx.Node, owners: dict[fx.Graph, tuple[fx.GraphModule, fx.Node]]
) -> fx.Node:
    """A flag of a body as one of the root: set where it was in any iteration, on the path taken."""
    if module.graph not in owners:
        return flag
    outer, node = owners[module.graph]
    if node.target is loop:
        return _outward(outer, _carry(outer, node, False, flag, either=True), owners)
    assert node.target is branch
    for body, _ in parts(outer, node):
        mine = flag if body.graph is module.graph else False
        body.graph.output_node().args = ((*results(body), mine),)
    node.meta["val"] = (*node.meta["val"], True)
    return _outward(outer, item(node.next, node, len(node.meta["val"]) - 1), owners)


def _add_output(graph: CapturedGraph, flags: list[fx.Node]) -> None:
    """One output behind the model's own: whether any of the loops was cut short."""
    end = graph.module.graph.output_node()
    flag = flags[0]
    for other in flags[1:]:
        flag = call(end, scalars.or_, flag, other, val=True)
    taken = {spec.name for spec in (*graph.inputs, *graph.outputs)}  # type: ignore[attr-defined]
    names = (f"{_NAME}_{k}" if k else _NAME for k in range(len(taken) + 1))
    name = next(name for name in names if name not in taken)
    own = len(graph.outputs) - len(graph.state)
    spec = OutputSpec(name, "bool", exceeded=True)
    graph.outputs = [*graph.outputs[:own], spec, *graph.outputs[own:]]
    values = results(graph.module)
    end.args = ((*values[:own], flag, *values[own:]),)
