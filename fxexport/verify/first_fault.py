"""Says of the first disagreement of a file where it is."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.values import Eager
from fxexport.report.model import Verification
from fxexport.verify.body_values import FileValues
from fxexport.verify.crashes import where_it_crashes
from fxexport.verify.diagnosis import Diagnosis, diagnose, where_it_runs_on
from fxexport.verify.reference import copies
from fxexport.verify.time_limit import TimeLimit
from fxexport.verify.tolerance import Asked

__all__ = ["FirstFault"]


class FirstFault:
    """Looks for the first disagreement; others often follow from it.

    Args:
        result: what was compared; it gets the place.
        graph: what was captured.
        path: the file.
        working: the coarsest float dtype in the model.
        asked: the tolerances that the user asked for.
        limit: how long a run of the file may take.
        named: whether values in the file have the names of those in the graph.
    """

    def __init__(
        self,
        result: Verification,
        graph: CapturedGraph,
        path: str | os.PathLike[str],
        working: torch.dtype | None,
        asked: Asked,
        limit: TimeLimit,
        named: bool,
    ) -> None:
        self._result = result
        self._graph = graph
        self._path = path
        self._working = working
        self._asked = asked
        self._limit = limit
        self._named = named

    def crash(self, inputs: Sequence[Eager]) -> None:
        """ONNX Runtime dies on inputs: says of which operator."""
        if self._is_first():
            self._say(
                where_it_crashes(self._graph, self._path, copies(inputs), self._limit.seconds)
            )

    def endless(self, inputs: Sequence[Eager]) -> None:
        """The file does not come to its end: says which loop goes on."""
        if not self._is_first() or not self._named:
            return
        given = self._graph.by_name(inputs)
        file = FileValues.of(self._path, given, self._limit.seconds)
        self._say(where_it_runs_on(self._graph, file, inputs, self._working, self._asked))

    def difference(
        self, inputs: Sequence[Eager], expected: Sequence[Eager], *, by_asked_alone: bool = False
    ) -> None:
        """The file gives something else: says from which line on.

        Args:
            inputs: what it is given.
            expected: what PyTorch gives.
            by_asked_alone: whether by the usual tolerances they agree.
        """
        if not self._is_first():
            return
        if by_asked_alone:
            self._result.message += f"; they agree but for what was asked: {self._asked}"
        elif self._named:
            self._say(
                diagnose(
                    self._graph,
                    self._path,
                    copies(inputs),
                    expected,
                    self._working,
                    self._asked,
                    self._limit.seconds,
                )
            )

    def _is_first(self) -> bool:
        return sum(not case.ok for case in self._result.cases) == 1

    def _say(self, found: Diagnosis | None) -> None:
        if found is not None:
            self._result.message += f"; {found.text}"
            self._result.location = found.location
