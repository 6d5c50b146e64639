"""Compares what no input reaches: with decisions forced, in PyTorch and in the file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterable, Iterator, Sequence

from fxexport.graph.captured import CapturedGraph
from fxexport.source.location import SourceLocation
from fxexport.targets.onnxruntime.session import RuntimeFailure
from fxexport.verify.cases import Case, Starts
from fxexport.verify.coverage import Coverage, Outcome, Site, TripLimit
from fxexport.verify.forced.controls import Control, Reached, asked_in, ways_to
from fxexport.verify.forced.file import FileSwitch, ForcedFile
from fxexport.verify.forced.plan import Forcing, Planner, Unforceable
from fxexport.verify.forced.program import ForcedProgram
from fxexport.verify.forced_comparison import Check, ForcedComparison, Wanted
from fxexport.verify.searching.towards import Towards

__all__ = ["ForcedWays"]

# On so many sets of inputs each goal is compared.
_ENOUGH = 2
_LEFT_OUT = "left out: the model is large"


class ForcedWays:
    """Forces decisions on inputs that were compared before.

    Args:
        graph: what was captured.
        path: the file.
        check: what this is part of.

    Attributes:
        outcomes: what became of each goal that was tried.
    """

    def __init__(self, graph: CapturedGraph, path: str | os.PathLike[str], check: Check) -> None:
        self._graph = graph
        self._path = path
        self._check = check
        self.outcomes: dict[Reached, Outcome] = {}
        self._runs: ForcedComparison | None = None

    @property
    def wrong_at(self) -> SourceLocation | None:
        """The line that was forced where the file does not agree first."""
        return None if self._runs is None else self._runs.wrong_at

    def run(
        self,
        coverage: Coverage,
        starts: Starts,
        most: int,
        trips: TripLimit,
        fixed: Collection[int] = (),
        steps: int = 0,
        others: Iterable[Case] = (),
    ) -> None:
        """Forces what no input has reached; `outcomes` has what became of it.

        Args:
            coverage: what was reached by inputs.
            starts: those inputs.
            most: how many sets of inputs may be run.
            trips: loop trips in all that a run may make.
            fixed: the numbers of inputs that keep their values.
            steps: runs of the graph to move inputs where something around them is forced.
            others: further inputs for what stands in something that is forced.
        """
        missing = list(coverage.missing())
        if not missing:
            return
        if not starts.cases:
            self._left_out(missing, "no inputs were compared to begin with")
            return
        decisions = [one.control.decides.decision for one in coverage.sites if one.control.decides]
        decisions += [decision for _, decision in asked_in(self._graph.module)]
        decisions += self._graph.program.folded
        program = ForcedProgram(self._graph.program, decisions)
        self._planner = Planner(self._graph, program.known)
        wanted = list(self._planned(missing, starts))
        if not wanted:
            return
        try:
            file = self._forced_file(wanted)
        except RuntimeFailure as failure:
            self._check.note(f"decisions could not be forced: {failure.message}")
            self._left_out(missing, "decisions could not be forced, see the notes")
            return
        runs = self._runs = ForcedComparison(
            self._graph, file, program, self._planner, self._check, trips, self.outcomes
        )
        self._left, self._steps = most, steps
        for one in wanted:
            self._lead(runs, one, fixed)
            self._force(runs, one)
        nested = [one for one in wanted if one.around is not None]
        self._inside(runs, nested, list(others) if nested else [])
        for one in wanted:
            self._elsewhere(runs, one, missing, starts.sizes)

    def _left_out(self, goals: Sequence[tuple[Site, str]], reason: str) -> None:
        """Says of goals why nothing was tried for them, where nothing better is known."""
        for site, goal in goals:
            self.outcomes.setdefault((site.path, goal), Outcome("not reached", reason))

    def _force(self, runs: ForcedComparison, wanted: Wanted) -> None:
        """Forces one goal, on two sets of inputs where it can be."""
        compared = 0
        for case in wanted.cases:
            key = (wanted.site.path, wanted.goal)
            if compared == _ENOUGH or (self._outcome(key).reached == "forced" and not compared):
                return
            if self._left <= 0:
                self.outcomes.setdefault(key, Outcome("not reached", _LEFT_OUT))
                return
            self._left -= 1
            outcome = runs.tried(wanted, case)
            if outcome.reached != "not reached" or key not in self.outcomes:
                self.outcomes[key] = outcome
            compared += outcome.reached != "not reached"

    def _lead(self, runs: ForcedComparison, wanted: Wanted, fixed: Collection[int]) -> None:
        """Moves inputs towards a goal where only what is around it is forced.

        So its own condition is compared, too, close to where it turns.
        """
        if wanted.around is None or self._left <= 0:
            return
        graph, case = runs.forced(wanted.around), wanted.cases[0]
        towards = Towards(graph, fixed, self._steps, runs.graph_checks)
        values = towards.found((wanted.site.path, wanted.goal), case.inputs)
        self._steps = towards.left
        if values is None:
            return
        self._left -= 1
        moved = dataclasses.replace(case, label=f"{case.label}, moved", inputs=values)
        outcome = runs.tried(wanted._replace(forcing=wanted.around), moved)
        if outcome.reached != "not reached":
            self.outcomes[wanted.site.path, wanted.goal] = outcome

    def _inside(
        self, runs: ForcedComparison, wanted: Sequence[Wanted], cases: Sequence[Case]
    ) -> None:
        """Forces what is around goals alone, on values that decide inside of it one way or other.

        A wrong condition is often right for those that were compared first.
        """
        done: list[Forcing] = []
        for one in wanted:
            if one.around is None or one.around in done:
                continue
            done.append(one.around)
            graph = runs.forced(one.around)
            for case in cases:
                if self._left <= 0:
                    return
                self._left -= 1
                run = runs.watched(graph, case)
                if isinstance(run, str):
                    continue
                here = [goal for goal in one.site.goals if (one.site.path, goal) in run.seen]
                if here:
                    inside = one._replace(goal=here[0], forcing=one.around)
                    runs.follow_run(inside, case, graph, run)

    def _elsewhere(
        self,
        runs: ForcedComparison,
        wanted: Wanted,
        missing: Sequence[tuple[Site, str]],
        cases: Sequence[Case],
    ) -> None:
        """Forces the same on other inputs, which may reach what cannot be forced itself."""
        if (
            not wanted.forcing.decisions
            or self._outcome((wanted.site.path, wanted.goal)).reached != "forced"
        ):
            return
        for case in cases:
            left = [
                (site, goal)
                for site, goal in missing
                if self._outcome((site.path, goal)).reached != "forced"
            ]
            if not left or self._left <= 0:
                return
            self._left -= 1
            graph = runs.forced(wanted.forcing)
            seen = runs.watched(graph, case)
            if isinstance(seen, str):
                continue
            news = [(site, goal) for site, goal in left if (site.path, goal) in seen.seen]
            if news:
                runs.follow_run(Wanted(*news[0], wanted.forcing, cases), case, graph, seen)

    def _outcome(self, key: Reached) -> Outcome:
        return self.outcomes.get(key, Outcome("not reached"))

    def compared(self) -> set[Reached]:
        """What was compared with PyTorch."""
        return {key for key, outcome in self.outcomes.items() if outcome.reached == "forced"}

    # -- what to force -----------------------------------------------------------------------------

    def _planned(self, missing: Sequence[tuple[Site, str]], starts: Starts) -> Iterator[Wanted]:
        for site, goal in missing:
            chain = [*ways_to(site.control), (site.control, goal)]
            reached = [k for k, (c, g) in enumerate(chain) if (c.path, g) in starts.reaching]
            first = 1 + max(reached, default=-1)
            cases = starts.cases
            if first:
                control, way = chain[first - 1]
                cases = starts.reaching[control.path, way]
            try:
                forcing = self._planner.plan(chain[first:])
            except Unforceable as error:
                self.outcomes[site.path, goal] = Outcome("not reached", str(error))
                continue
            yield Wanted(site, goal, forcing, cases, self._around(chain[first:-1]))

    def _around(self, ways: Sequence[tuple[Control, str]]) -> Forcing | None:
        try:
            return self._planner.plan(ways) if ways else None
        except Unforceable:
            return None

    def _forced_file(self, wanted: Sequence[Wanted]) -> ForcedFile:
        nodes = [one.forcing.nodes for one in wanted]
        switches = dict.fromkeys(switch for one in nodes for switch in one.switches)
        return ForcedFile(
            self._path,
            [FileSwitch(switch, self._planner.branches_of(switch)) for switch in switches],
            dict.fromkeys(path for one in nodes for path in one.conditions),
            dict.fromkeys(path for one in nodes for path in one.trips),
        )
