"""Which sides of the branches ran, and how often the loops went round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from fxexport.graph.captured import CapturedGraph, bodies_of, source_of
from fxexport.graph.ops import branch, loop
from fxexport.report.model import Uncovered
from fxexport.source import SourceLocation

__all__ = ["Coverage", "Site", "TooManyTrips", "observe", "sites_of"]

# Names of nodes, and between them the bodies they lead into, from the root.
Path = tuple[str, ...]

_BODIES = {"branch": ("then", "else"), "loop": ("body",)}
_LOOP_GOALS = ("no trip", "one trip", "several trips")
_ANY_TRIP = "any trip"


class TooManyTrips(Exception):
    """The graph's loops went round more often than they may."""


@dataclass(frozen=True)
class Site:
    """One branch or loop of the graph.

    Attributes:
        kind: which of the two.
        path: where it is.
        goals: what should have happened at least once.
        location: the user's line.
    """

    kind: str
    path: Path
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
    seen: set[tuple[Path, str]] = field(default_factory=set)

    @classmethod
    def of(cls, graph: CapturedGraph) -> Coverage:
        """Nothing has run yet."""
        return cls(list(sites_of(graph.module)))

    def is_news(self, seen: set[tuple[Path, str]]) -> bool:
        """Whether a run did something that had not happened before."""
        goals = {(site.path, goal) for site in self.sites for goal in site.goals}
        return not (seen & goals) <= self.seen

    def uncovered(self) -> list[Uncovered]:
        """What never happened; not what is inside of a body that itself never ran."""
        return [
            Uncovered(site.kind, goal, site.location)
            for site in self.sites
            if self._reached(site)
            for goal in site.goals
            if (site.path, goal) not in self.seen
        ]

    def complete(self) -> bool:
        """Whether nothing is left to try for."""
        return all((site.path, goal) in self.seen for site in self.sites for goal in site.goals)

    def _reached(self, site: Site) -> bool:
        outer = site.path[:-1]
        if not outer:
            return True
        side = outer[-1] if outer[-1] != "body" else _ANY_TRIP
        return (outer[:-1], side) in self.seen


def observe(graph: CapturedGraph, inputs: Sequence[Any], max_trips: int) -> set[tuple[Path, str]]:
    """Runs the graph eagerly, and tells which bodies ran.

    Raises:
        TooManyTrips: when loops go round more than `max_trips` times in all.
    """
    run = _Run(max_trips)
    with torch.no_grad():
        _Watcher(graph.module, (), run).run(*inputs)
    return run.seen


def sites_of(module: fx.GraphModule, path: Path = ()) -> Iterator[Site]:
    """Every branch and loop below a graph, outer ones first."""
    for node in module.graph.nodes:
        bodies = bodies_of(module, node)
        if not bodies:
            continue
        kind = "branch" if node.target is branch else "loop"
        here = (*path, node.name)
        yield Site(kind, here, _goals_of(node, kind), source_of(node))
        for name, body in zip(_BODIES[kind], bodies, strict=True):
            yield from sites_of(body, (*here, name))


def _goals_of(node: fx.Node, kind: str) -> tuple[str, ...]:
    if kind == "branch":
        return _BODIES[kind]
    # A bound known at export: whether the loop ends earlier is the affair of its body.
    known = isinstance(node.args[0], int) and isinstance(node.args[1], bool)
    return (_ANY_TRIP,) if known else _LOOP_GOALS


@dataclass
class _Run:
    """What happened in one run."""

    trips_left: int
    seen: set[tuple[Path, str]] = field(default_factory=set)

    def trip(self) -> None:
        self.trips_left -= 1
        if self.trips_left < 0:
            raise TooManyTrips

    def looped(self, path: Path, trips: int) -> None:
        self.seen.add((path, _LOOP_GOALS[min(trips, 2)]))
        if trips:
            self.seen.add((path, _ANY_TRIP))


class _Watcher(fx.Interpreter):
    """Runs a graph and its bodies, and notes which bodies run."""

    def __init__(self, module: fx.GraphModule, path: Path, run: _Run) -> None:
        super().__init__(module, garbage_collect_values=True)
        self._path = path
        self._run = run
        self._node = ""

    def run_node(self, n: fx.Node) -> Any:
        self._node = n.name
        return super().run_node(n)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
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

    def _loop(self, path: Path, trip_count: Any, condition: Any, body: Any, *rest: Any) -> Any:
        trips = 0

        def count() -> None:
            nonlocal trips
            trips += 1
            self._run.trip()

        result = loop(trip_count, condition, self._watched(body, (*path, "body"), count), *rest)
        self._run.looped(path, trips)
        return result

    def _note(self, path: Path, side: str) -> None:
        self._run.seen.add((path, side))

    def _watched(
        self, body: fx.GraphModule, path: Path, before: Callable[[], None]
    ) -> Callable[..., tuple[Any, ...]]:
        def call(*args: Any) -> tuple[Any, ...]:
            before()
            result: tuple[Any, ...] = _Watcher(body, path, self._run).run(*args)
            return result

        return call
