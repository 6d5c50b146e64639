"""A copy of the graph in which some decisions are taken by force."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph, bodies_of
from fxexport.graph.editing import replace_uses
from fxexport.graph.ops import branch
from fxexport.verify.forced.controls import BODIES, Path, Switch

__all__ = ["ForcedNodes", "forced_graph"]


@dataclass(frozen=True)
class ForcedNodes:
    """What is forced in a graph.

    Attributes:
        switches: values that decide something, and what they are.
        conditions: branches whose condition alone is forced, and what it is.
        trips: loops, and how many iterations they make.
    """

    switches: Mapping[Switch, bool] = field(default_factory=dict)
    conditions: Mapping[Path, bool] = field(default_factory=dict)
    trips: Mapping[Path, int] = field(default_factory=dict)


def forced_graph(graph: CapturedGraph, forced: ForcedNodes) -> CapturedGraph:
    """The graph with its decisions forced; weights and names of nodes are the same."""
    return dataclasses.replace(graph, module=_forced(graph.module, (), forced))


def _forced(module: fx.GraphModule, path: Path, forced: ForcedNodes) -> fx.GraphModule:
    new = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    output = new.graph_copy(module.graph, copied)
    new.output(output)
    result = fx.GraphModule(module, new)
    for old, node in copied.items():
        bodies = bodies_of(module, old)
        here = (*path, old.name)
        if bodies:
            kind = "branch" if old.target is branch else "loop"
            names = old.args[1:3] if kind == "branch" else old.args[2:3]
            for part, name, body in zip(BODIES[kind], names, bodies, strict=True):
                assert isinstance(name, fx.Node)
                changed = _forced(body, (*here, part), forced)
                if kind == "loop" and here in forced.trips:
                    _go_on(changed)
                setattr(result, str(name.target), changed)
        if here in forced.conditions:
            node.args = (forced.conditions[here], *node.args[1:])
        if here in forced.trips:
            trips = forced.trips[here]
            node.args = (trips, True, *node.args[2:])
    for old, node in copied.items():
        value = forced.switches.get(Switch(path, old.name))
        if value is not None:
            _replace(node, value)
    result.recompile()
    return result


def _go_on(body: fx.GraphModule) -> None:
    """Makes a body go on after each iteration."""
    output = body.graph.output_node()
    results = output.args[0]
    assert isinstance(results, (tuple, list))
    output.args = ((True, *results[1:]),)
    body.recompile()


def _replace(node: fx.Node, value: bool) -> None:
    """Gives all that uses a condition another value."""
    val = node.meta.get("val")
    if not isinstance(val, torch.Tensor) and val is not None:
        replace_uses(node, value)
        return
    where = node
    while where.next.op == "placeholder":
        where = where.next
    options: dict[str, Any] = {"dtype": torch.bool}
    if isinstance(val, torch.Tensor):
        options["device"] = val.device
    with node.graph.inserting_after(where):
        constant = node.graph.call_function(torch.ops.aten.full.default, ([], value), options)
    constant.meta.update(node.meta)
    node.replace_all_uses_with(constant)
