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
from fxexport.graph.paths import BODIES, Path
from fxexport.verify.forced.controls import Switch

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

    def places(self) -> list[Path]:
        """The graphs in which something is forced."""
        nodes = (*self.conditions, *self.trips)
        return [*(switch.module for switch in self.switches), *(node[:-1] for node in nodes)]


def forced_graph(graph: CapturedGraph, forced: ForcedNodes) -> CapturedGraph:
    """The graph with its decisions forced; weights and names of nodes are the same."""
    return dataclasses.replace(graph, module=_forced(graph.module, (), forced))


def _forced(
    module: fx.GraphModule, path: Path, forced: ForcedNodes, *, again: bool = False
) -> fx.GraphModule:
    """A graph with what is forced in it; the graph itself where nothing is.

    Args:
        module: the graph.
        path: where it is.
        forced: what is forced.
        again: whether it is the body of a loop that goes on after each iteration.
    """
    if not again and not any(place[: len(path)] == path for place in forced.places()):
        return module
    new = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    results = new.graph_copy(module.graph, copied)
    if again:
        assert isinstance(results, (tuple, list))
        results = (True, *results[1:])
    new.output(results)
    changed: dict[str, fx.GraphModule] = {}
    for old, node in copied.items():
        here = (*path, old.name)
        bodies = bodies_of(module, old)
        names = old.args[1:3] if old.target is branch else old.args[2:3]
        kind = "branch" if old.target is branch else "loop"
        for part, name, body in zip(BODIES[kind], names, bodies, strict=False):
            assert isinstance(name, fx.Node)
            goes_on = here in forced.trips
            changed[str(name.target)] = _forced(body, (*here, part), forced, again=goes_on)
        if here in forced.conditions:
            node.args = (forced.conditions[here], *node.args[1:])
        if here in forced.trips:
            node.args = (forced.trips[here], True, *node.args[2:])
        value = forced.switches.get(Switch(path, old.name))
        if value is not None:
            _replace(node, value)
    # Its code is generated here, once: it must be changed before.
    made = fx.GraphModule(module, new)
    for attribute, body in changed.items():
        setattr(made, attribute, body)
    return made


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
