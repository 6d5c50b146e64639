"""What the report says of guards: what a file takes for granted and does not check."""

from __future__ import annotations

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.guards import message_at
from fxexport.graph.signature import Constraint, DimRange

__all__ = ["unchecked_text"]

_SHOWN = 4


def unchecked_text(graph: CapturedGraph, keeps_ranges: bool) -> str:
    """What a file does not check when it runs, in a sentence; empty where it checks everything.

    Args:
        graph: the graph after all passes.
        keeps_ranges: whether the runtime takes no sizes outside of the dimensions' ranges.
    """
    left = list(graph.unguarded)
    if not graph.guarded:
        ranges = {
            dim.name: dim
            for spec in graph.inputs
            for dim in spec.shape
            if isinstance(dim, DimRange)
        }
        relations = [
            message_at(f"needs {one.text}", one.location)
            for one in graph.constraints
            if not (keeps_ranges and _follows(one, ranges))
        ]
        left = [*relations, *left]
    left = list(dict.fromkeys(left))
    if not left:
        return ""
    more = f"; and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
    return (
        "outside of what is taken for granted the file gives an answer and no error; it does not "
        f"check: {'; '.join(left[:_SHOWN])}{more}"
    )


def _follows(constraint: Constraint, ranges: dict[str, DimRange]) -> bool:
    """Whether a relation of one size seems to hold in all of its range."""
    if len(constraint.names) != 1 or constraint.names[0] not in ranges:
        return False
    (name,) = constraint.names
    dim = ranges[name]
    last = dim.min + 1000 if dim.max is None else dim.max
    tried = [*range(dim.min, min(last, dim.min + 100) + 1), last]
    return all(constraint.holds({name: size}) for size in tried)
