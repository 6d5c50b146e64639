"""How many iterations a loop can make, by the contract of the file."""

from __future__ import annotations

from collections.abc import Iterator

import sympy
import torch
from torch import fx

from fxexport import _torch_compat as compat
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.signature import DimRange
from fxexport.verify.forced.controls import Control

__all__ = ["PossibleTrips", "dynamic_sizes"]

_Range = tuple[int | None, int | None]


def dynamic_sizes(graph: CapturedGraph) -> Iterator[tuple[sympy.Basic, DimRange]]:
    """The expression of each dynamic size of an input, and its dimension."""
    placeholders = list(graph.module.graph.find_nodes(op="placeholder"))
    for node, spec in zip(placeholders, graph.inputs, strict=True):
        val = node.meta.get("val")
        if not isinstance(val, torch.Tensor):
            continue
        for size, dim in zip(val.shape, spec.shape, strict=False):
            if isinstance(dim, DimRange) and isinstance(size, torch.SymInt):
                yield compat.raw_expression(size), dim


class PossibleTrips:
    """Bounds of the trips of a graph's loops, from the ranges of its inputs' sizes."""

    def __init__(self, graph: CapturedGraph) -> None:
        self._ranges: dict[sympy.Symbol, _Range] = {}
        for size, dim in dynamic_sizes(graph):
            if isinstance(size, sympy.Symbol):
                self._ranges.setdefault(size, (dim.min, dim.max))

    def of(self, control: Control) -> tuple[int, int | None]:
        """The least and the largest number of iterations; None where nothing bounds it."""
        count, going = control.node.args[:2]
        least, most = self._bounds(count)
        if going is not True:
            least = 0
        elif not _goes_on(control):
            least = min(least, 1)
        return least, most

    def _bounds(self, count: object) -> tuple[int, int | None]:
        if count is None:
            return 1, None
        if isinstance(count, int):
            return count, count
        val = count.meta.get("val") if isinstance(count, fx.Node) else None
        if not isinstance(val, torch.SymInt):
            return 0, None
        expr = compat.raw_expression(val)
        if not expr.free_symbols <= self._ranges.keys():
            return 0, None
        low, high = compat.bounds_within(expr, self._ranges)
        return max(0, int(low) if low is not None else 0), None if high is None else int(high)


def _goes_on(control: Control) -> bool:
    """Whether a loop's body never ends it."""
    body = getattr(control.module, str(control.node.args[2].target))  # type: ignore[union-attr]
    results = body.graph.output_node().args[0]
    return results[0] is True
