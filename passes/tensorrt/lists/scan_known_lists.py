"""Turns lists into scan outputs, as `scan_lists`, where TensorRT knows how many rows there are.

Requires: as `scan_lists`.
Does: as `scan_lists`, for loops whose trip count the inputs' sizes decide, and that never stop
early, or stop early at the root and fill a list that is only joined and read. TensorRT takes sizes
that the data decides at the root alone; other lists are left, to become buffers.
Ensures: as `scan_lists`.
"""

from __future__ import annotations

from typing import Any

from fxexport.passes import scan_lists
from fxexport.passes.bounds.size_bounds import SizeBounds
from torch import fx

from fxexport.graph import CapturedGraph
from fxexport.graph.editing import parts, results

__all__ = ["run"]


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites such loops of the graph in place and returns it."""
    bounds = SizeBounds(graph)

    def is_known(module: fx.GraphModule, node: fx.Node, plain: bool) -> bool:
        trip_count: Any = node.args[0]
        size = trip_count.meta["val"] if isinstance(trip_count, fx.Node) else trip_count
        if size is None or bounds.from_data(size):
            return False
        ((body, _),) = parts(module, node)
        always = node.args[1] is True and results(body)[0] is True
        return always or (plain and module is graph.module)

    return scan_lists.scan(graph, is_known)
