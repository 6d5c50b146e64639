"""Drops the guards of a graph, for files that do not check their contract.

Requires: nothing.
Does: removes guards, also inside branches and loops, and notes what they say as unguarded; what
only they used stays, and is dead.
Ensures: there is no guard; the outputs are the same within the contract.
"""

from __future__ import annotations

from fxexport.graph import CapturedGraph, guard

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Removes the guards from the graph in place and returns it."""
    for module in graph.graphs():
        for node in module.graph.find_nodes(op="call_function", target=guard):
            graph.unguarded.append(str(node.args[1]))
            module.graph.erase_node(node)
        module.recompile()
    return graph
