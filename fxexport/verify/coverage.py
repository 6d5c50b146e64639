"""Which paths of the branches ran, and how many iterations the loops made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import fx
from torch.fx.node import Target

from fxexport.graph.captured import CapturedGraph, source_of
from fxexport.graph.ops import branch, loop
from fxexport.graph.paths import BODIES, Path
from fxexport.graph.values import Eager
from fxexport.report.model import Goal, Reach, Uncovered
from fxexport.source.location import SourceLocation
from fxexport.verify.forced.controls import Control, Reached, controls_of
from fxexport.verify.forced.possible_trips import PossibleTrips

__all__ = [
    "MOST_TRIPS",
    "Coverage",
    "Outcome",
    "Site",
    "TooManyIterations",
    "TripLimit",
    "Watched",
    "observe",
    "watch",
]

MOST_TRIPS = 200_000
"""Beyond so many iterations in all a graph's loops are taken to have no end."""

_FEW_TRIPS = 500

_LOOP_GOALS = ("no trip", "one trip", "several trips")
_ANY_ITERATION = "any trip"


class Outcome(NamedTuple):
    """What became of a goal.

    Attributes:
        reached: how it was reached.
        reason: why it was not, or not better.
    """

    reached: Reach
    reason: str = ""


class TooManyIterations(Exception):
    """The graph's loops made more iterations than they may."""


@dataclass(frozen=True)
class Site:
    """One branch or loop of the graph.

    Attributes:
        kind: which of the two.
        path: where it is.
        control: it.
        goals: what should have happened at least once.
        location: the user's line.
    """

    kind: str
    path: Path
    control: Control
    goals: tuple[str, ...]
    location: SourceLocation | None


@dataclass
class Coverage:
    """What happened in all runs so far.

    Attributes:
        sites: every branch and loop.
        seen: what happened, by site and goal.
    """

    sites: list[Site]
    seen: set[Reached] = field(default_factory=set)

    @classmethod
    def of(cls, graph: CapturedGraph) -> Coverage:
        """Nothing has run yet."""
        possible = PossibleTrips(graph)
        return cls(
            [
                Site(
                    control.kind,
                    control.path,
                    control,
                    _goals_of(control, possible),
                    source_of(control.node),
                )
                for control in controls_of(graph.module)
            ]
        )

    def is_news(self, seen: set[Reached]) -> bool:
        """Whether a run did something that had not happened before."""
        goals = {(site.path, goal) for site in self.sites for goal in site.goals}
        return not (seen & goals) <= self.seen

    def goals(self, forced: Mapping[Reached, Outcome]) -> list[Goal]:
        """Every path and trip count, and how it was reached.

        Args:
            forced: what became of those that no input has reached.
        """
        goals: list[Goal] = []
        for site in self.sites:
            for goal in site.goals:
                key = (site.path, goal)
                by_input = key in self.seen
                how = Outcome("input") if by_input else forced.get(key, Outcome("not reached"))
                goals.append(Goal(site.kind, goal, site.location, *how, path=site.path))
        return goals

    def uncovered(self, forced: Mapping[Reached, Outcome]) -> list[Uncovered]:
        """What never happened; not what is inside of a body that itself never ran.

        Args:
            forced: why something could not be forced.
        """
        none = Outcome("not reached")
        return [
            Uncovered(site.kind, goal, site.location, forced.get((site.path, goal), none).reason)
            for site, goal in self.missing()
            if self._reached(site)
        ]

    def missing(self) -> Iterator[tuple[Site, str]]:
        """What has not happened yet, found as it is asked for."""
        for site in self.sites:
            for goal in site.goals:
                if (site.path, goal) not in self.seen:
                    yield site, goal

    def complete(self) -> bool:
        """Whether nothing is left to try for."""
        return not any(self.missing())

    def _reached(self, site: Site) -> bool:
        outer = site.path[:-1]
        if not outer:
            return True
        side = outer[-1] if outer[-1] != "body" else _ANY_ITERATION
        return (outer[:-1], side) in self.seen


