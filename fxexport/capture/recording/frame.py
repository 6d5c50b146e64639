"""A graph that is being written, and how to take back what has been written into it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import sympy
import torch
from torch import fx

from fxexport.graph.sequences import SequenceVal
from fxexport.graph.unranked import UnrankedVal

__all__ = ["Frame"]

# A node, or what makes it when it is needed.
_Source = fx.Node | Callable[[], fx.Node]
_TABLES = ("tensors", "captures", "symbols", "expressions")


_GraphValue = torch.Tensor | SequenceVal | UnrankedVal


@dataclass
class Frame:
    """A graph that is being written.

    Attributes:
        graph: the nodes so far.
        parent: the frame around it, None for the root.
        tensors: fake tensor or sequence -> its node here, by identity (it is kept alive).
        captures: node of the parent -> placeholder for it here.
        symbols: symbol -> node or function that makes its node here.
        expressions: nodes made for expressions of sizes.
        bodies: the graphs inside it by the name of the node for each.
    """

    graph: fx.Graph
    parent: Frame | None
    tensors: dict[int, tuple[torch.Tensor | SequenceVal | UnrankedVal, fx.Node]] = field(
        default_factory=dict
    )
    captures: dict[fx.Node, fx.Node] = field(default_factory=dict)
    symbols: dict[sympy.Basic, _Source] = field(default_factory=dict)
    expressions: dict[sympy.Basic, _Source] = field(default_factory=dict)
    bodies: dict[str, fx.GraphModule] = field(default_factory=dict)

    def savepoint(self) -> Callable[[], None]:
        """Returns a function that forgets all that is recorded here from now on.

        Weights stay: whoever meets one of them again is given what stands for it.
        """
        last = next(iter(reversed(self.graph.nodes)), None)
        tables = {name: dict(getattr(self, name)) for name in _TABLES}

        def undo() -> None:
            new = list(itertools.takewhile(lambda n: n is not last, reversed(self.graph.nodes)))
            # What a body takes from outside it stands in front of its other nodes.
            new += [node for outer, node in self.captures.items() if outer not in captured]
            weights = {node for node in new if "weight" in node.meta}
            for node in dict.fromkeys(new):
                if node not in weights:
                    self.graph.erase_node(node)
            kept = {key: held for key, held in self.tensors.items() if held[1] in weights}
            for name, table in tables.items():
                setattr(self, name, dict(table))
            self.tensors.update(kept)

        captured = tables["captures"]
        return undo
