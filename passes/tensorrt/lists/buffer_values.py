"""Numbers and tensors that buffers need, in whatever graph of the model."""

from __future__ import annotations

from collections.abc import Callable

import sympy
import torch
from fxexport.passes.bounds.number_bounds import NumberBounds
from fxexport.passes.rewriting.inward import Inward
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.graph.arguments import Number, Size
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.editing import call

__all__ = ["BufferValues"]

aten = torch.ops.aten


class BufferValues:
    """Computes values in the root and hands them in.

    Attributes:
        numbers: bounds of numbers; its anchor is where nodes of the root go.
    """

    def __init__(self, graph: CapturedGraph, numbers: NumberBounds, inward: Inward) -> None:
        """What it works with.

        Args:
            graph: the graph.
            numbers: bounds of its numbers.
            inward: hands values of outer graphs in.
        """
        self.numbers = numbers
        self._inward = inward
        self._modules = {module.graph: module for module in graph.graphs()}
        self._made: dict[object, fx.Node] = {}

    def number(self, at: fx.Node, expr: sympy.Expr) -> Number:
        """An expression of what the root knows, as a number of the graph of a node."""
        number: Number = self._inward.bring(
            self._modules[at.graph], self.numbers.write(sympy.expand(expr))
        )
        return number

    def root_tensor(
        self, at: fx.Node, key: object, written: Callable[[fx.Node], fx.Node]
    ) -> fx.Node:
        """A tensor that the root makes, once for each key, in the graph of a node.

        Args:
            at: the node.
            key: what tells it from others.
            written: makes it before a node of the root.
        """
        if key not in self._made:
            self._made[key] = written(self.numbers.anchor)
        found: fx.Node = self._inward.bring(self._modules[at.graph], self._made[key])
        return found

    def size(self, at: fx.Node, size: Size) -> Number:
        """The size of an item: from a tensor that has it, here or in a graph around."""
        module, before = self._modules[at.graph], at
        while True:
            found = _measured(module, before, size)
            if found is not None:
                number: Number = self._inward.bring(self._modules[at.graph], found)
                return number
            around = self._inward.owner(module)
            if around is None:
                return self.number(at, self.numbers.size(size).most)
            module, before = around


def _measured(module: fx.GraphModule, before: fx.Node, size: Size) -> fx.Node | None:
    """A size as a number of a graph, from what comes before a node there."""
    for node in module.graph.nodes:
        if node is before:
            break
        val = node.meta.get("val")
        if isinstance(val, torch.SymInt) and str(val) == str(size):
            return node
        if isinstance(val, torch.Tensor) and node.op != "get_attr":
            for dim, there in enumerate(val.shape):
                if str(there) == str(size) and not is_concrete_int(there):
                    return call(before, aten.sym_size.int, node, dim, val=there)
    return None
