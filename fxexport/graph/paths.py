"""Where a branch or loop is in a graph."""

from __future__ import annotations

from torch import fx

from fxexport.graph.captured import bodies_of
from fxexport.graph.ops import branch

__all__ = ["BODIES", "Path", "named_bodies"]

Path = tuple[str, ...]
"""Names of nodes, and between them the bodies they lead into, from the root."""

BODIES = {"branch": ("then", "else"), "loop": ("body",)}
"""The names of the bodies of each kind of node."""


def named_bodies(module: fx.GraphModule, node: fx.Node) -> list[tuple[str, fx.GraphModule]]:
    """The bodies of a branch or loop with their names in a path; [] for any other node."""
    kind = "branch" if node.target is branch else "loop"
    return list(zip(BODIES[kind], bodies_of(module, node), strict=False))
