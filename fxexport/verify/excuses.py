"""Results that differ although the file is right, since nothing defines them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.values import Eager
from fxexport.report.model import OutputDifference
from fxexport.verify.cases import Case
from fxexport.verify.compare import compare_outputs, largest
from fxexport.verify.reference import EagerModel, copies
from fxexport.verify.stability import is_unstable, random_nodes
from fxexport.verify.ties import trace_ties
from fxexport.verify.tolerance import working_dtype

__all__ = ["Excuses", "draws_numbers"]


def draws_numbers(graph: CapturedGraph) -> bool:
    """Whether a model draws random numbers."""
    return bool(random_nodes(graph))


class Excuses:
    """What excuses a difference: ties, rounding, or results that change from call to call.

    Args:
        graph: what was captured.
        eager: runs the model in PyTorch.
        note: takes a note for the report.
    """

    def __init__(
        self, graph: CapturedGraph, eager: EagerModel, note: Callable[[str], None]
    ) -> None:
        self._graph = graph
        self._eager = eager
        self._note = note
        self._specs = [spec for spec in graph.outputs if spec.of_model]
        self._working = working_dtype(graph)

    def hold(
        self,
        case: Case,
        expected: list[Eager],
        got: list[Eager],
        differences: tuple[OutputDifference, ...],
    ) -> bool:
        """Whether nothing defines the results that differ; noted then."""
        names = ", ".join(d.name for d in differences if not d.ok)
        if len(expected) != len(got) or draws_numbers(self._graph):
            return False
        scale = largest(case.inputs)
        usual = compare_outputs(self._specs, expected, got, self._working, scale)
        if any(u.ok and not d.ok for u, d in zip(usual, differences, strict=True)):
            return False  # rounding alone breaks what the user asked for: that is what was asked
        # First of all: where elements are equal, PyTorch's own choice may change from call to call.
        ties = self._ties_behind(case, expected, got, differences)
        if ties:
            self._note(
                f"{case.label}: {names} not comparable: ties at {'; '.join(ties)} "
                "(equal elements have no defined order)"
            )
            return True
        if self._is_fickle(case, expected):
            return False
        if is_unstable(self._eager, case.inputs, expected, got, differences, self._working):
            self._note(
                f"{case.label}: {names} not compared: PyTorch's own result changes as much when "
                "its inputs change by a rounding error"
            )
            return True
        return False

    def _is_fickle(self, case: Case, expected: list[Eager]) -> bool:
        """Whether PyTorch gives another result on the very same inputs; noted then."""
        try:
            again = self._eager(case.inputs)
        except Exception:  # it did not raise the first time
            return True
        alike = compare_outputs(
            self._specs,
            expected,
            [torch.as_tensor(v) if isinstance(v, (bool, int, float)) else v for v in again],
            self._working,
            largest(case.inputs),
        )
        if all(difference.ok for difference in alike):
            return False
        self._note(
            f"{case.label}: PyTorch gives another result each time on the same inputs, and the "
            "file does not"
        )
        return True

    def _ties_behind(
        self,
        case: Case,
        expected: list[Eager],
        got: list[Eager],
        differences: tuple[OutputDifference, ...],
    ) -> list[str]:
        """The ties that all results that differ hang on; none if one of them hangs on no tie."""
        try:
            traced = [
                result
                for spec, result in zip(
                    self._graph.outputs, trace_ties(self._graph, copies(case.inputs)), strict=True
                )
                if spec.of_model
            ]
        except Exception:  # a graph that fails here is a failure, and is explained as such
            return []
        found: set[str] = set()
        for difference, want, have, result in zip(differences, expected, got, traced, strict=True):
            if difference.ok:
                continue
            shapes = [value.shape for value in (want, have) if isinstance(value, torch.Tensor)]
            ties = result.ties if len(set(shapes)) < 2 else result.shape_ties
            if not ties:
                return []
            found |= ties
        return sorted(found)
