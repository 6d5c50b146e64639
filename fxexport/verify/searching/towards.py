"""Inputs moved towards what was not reached, by how far a run was from it.

A run of the graph says by what margin a condition failed, and where that grows as the inputs move.
A step goes as far as would do if all were linear; then it is halved or doubled. Where nothing has
a direction (equal elements, whole numbers) inputs are scaled, turned and shifted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fxexport.graph.arguments import operator_name
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.signature import InputSpec
from fxexport.graph.values import Eager
from fxexport.verify.forced.controls import Reached
from fxexport.verify.searching.margins import SPECIAL, Given, Margins, given_as_it_is, margins_of

__all__ = ["Towards"]

# Runs for each goal from each set of inputs.
_RUNS = 24
# A little more than would just do: what is equal to a threshold does not pass it.
_MORE, _LEAST = 1.001, 1e-5
# No input gets larger than this times the largest one of the start.
_GROWTH = 1e4
_TRIPS = 500


Checks = Callable[[], contextlib.AbstractContextManager[object]]


class _Tried(NamedTuple):
    """Inputs, and what a run on them told."""

    values: list[Eager]
    leaves: dict[int, Tensor]
    margins: Margins


class Towards:
    """Searches inputs of one graph.

    Args:
        graph: what was captured.
        fixed: the numbers of inputs that are left as they are.
        runs: how often the graph may be run in all.
        checks: goes around each run.

    Attributes:
        left: how many runs are left.
    """

    def __init__(
        self, graph: CapturedGraph, fixed: Collection[int], runs: int, checks: Checks
    ) -> None:
        self._graph = graph
        self._movable = [
            k for k, spec in enumerate(graph.inputs) if k not in fixed and _is_movable(spec)
        ]
        self.left = runs
        self._checks = checks
        self._is_special = any(
            operator_name(node.target) in SPECIAL
            for module in graph.graphs()
            for node in module.graph.nodes
        )

    def found(self, goal: Reached, start: Sequence[Eager]) -> list[Eager] | None:
        """Inputs that reach a goal, from others that do not; None where none are found."""
        limit = _GROWTH * max(1.0, _largest(start, self._movable))
        runs = _Runs(self._graph, self._checks, self._movable, min(_RUNS, self.left), limit)
        best = runs.tried(start)
        while best is not None and goal not in best.margins.reached:
            if goal not in best.margins.of:
                best = None  # the run does not come by, or no real number decides it
                break
            best = _along(goal, best, runs) or _aside(goal, best, runs, self._is_special)
        self.left -= runs.made
        return None if best is None else best.values


class _Runs:
    """Runs of the graph, up to a number."""

    def __init__(
        self,
        graph: CapturedGraph,
        checks: Checks,
        movable: Sequence[int],
        most: int,
        limit: float,
    ) -> None:
        self.made = 0
        self._checks = checks
        self._graph = graph
        self._movable = movable
        self._most = most
        self._limit = limit

    def tried(self, values: Sequence[Eager]) -> _Tried | None:
        """Runs the graph; None where it fails, inputs are too large, or there were too many."""
        if self.made >= self._most or _largest(values, self._movable) > self._limit:
            return None
        self.made += 1
        leaves: dict[int, Tensor] = {}
        given: list[Given] = []
        for k, value in enumerate(values):
            if k not in self._movable:
                given.append(given_as_it_is(value))
            elif isinstance(value, Tensor):
                leaves[k] = leaf = value.detach().clone().requires_grad_()
                given.append(Given(leaf, leaf))
            else:
                number = float(value)  # type: ignore[arg-type]
                leaves[k] = torch.tensor(number, dtype=torch.float64, requires_grad=True)
                given.append(Given(value, leaves[k]))
        try:
            with torch.enable_grad(), self._checks():
                return _Tried(list(values), leaves, margins_of(self._graph, given, _TRIPS))
        except Exception:  # made inputs may be anything to the model
            return None


def _along(goal: Reached, best: _Tried, runs: _Runs) -> _Tried | None:
    """The nearest inputs along the gradient; None where none are nearer."""
    size = best.margins.of[goal].size
    gradient = _gradient(size, best.leaves)
    square = sum(float(part.double().square().sum()) for part in gradient.values())
    if not 0 < square < float("inf"):
        return None
    length = _MORE * (abs(float(size.detach())) + _LEAST) / square

    def step(factor: float) -> _Tried | None:
        moved = {k: part * (factor * length) for k, part in gradient.items()}
        return runs.tried(_moved(best.values, moved))

    nearer: _Tried | None = None
    for factor in (1.0, 4.0, 16.0):
        one = step(factor)
        if one is None or not _is_nearer(goal, one, nearer or best):
            break
        nearer = one
        if goal in one.margins.reached:
            return nearer
    for factor in () if nearer is not None else (0.25, 0.05):
        one = step(factor)
        if one is not None and _is_nearer(goal, one, best):
            return one
    return nearer


def _aside(goal: Reached, best: _Tried, runs: _Runs, special: bool) -> _Tried | None:
    """The nearest of inputs that are scaled, turned and shifted; None where none are nearer."""
    nearer = None
    for values in _others(best.values, best.leaves, special):
        one = runs.tried(values)
        if one is not None and _is_nearer(goal, one, nearer or best):
            nearer = one
            if goal in one.margins.reached:
                break
    return nearer


def _others(
    values: Sequence[Eager], leaves: Collection[int], special: bool
) -> Iterator[list[Eager]]:
    """All that may move, scaled, turned and shifted."""
    if special:
        for number in (float("nan"), float("inf"), float("-inf")):
            yield [_with_first(v, number) if k in leaves else v for k, v in enumerate(values)]
    changes: list[Callable[[Tensor], Tensor]] = [
        lambda x: -x,
        lambda x: x * 10,
        lambda x: x * -10,
        lambda x: x + x.abs().amax(),
        lambda x: x - x.abs().amax(),
        lambda x: x * 0.1,
    ]
    for change in changes:
        yield [_changed(v, change) if k in leaves else v for k, v in enumerate(values)]


def _changed(value: Eager, change: Callable[[Tensor], Tensor]) -> Eager:
    if isinstance(value, Tensor):
        return change(value) if value.numel() else value
    number = float(change(torch.tensor(float(value), dtype=torch.float64)))  # type: ignore[arg-type]
    return number if isinstance(value, float) else round(number)


def _with_first(value: Eager, number: float) -> Eager:
    """A tensor whose first element is another one."""
    if not isinstance(value, Tensor) or not value.numel():
        return value
    changed = value.clone()
    changed.view(-1)[0] = number
    return changed


def _gradient(size: Tensor, leaves: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """Where a margin grows; nowhere where an operator has no derivative."""
    if not size.requires_grad:
        return {}
    try:
        parts = torch.autograd.grad(
            size, list(leaves.values()), retain_graph=True, allow_unused=True
        )
    except RuntimeError:
        return {}
    found = zip(leaves, parts, strict=True)
    return {k: part.nan_to_num(0.0, 0.0, 0.0) for k, part in found if part is not None}


def _moved(values: Sequence[Eager], moves: Mapping[int, Tensor]) -> list[Eager]:
    moved = list(values)
    for k, move in moves.items():
        value = values[k]
        if isinstance(value, Tensor):
            moved[k] = value + move.to(value.dtype)
        elif isinstance(value, float):
            moved[k] = value + float(move)
        else:
            # Away from where it was: rounding must not bring it back.
            number = float(move)
            moved[k] = int(value) + int(number // 1 if number < 0 else -(-number // 1))  # type: ignore[arg-type]
    return moved


def _largest(values: Sequence[Eager], movable: Sequence[int]) -> float:
    """Magnitude of the largest finite number among what may move."""
    tensors = [torch.as_tensor(values[k], dtype=torch.float64) for k in movable]
    sizes = [one.detach().nan_to_num(0, 0, 0).abs().max() for one in tensors if one.numel()]
    return max((float(size) for size in sizes), default=0.0)


def _is_movable(spec: InputSpec) -> bool:
    """Whether an input is made of real numbers, or is a number."""
    real = spec.kind == "tensor" and spec.dtype.is_floating_point
    return real or spec.kind in ("int", "float")


def _is_nearer(goal: Reached, one: _Tried, other: _Tried) -> bool:
    if goal in one.margins.reached:
        return True
    margin = one.margins.of.get(goal)
    return margin is not None and margin.key > other.margins.of[goal].key
