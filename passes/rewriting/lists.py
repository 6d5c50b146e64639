"""The lists of a graph, for passes that write them as tensors."""

from __future__ import annotations

from torch import fx

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS, SequenceVal

__all__ = ["erase_unused_lists", "is_list"]


def is_list(value: object) -> bool:
    """Whether a value is a node that is a sequence."""
    return isinstance(value, fx.Node) and isinstance(value.meta.get("val"), SequenceVal)


def erase_unused_lists(graph: CapturedGraph) -> None:
    """Erases what makes lists that nothing uses."""
    for module in graph.graphs():
        for node in reversed(list(module.graph.nodes)):
            if node.target in SEQUENCE_FUNCTIONS and not node.users:
                module.graph.erase_node(node)
        module.recompile()
