"""The branch-preserving graph: its data, its two operators, its scalar functions."""

from fxexport.graph.captured import (
    CapturedGraph,
    Constraint,
    DimRange,
    InputSpec,
    OutputSpec,
    Padding,
    StateSpec,
    bodies_of,
    source_of,
)
from fxexport.graph.ops import branch, loop

__all__ = [
    "CapturedGraph",
    "Constraint",
    "DimRange",
    "InputSpec",
    "OutputSpec",
    "Padding",
    "StateSpec",
    "bodies_of",
    "branch",
    "loop",
    "source_of",
]
