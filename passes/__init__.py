"""Rewrites of the branch-preserving graph, one a file.

A pass is a module with a function ``run(graph: CapturedGraph) -> CapturedGraph``. Its docstring
states what it requires, does and ensures. A target names its passes; `run_passes` runs them.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from fxexport.graph import CapturedGraph

__all__ = ["run_passes"]


def run_passes(graph: CapturedGraph, names: Sequence[str]) -> CapturedGraph:
    """Runs passes by their module names, in order."""
    for name in names:
        graph = importlib.import_module(f"{__name__}.{name}").run(graph)
    return graph
