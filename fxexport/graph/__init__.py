"""The branch-preserving graph: its data, its own operators, its scalar functions."""

from fxexport.graph.captured import CapturedGraph, bodies_of, source_of
from fxexport.graph.ops import branch, guard, loop
from fxexport.graph.signature import Constraint, DimRange, InputSpec, OutputSpec, Padding, StateSpec

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
    "guard",
    "loop",
    "source_of",
]
