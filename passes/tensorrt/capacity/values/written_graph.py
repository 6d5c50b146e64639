"""The graphs that are written anew, with open tensors in them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from fxexport.passes.tensorrt.capacity.values.open_tensors import Open, Operand, Target
from torch import fx
from torch.fx.node import Argument

from fxexport.graph.arguments import Number
from fxexport.graph.editing import new_placeholder

__all__ = ["WrittenGraph"]


class WrittenGraph:
    """One graph that is being written: the root before the outermost node, or a new body."""

    def __init__(
        self,
        graph: fx.Graph,
        parent: WrittenGraph | None = None,
        before: fx.Node | None = None,
        owner: torch.nn.Module | None = None,
    ) -> None:
        self.graph = graph
        self.parent = parent
        self.owner = owner or torch.nn.Module()  # holds the bodies
        self.given: list[tuple[fx.Node, fx.Node]] = []  # what is captured, and its placeholder
        self._before = before
        self._last: fx.Node | None = None
        self._brought: dict[fx.Node, fx.Node] = {}
        self.memo: dict[object, fx.Node] = {}

    def emit(
        self, target: Target, args: Sequence[Argument], val: object, like: fx.Node | None
    ) -> fx.Node:
        """A new call at the end of what is written so far."""
        assert not isinstance(target, str)
        if self._before is not None:
            with self.graph.inserting_before(self._before):
                node = self.graph.call_function(target, tuple(args))
        else:
            node = self.graph.call_function(target, tuple(args))
        node.meta["val"] = val
        for key in ("source", "module"):
            if like is not None and key in like.meta:
                node.meta[key] = like.meta[key]
        return node

    def get_attr(self, name: str) -> fx.Node:
        """The node that names a body."""
        if self._before is not None:
            with self.graph.inserting_before(self._before):
                return self.graph.get_attr(name)
        return self.graph.get_attr(name)

    def placeholder(self, name: str, val: object) -> fx.Node:
        """A further input of a body, behind those that it has."""
        self._last = new_placeholder(self.graph, name, val, self._last)
        return self._last

    def bring(self, value: Operand) -> Operand:
        """A value of the parent's graph in this one: captured, once."""
        if isinstance(value, Open):
            counts = {d: self.bring_number(n) for d, n in value.counts.items()}
            return Open(self.bring_node(value.node), counts, value.capacities)
        return self.bring_node(value) if isinstance(value, fx.Node) else value

    def bring_node(self, value: fx.Node) -> fx.Node:
        """`bring`, for a node."""
        if value not in self._brought:
            placeholder = self.placeholder(value.name, value.meta["val"])
            self._brought[value] = placeholder
            self.given.append((value, placeholder))
        return self._brought[value]

    def bring_number(self, value: Number) -> Number:
        """`bring`, for a number."""
        return self.bring_node(value) if isinstance(value, fx.Node) else value

    def from_root(self, value: fx.Node) -> fx.Node:
        """A node of the root's graph in this one."""
        return value if self.parent is None else self.bring_node(self.parent.from_root(value))

    def source_of(self, node: fx.Node) -> fx.Node | None:
        """What a captured value is in the parent's graph; None for others."""
        return next((value for value, placeholder in self.given if placeholder is node), None)

    def module(self) -> fx.GraphModule:
        """What was written, as a body."""
        return fx.GraphModule(self.owner, self.graph)
