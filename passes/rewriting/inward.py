"""Values of outer graphs in the bodies of branches and loops."""

from __future__ import annotations

from typing import Any

from torch import fx
from torch.fx.node import Argument

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.editing import new_placeholder, parts
from fxexport.graph.ops import branch, loop

__all__ = ["Inward"]


class Inward:
    """Hands values in, through as many bodies as it takes, each once."""

    def __init__(self, graph: CapturedGraph) -> None:
        self._owners: dict[fx.Graph, tuple[fx.GraphModule, fx.Node]] = {}
        self._inside: dict[tuple[fx.Graph, fx.Node], fx.Node] = {}
        self._outside: dict[fx.Node, Argument] = {}
        for module in graph.graphs():
            for node in module.graph.nodes:
                arguments = node.args
                for body, placeholders in parts(module, node):
                    self._owners[body.graph] = module, node
                    unchanged = arguments[3] if node.target is branch else arguments[4]
                    if unchanged:
                        inside = placeholders[-len(unchanged) :]
                        self._outside.update(zip(inside, unchanged, strict=True))

    def bring(self, module: fx.GraphModule, value: Argument) -> Any:
        """A node of an outer graph as a node of this one; numbers are the same everywhere."""
        if not isinstance(value, fx.Node) or value.graph is module.graph:
            return value
        key = module.graph, value
        if key not in self._inside:
            outer, node = self._owners[module.graph]
            self._hand(outer, node, value, self.bring(outer, value))
        return self._inside[key]

    def outermost(self, value: Argument) -> Argument:
        """What was handed in to become a placeholder, followed outward."""
        while isinstance(value, fx.Node) and value in self._outside:
            value = self._outside[value]
        return value

    def owner(self, module: fx.GraphModule) -> tuple[fx.GraphModule, fx.Node] | None:
        """The graph and node that a body belongs to; None for the root."""
        return self._owners.get(module.graph)

    def _hand(self, outer: fx.GraphModule, node: fx.Node, value: fx.Node, given: fx.Node) -> None:
        """Makes a value a further operand of a branch, or a further captured value of a loop."""
        where = 4 if node.target is loop else 3
        unchanged: Any = node.args[where]
        node.args = (*node.args[:where], (*unchanged, given), *node.args[where + 1 :])
        for body, placeholders in parts(outer, node):
            last = placeholders[-1] if placeholders else None
            placeholder = new_placeholder(body.graph, value.name, given.meta["val"], last)
            self._inside[body.graph, value] = placeholder
            self._outside[placeholder] = given
