"""Compares what no input reaches: with decisions forced, in PyTorch and in the file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from fxexport.errors import GuardError
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.outputs import without_padding
from fxexport.graph.values import Eager
from fxexport.report.goal_words import FORCED
from fxexport.report.model import OutputDifference, VerifiedCase
from fxexport.source.frames import frames_of_traceback
from fxexport.source.location import SourceLocation
from fxexport.targets.onnxruntime.session import RuntimeFailure, RuntimeOverdue
from fxexport.verify.body_values import FileValues
from fxexport.verify.cases import Case
from fxexport.verify.compare import compare_outputs, largest
from fxexport.verify.coverage import (
    Coverage,
    Outcome,
    Site,
    TooManyIterations,
    TripLimit,
    Watched,
    watch,
)
from fxexport.verify.crashes import overdue_text
from fxexport.verify.diagnosis import (
    Diagnosis,
    as_file_output,
    first_difference,
    where_it_runs_on,
)
from fxexport.verify.excuses import Excuses
from fxexport.verify.forced.controls import Control, Reached, asked_in, ways_to
from fxexport.verify.forced.file import FileSwitch, ForcedFile, NotInFile
from fxexport.verify.forced.following import Astray, Followed, follow, sides_taken
from fxexport.verify.forced.graph import forced_graph
from fxexport.verify.forced.plan import Forcing, Planner, Unforceable
from fxexport.verify.forced.program import DoesNotEnd, ForcedProgram
from fxexport.verify.reference import EagerModel, copies
from fxexport.verify.searching.towards import Towards
from fxexport.verify.starts import Starts
from fxexport.verify.time_limit import RunsOn, TimeLimit
from fxexport.verify.tolerance import USUAL, Asked, working_dtype
from fxexport.verify.unchecked import GraphChecks

__all__ = ["ForcedWays"]

# On so many sets of inputs each goal is compared.
_ENOUGH = 2
_LEFT_OUT = "left out: the model is large"
_ENDLESS = "its loops do not end then"
_NOT_COMPARABLE = "its results are not comparable, see the notes"
_NO_DECISION = "the program has no decision there that can be forced"
_NOT_IN_FILE = "the file does not have it"
_CONTRADICTED = "the values contradict what holds on this path"
# A run of the program may take so many decisions for each iteration that loops may make.
_DECISIONS = 20


class _Wanted(NamedTuple):
    """A goal, and how to come there.

    Attributes:
        site: its branch or loop.
        goal: which path or number of iterations.
        forcing: what is forced.
        cases: inputs to do it on.
        around: what is forced around it alone; None where nothing is, or not without it.
    """

    site: Site
    goal: str
    forcing: Forcing
    cases: Sequence[Case]
    around: Forcing | None = None


class ForcedWays:
    """Forces decisions on inputs that were compared before.

    Args:
        graph: what was captured.
        path: the file.
        eager: runs the user's model in PyTorch.
        add: takes a comparison for the report.
        note: takes a note for the report.
        limit: how long runs may take.
        values: whether values can be compared, not only dtypes.
        explain: whether the first wrong value can be looked for.
        asked: the tolerances that the user asked for.

    Attributes:
        outcomes: what became of each goal that was tried.
        wrong_at: the line that was forced where the file does not agree first.
    """

    def __init__(
        self,
        graph: CapturedGraph,
        path: str | os.PathLike[str],
        eager: EagerModel,
        add: Callable[[VerifiedCase], None],
        note: Callable[[str], None],
        limit: TimeLimit,
        *,
        values: bool,
        explain: bool = True,
        asked: Asked = USUAL,
    ) -> None:
        self._graph = graph
        self._path = path
        self._eager = eager
        self._add = add
        self._note = note
        self._limit = limit
        self._values = values
        self._explains = explain
        self._asked = asked
        self._specs = [spec for spec in graph.outputs if spec.of_model]
        self._working = working_dtype(graph)
        self.outcomes: dict[Reached, Outcome] = {}
        self.wrong_at: SourceLocation | None = None
        self._graph_checks = GraphChecks(graph)
        self._last: tuple[Forcing, CapturedGraph] | None = None

    def run(
        self,
        coverage: Coverage,
        starts: Starts,
        most: int,
        trips: TripLimit,
        fixed: Collection[int] = (),
        steps: int = 0,
        others: Sequence[Case] = (),
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
        self._trips, self._most_trips = trips, trips.trips
        decisions = [one.control.decides.decision for one in coverage.sites if one.control.decides]
        decisions += [decision for _, decision in asked_in(self._graph.module)]
        decisions += self._graph.program.folded
        self._program = ForcedProgram(self._graph.program, decisions)
        self._planner = Planner(self._graph, self._program.known)
        wanted = list(self._planned(missing, starts))
        if not wanted:
            return
        try:
            self._file = self._forced_file(wanted)
        except RuntimeFailure as failure:
            self._note(f"decisions could not be forced: {failure.message}")
            self._left_out(missing, "decisions could not be forced, see the notes")
            return
        self._left, self._steps = most, steps
        for one in wanted:
            self._lead(one, fixed)
            self._force(one)
        self._inside(wanted, others)
        for one in wanted:
            self._elsewhere(one, missing, starts.sizes)

    def _left_out(self, goals: Sequence[tuple[Site, str]], reason: str) -> None:
        """Says of goals why nothing was tried for them, where nothing better is known."""
        for site, goal in goals:
            self.outcomes.setdefault((site.path, goal), Outcome("not reached", reason))

    def _force(self, wanted: _Wanted) -> None:
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
            outcome = self._tried(wanted, case)
            if outcome.reached != "not reached" or key not in self.outcomes:
                self.outcomes[key] = outcome
            compared += outcome.reached != "not reached"

    def _lead(self, wanted: _Wanted, fixed: Collection[int]) -> None:
        """Moves inputs towards a goal where only what is around it is forced.

        So its own condition is compared, too, close to where it turns.
        """
        if wanted.around is None or self._left <= 0:
            return
        graph, case = self._forced(wanted.around), wanted.cases[0]
        towards = Towards(graph, fixed, self._steps, self._graph_checks)
        values = towards.found((wanted.site.path, wanted.goal), case.inputs)
        self._steps = towards.left
        if values is None:
            return
        self._left -= 1
        moved = dataclasses.replace(case, label=f"{case.label}, moved", inputs=values)
        outcome = self._tried(wanted._replace(forcing=wanted.around), moved)
        if outcome.reached != "not reached":
            self.outcomes[wanted.site.path, wanted.goal] = outcome

    def _inside(self, wanted: Sequence[_Wanted], cases: Sequence[Case]) -> None:
        """Forces what is around goals alone, on values that decide inside of it one way or other.

        A wrong condition is often right for those that were compared first.
        """
        done: list[Forcing] = []
        for one in wanted:
            if one.around is None or one.around in done:
                continue
            done.append(one.around)
            graph = self._forced(one.around)
            for case in cases:
                if self._left <= 0:
                    return
                self._left -= 1
                run = self._watched(graph, case)
                if isinstance(run, str):
                    continue
                here = [goal for goal in one.site.goals if (one.site.path, goal) in run.seen]
                if here:
                    inside = one._replace(goal=here[0], forcing=one.around)
                    self._follow(inside, case, graph, run)

    def _elsewhere(
        self, wanted: _Wanted, missing: Sequence[tuple[Site, str]], cases: Sequence[Case]
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
            graph = self._forced(wanted.forcing)
            seen = self._watched(graph, case)
            if isinstance(seen, str):
                continue
            news = [(site, goal) for site, goal in left if (site.path, goal) in seen.seen]
            if news:
                self._follow(_Wanted(*news[0], wanted.forcing, cases), case, graph, seen)

    def _outcome(self, key: Reached) -> Outcome:
        return self.outcomes.get(key, Outcome("not reached"))

    def compared(self) -> set[Reached]:
        """What was compared with PyTorch."""
        return {key for key, outcome in self.outcomes.items() if outcome.reached == "forced"}

    # -- what to force -----------------------------------------------------------------------------

    def _planned(self, missing: Sequence[tuple[Site, str]], starts: Starts) -> Iterator[_Wanted]:
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
            yield _Wanted(site, goal, forcing, cases, self._around(chain[first:-1]))

    def _around(self, ways: Sequence[tuple[Control, str]]) -> Forcing | None:
        try:
            return self._planner.plan(ways) if ways else None
        except Unforceable:
            return None

    def _forced_file(self, wanted: Sequence[_Wanted]) -> ForcedFile:
        nodes = [one.forcing.nodes for one in wanted]
        switches = dict.fromkeys(switch for one in nodes for switch in one.switches)
        return ForcedFile(
            self._path,
            [FileSwitch(switch, self._planner.branches_of(switch)) for switch in switches],
            dict.fromkeys(path for one in nodes for path in one.conditions),
            dict.fromkeys(path for one in nodes for path in one.trips),
        )

    # -- one comparison ----------------------------------------------------------------------------

    def _tried(self, wanted: _Wanted, case: Case) -> Outcome:
        """Forces one goal on one set of inputs."""
        graph = self._forced(wanted.forcing)
        run = self._watched(graph, case)
        if isinstance(run, str):
            return Outcome("not reached", run)
        return self._follow(wanted, case, graph, run)

    def _follow(self, wanted: _Wanted, case: Case, graph: CapturedGraph, run: Watched) -> Outcome:
        """Has the program decide as a run of the graph did, and compares."""
        forcing = wanted.forcing
        if (wanted.site.path, wanted.goal) not in run.seen:
            return Outcome("not reached", "other decisions lead elsewhere")
        if not forcing.decisions:
            return self._against_the_graph(wanted, case, graph, run)
        controls = self._planner.controls
        most = _DECISIONS * self._most_trips
        try:
            followed = follow(
                self._program,
                lambda: self._eager(case.inputs),
                forcing,
                sides_taken(controls, run.seen),
                self._graph.program,
                most,
            )
        except (DoesNotEnd, RunsOn):
            return Outcome("not reached", _ENDLESS)
        except Astray as error:
            return Outcome("not reached", str(error))
        except Exception as error:  # the program may raise anything on values that are not for it
            return Outcome("not reached", _raised(error))
        return self._compared(wanted, case, graph, run, followed)

    def _forced(self, forcing: Forcing) -> CapturedGraph:
        """The graph with decisions forced; the last one is kept, since more inputs follow."""
        if self._last is None or self._last[0] is not forcing:
            self._last = forcing, forced_graph(self._graph, forcing.nodes)
        return self._last[1]

    def _watched(self, graph: CapturedGraph, case: Case) -> Watched | str:
        """A run of a graph, or why there is none."""
        try:
            with self._graph_checks(), self._limit.timed():
                return watch(graph, copies(case.inputs), self._trips.trips)
        except TooManyIterations:
            self._trips.exceeded()
            return _ENDLESS
        except GuardError as guard:
            return f"the file takes for granted what is not so then: {guard}"
        except Exception as error:  # values that the path is not for
            return _raised(error)

    def _compared(
        self,
        wanted: _Wanted,
        case: Case,
        graph: CapturedGraph,
        run: Watched,
        followed: Followed,
    ) -> Outcome:
        """Compares the file with the program, and both with the graph where they differ."""
        forcing = wanted.forcing
        label = f"{_goal_text(wanted)}; {case.label}"
        by_graph = self._as_outputs(run)
        like_graph = all(d.ok for d in self._differences(case, followed.outputs, by_graph))
        # What is forced may be untrue: then the graph takes something for granted that is not so.
        unsure = Outcome("not reached", _CONTRADICTED)
        if not like_graph and not (forcing.certain and followed.alike):
            return unsure
        try:
            got = self._run_file(case, forcing)
        except NotInFile:
            return Outcome("not reached", _NOT_IN_FILE)
        except RuntimeFailure as failure:
            if forcing.whole:
                return unsure
            self._add_failed(wanted, label, case, graph, failure)
            return Outcome("forced")
        differences = self._differences(case, followed.outputs, got)
        ok = all(difference.ok for difference in differences)
        if not ok and forcing.whole:
            return unsure
        if not ok and self._is_excused(case, graph, followed, got, differences):
            return Outcome("not reached", _NOT_COMPARABLE)
        if not ok:
            self._add_different(wanted, label, case, graph, differences, like_graph)
        else:
            self._add(VerifiedCase(label, ok, differences))
        self._reached(run.seen, Outcome("forced"))
        return Outcome("forced")

    def _add_failed(
        self,
        wanted: _Wanted,
        label: str,
        case: Case,
        graph: CapturedGraph,
        failure: RuntimeFailure,
    ) -> None:
        """The file fails where the program does not."""
        text, found = failure.message, None
        if isinstance(failure, RuntimeOverdue):
            text = overdue_text(failure, self._limit.took, case, self._graph)
            found = self._first_wrong(wanted.forcing, case, graph, overdue=True)
        text = text if found is None else f"{text}; {found.text}"
        wrong = VerifiedCase(label, False, message=text)
        self._add_wrong(wanted, wrong, found.location if found is not None else None)

    def _add_different(
        self,
        wanted: _Wanted,
        label: str,
        case: Case,
        graph: CapturedGraph,
        differences: tuple[OutputDifference, ...],
        like_graph: bool = True,
    ) -> None:
        """The file gives something else; `like_graph`: the graph gives what the program gives."""
        message = next(f"output {d.name!r}: {d.message}" for d in differences if not d.ok)
        whose = (
            "the captured graph is right, the file is not"
            if like_graph
            else "the captured graph differs from PyTorch as well"
        )
        found = self._first_wrong(wanted.forcing, case, graph) if like_graph else None
        text = f"{message}; {found.text if found is not None else whose}"
        wrong = VerifiedCase(label, False, differences, text)
        self._add_wrong(wanted, wrong, found.location if found is not None else None)

    def _add_wrong(
        self, wanted: _Wanted, case: VerifiedCase, at: SourceLocation | None = None
    ) -> None:
        self.wrong_at = self.wrong_at or at or wanted.site.location
        self._add(case)

    def _first_wrong(
        self, forcing: Forcing, case: Case, graph: CapturedGraph, *, overdue: bool = False
    ) -> Diagnosis | None:
        """Where file and graph part; looked for once.

        Args:
            forcing: what is forced.
            case: the inputs.
            graph: the graph with that forced.
            overdue: whether the file did not come to its end.
        """
        if self.wrong_at is not None or not self._explains:
            return None
        given = self._file.given(self._named(case), forcing.nodes)
        file = FileValues(self._file.model, self._file.folder, given, self._limit.seconds)
        search = where_it_runs_on if overdue else first_difference
        forced = forcing.nodes.switches
        try:
            return search(graph, file, case.inputs, self._working, self._asked, without=forced)
        except RuntimeFailure:
            return None

    def _against_the_graph(
        self, wanted: _Wanted, case: Case, graph: CapturedGraph, run: Watched
    ) -> Outcome:
        """Compares the file with the graph alone: the program has no such decision."""
        label = f"{_goal_text(wanted)}; {case.label}"
        by_graph = without_padding(self._graph.outputs, list(run.outputs))
        unsure = Outcome("not reached", _CONTRADICTED)
        compared = Outcome("graph only", _NO_DECISION)
        try:
            got = self._run_file(case, wanted.forcing)
        except NotInFile:
            return Outcome("not reached", _NOT_IN_FILE)
        except RuntimeFailure as failure:
            if wanted.forcing.whole:
                return unsure
            self._add_failed(wanted, label, case, graph, failure)
            return compared
        differences = self._differences(case, by_graph, got)
        if all(difference.ok for difference in differences):
            return compared
        if wanted.forcing.whole:
            return unsure

        def by_the_graph(inputs: list[Eager]) -> Sequence[Eager]:
            with self._graph_checks():
                outputs = watch(graph, copies(inputs), self._most_trips).outputs
            return without_padding(self._graph.outputs, list(outputs))

        excuses = Excuses(graph, by_the_graph, self._note)
        if excuses.hold(case, by_graph, got, differences):
            return Outcome("not reached", _NOT_COMPARABLE)
        self._add_different(wanted, label, case, graph, differences)
        return compared

    def _reached(self, seen: set[Reached], outcome: Outcome) -> None:
        """Notes what a compared run came by."""
        for one in seen:
            self.outcomes[one] = outcome

    def _run_file(self, case: Case, forcing: Forcing) -> list[Eager]:
        try:
            got = self._file.run(self._named(case), forcing.nodes, self._limit.seconds)
        except RuntimeOverdue:
            self._limit.exceeded()
            raise
        return without_padding(self._graph.outputs, got)

    def _named(self, case: Case) -> dict[str, Eager]:
        names = (spec.name for spec in self._graph.inputs)
        return dict(zip(names, case.inputs, strict=True))

    def _as_outputs(self, run: Watched) -> list[Eager]:
        """What the graph gives, as the file gives it."""
        pairs = zip(run.outputs, self._graph.outputs, strict=True)
        return without_padding(self._graph.outputs, [as_file_output(*pair) for pair in pairs])

    def _differences(
        self, case: Case, expected: Sequence[Eager], got: Sequence[Eager]
    ) -> tuple[OutputDifference, ...]:
        return compare_outputs(
            self._specs,
            list(expected),
            list(got),
            self._working,
            largest(case.inputs),
            values=self._values,
            asked=self._asked,
        )

    def _is_excused(
        self,
        case: Case,
        graph: CapturedGraph,
        followed: Followed,
        got: list[Eager],
        differences: tuple[OutputDifference, ...],
    ) -> bool:
        """Whether nothing defines what differs."""
        most = _DECISIONS * self._most_trips

        def eager(inputs: list[Eager]) -> Sequence[Eager]:
            with self._program.forced(followed.decisions, most):
                return self._eager(inputs)

        excuses = Excuses(graph, eager, self._note)
        return excuses.hold(case, list(followed.outputs), got, differences)


def _goal_text(wanted: _Wanted) -> str:
    where = wanted.site.location
    what = where.short if where is not None else f"a {wanted.site.kind}"
    return f"{what} {FORCED[wanted.goal]}"


def _raised(error: Exception) -> str:
    """What was raised, and where."""
    where = next(iter(frames_of_traceback(error.__traceback__)), None)
    # PyTorch's interpreter adds where it was in the graph.
    text = " ".join(str(error).partition("While executing")[0].split())
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{said} ({where.short})" if where is not None else said