class TripLimit:
    """How many iterations the loops of a run may make in all, where many inputs are tried.

    A model that has no end on one of them may have none on most: each time it was met, the limit is
    half of what it was.

    Attributes:
        trips: the limit of the next run.
    """

    def __init__(self, trips: int) -> None:
        self.trips = trips

    def exceeded(self) -> None:
        """A run has met it."""
        self.trips = max(self.trips // 2, min(self.trips, _FEW_TRIPS))


@dataclass(frozen=True)
class Watched:
    """One run of a graph.

    Attributes:
        seen: which bodies ran, and how often.
        outputs: what it gave.
        trips: the most iterations that each loop made at a time, where it was come by.
    """

    seen: set[Reached]
    outputs: tuple[Eager, ...]
    trips: Mapping[Path, int]


def observe(graph: CapturedGraph, inputs: Sequence[Eager], max_trips: int) -> set[Reached]:
    """Runs the graph eagerly, and tells which bodies ran.

    Raises:
        TooManyIterations: when the loops make more than `max_trips` iterations in all.
    """
    return watch(graph, inputs, max_trips).seen


def watch(graph: CapturedGraph, inputs: Sequence[Eager], max_trips: int) -> Watched:
    """Runs the graph eagerly; tells which bodies ran, and what it gave.

    Raises:
        TooManyIterations: when the loops make more than `max_trips` iterations in all.
    """
    run = _Run(max_trips)
    with torch.no_grad():
        outputs = _Watcher(graph.module, (), run).run(*inputs)
    return Watched(run.seen, tuple(outputs), run.trips)


def _goals_of(control: Control, possible: PossibleTrips) -> tuple[str, ...]:
    """What there is to reach; not what the contract excludes."""
    if control.kind == "branch":
        return BODIES[control.kind]
    # A bound known at export: whether the loop ends earlier is the affair of its body.
    if all(isinstance(arg, (int, bool)) for arg in control.node.args[:2]):
        return (_ANY_ITERATION,)
    least, most = possible.of(control)
    return tuple(
        goal
        for trips, goal in enumerate(_LOOP_GOALS)
        if (least <= trips or goal == _LOOP_GOALS[2]) and (most is None or trips <= most)
    )


@dataclass
class _Run:
    """What happened in one run."""

    iterations_left: int
    seen: set[Reached] = field(default_factory=set)
    trips: dict[Path, int] = field(default_factory=dict)

    def iteration(self) -> None:
        self.iterations_left -= 1
        if self.iterations_left < 0:
            raise TooManyIterations

    def looped(self, path: Path, iterations: int) -> None:
        self.trips[path] = max(iterations, self.trips.get(path, 0))
        self.seen.add((path, _LOOP_GOALS[min(iterations, 2)]))
        if iterations:
            self.seen.add((path, _ANY_ITERATION))


class _Watcher(fx.Interpreter):
    """Runs a graph and its bodies, and notes which bodies run."""

    def __init__(self, module: fx.GraphModule, path: Path, run: _Run) -> None:
        super().__init__(module, garbage_collect_values=True)
        self._path = path
        self._run = run
        self._node = ""

    def run_node(self, n: fx.Node) -> object:
        self._node = n.name
        return super().run_node(n)

    def call_function(
        self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> object:
        path = (*self._path, self._node)
        if target is branch:
            condition, then_body, else_body, operands = args
            return branch(
                condition,
                self._watched(then_body, (*path, "then"), lambda: self._note(path, "then")),
                self._watched(else_body, (*path, "else"), lambda: self._note(path, "else")),
                operands,
            )
        if target is loop:
            return self._loop(path, *args, **kwargs)
        return super().call_function(target, args, kwargs)

    def _loop(
        self,
        path: Path,
        trip_count: int | None,
        condition: torch.Tensor | bool,
        body: fx.GraphModule,
        *rest: Any,
    ) -> tuple[Eager, ...]:
        iterations = 0

        def count() -> None:
            nonlocal iterations
            iterations += 1
            self._run.iteration()

        result = loop(trip_count, condition, self._watched(body, (*path, "body"), count), *rest)
        self._run.looped(path, iterations)
        return result

    def _note(self, path: Path, side: str) -> None:
        self._run.seen.add((path, side))

    def _watched(
        self, body: fx.GraphModule, path: Path, before: Callable[[], None]
    ) -> Callable[..., tuple[Eager, ...]]:
        def call(*args: Eager) -> tuple[Eager, ...]:
            before()
            result: tuple[Eager, ...] = _Watcher(body, path, self._run).run(*args)
            return result

        return call
