"""Calls in a row: the file with state is run step by step beside PyTorch, each on its own state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.complex_values import as_real
from fxexport.graph.values import Eager
from fxexport.verify.cases import Case
from fxexport.verify.reference import copy_of

__all__ = ["StepByStep", "step_inputs"]

_CALLS = 6


def step_inputs(user: Sequence[Case], made: Iterator[Case], own: int) -> list[list[Eager]]:
    """The inputs of calls in a row, without state: the user's in turn, then made ones.

    Args:
        user: the example and the check inputs.
        made: cases of the example's sizes and other values.
        own: how many of the inputs are no state.
    """
    steps = [list(case.inputs[:own]) for case in user]
    while len(steps) < _CALLS // 2 and user:
        steps.append(list(user[len(steps) % len(user)].inputs[:own]))
    for case in made:
        if len(steps) >= _CALLS:
            break
        steps.append(list(case.inputs[:own]))
    return steps


class StepByStep:
    """What each side has kept from the calls so far."""

    def __init__(self, graph: CapturedGraph) -> None:
        self._count = len(graph.state)
        self.file: list[Eager] = [copy_of(as_real(entry.initial)) for entry in graph.state]
        self.eager: list[Eager] = [copy_of(as_real(entry.initial)) for entry in graph.state]

    def keep(self, expected: Sequence[Eager], got: Sequence[Eager]) -> None:
        """Takes the state out of the outputs of one call on each side."""
        self.eager = list(expected[-self._count :])
        self.file = list(got[-self._count :])
