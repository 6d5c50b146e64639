"""Which results hang on the order of equal elements, which nothing defines.

A top-k over scores that saturated has to choose among equal ones, and two right implementations
choose differently. That excuses a difference only where it can come from: the graph is run, each
ordering operator's input is searched for equal elements among what it selects, and what such a
choice reaches (by data, by the condition of a branch or a loop, by a size) is followed to the
outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from fxexport.graph.arguments import operator_name
from fxexport.graph.captured import CapturedGraph, source_of
from fxexport.graph.marked_run import MarkedRun
from fxexport.graph.paths import Path
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS, sequence_length
from fxexport.graph.values import Eager
from fxexport.verify.coverage import MOST_TRIPS, TooManyIterations
from fxexport.verify.tie_search import tied_results
from fxexport.verify.unchecked import checked

__all__ = ["Traced", "trace_ties"]

Lines = frozenset[str]
_NONE: Lines = frozenset()

# Operators that look at the shape of their tensor only.
_SHAPE_ONLY = (
    "sym_size", "sym_numel", "size", "zeros_like", "ones_like", "full_like", "empty_like",
    "new_zeros", "new_ones", "new_full", "new_empty", "rand_like", "randn_like",
)  # fmt: skip


@dataclass(frozen=True)
class Traced:
    """A value, with the ties that it hangs on.

    Attributes:
        value: tensor, scalar, or list of tensors.
        ties: lines of ties that may change its elements.
        shape_ties: those of them that may change its shape, or the length of the list.
    """

    value: Any
    ties: Lines = _NONE
    shape_ties: Lines = _NONE

    def under(self, ties: Lines) -> Traced:
        """The value where those ties decided whether it is computed at all."""
        if not ties:
            return self
        return Traced(self.value, self.ties | ties, self.shape_ties | ties)


def trace_ties(graph: CapturedGraph, inputs: Sequence[Eager]) -> list[Traced]:
    """Runs the graph eagerly; gives its outputs and the ties that each of them hangs on.

    Raises:
        TooManyIterations: its loops seem to have no end.
    """
    with torch.no_grad(), checked(graph):
        return _Run().graph(graph.module, (), [Traced(value) for value in inputs])


class _Run(MarkedRun[Traced]):
    """A run whose values carry ties."""

    def __init__(self) -> None:
        super().__init__(Traced, Traced)
        self._left = MOST_TRIPS

    def iterates(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooManyIterations

    def marked(self, value: Any) -> Traced:
        return Traced(value)

    def called(
        self,
        node: fx.Node,
        arguments: tuple[Sequence[Any], Mapping[str, Any]],
        plain: tuple[Sequence[Any], Mapping[str, Any]],
        result: Any,
    ) -> Any:
        parts = list(pytree.tree_leaves(arguments, is_leaf=self.is_marked))
        ties, shape_ties = _reaching(node.target, [p for p in parts if isinstance(p, Traced)])
        chosen = tied_results(node.target, *plain)
        here = frozenset([_line(node)]) if chosen else _NONE
        # A list of any length is one value.
        if isinstance(result, (tuple, list)) and node.target not in SEQUENCE_FUNCTIONS:
            return [
                Traced(value, ties | here if k in chosen else ties, shape_ties)
                for k, value in enumerate(result)
            ]
        sizing = here if _sized_by_values(node.target) else _NONE
        return Traced(result, ties | here, shape_ties | sizing)

    def branched(self, path: Path, test: Traced, results: list[Traced]) -> list[Traced]:
        return [result.under(test.ties) for result in results]

    def looped(
        self, path: Path, bound: Traced, tests: Sequence[Traced], results: list[Traced]
    ) -> list[Traced]:
        reached = bound.ties.union(*(test.ties for test in tests))
        return [result.under(reached) for result in results]

    def stacked(self, tensor: torch.Tensor, rows: Sequence[Traced]) -> Traced:
        ties = _NONE.union(*(row.ties for row in rows))
        return Traced(tensor, ties, _NONE.union(*(row.shape_ties for row in rows)))


def _reaching(target: Any, parts: Iterable[Traced]) -> tuple[Lines, Lines]:
    """The ties that reach an operator's elements, and its shape, through its arguments."""
    ties, shape_ties = _NONE, _NONE
    for part in parts:
        ties |= part.ties
        # A number may be a size of the result, or a place in a list.
        sized = isinstance(part.value, (torch.Tensor, list))
        shape_ties |= part.shape_ties if sized else part.ties
    if operator_name(target).startswith(_SHAPE_ONLY) or target is sequence_length:
        return shape_ties, shape_ties
    return ties, ties if _sized_by_values(target) else shape_ties


def _sized_by_values(target: Any) -> bool:
    tags = getattr(target, "tags", ())
    return torch.Tag.dynamic_output_shape in tags or operator_name(target).endswith("nms")


def _line(node: fx.Node) -> str:
    source = source_of(node)
    return source.describe() if source is not None else operator_name(node.target)  # type: ignore[arg-type]
