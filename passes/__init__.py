"""Rewrites of the branch-preserving graph, one a file.

A pass is a module with a function ``run(graph: CapturedGraph) -> CapturedGraph``. Its docstring
states what it requires, does and ensures. A target lists its passes; `run_passes` runs them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from fxexport.graph import CapturedGraph

__all__ = ["Pass", "run_passes"]


class Pass(Protocol):
    """A rewrite of the graph: a module of this package, or any object with a `run`."""

    def run(self, graph: CapturedGraph, /) -> CapturedGraph:
        """The rewritten graph; it may be the one that was given, changed in place."""


def run_passes(graph: CapturedGraph, passes: Iterable[Pass]) -> CapturedGraph:
    """Runs passes in order."""
    for each in passes:
        graph = each.run(graph)
    return graph
