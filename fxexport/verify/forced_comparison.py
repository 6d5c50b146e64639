"""One comparison where decisions are forced: program, graph and file are all forced alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from fxexport.verify.coverage import Outcome, Site, TooManyIterations, TripLimit, Watched, watch
from fxexport.verify.crashes import overdue_text
from fxexport.verify.diagnosis import (
    Diagnosis,
    as_file_output,
    first_difference,
    where_it_runs_on,
)
from fxexport.verify.excuses import Excuses
from fxexport.verify.forced.controls import Reached
from fxexport.verify.forced.file import ForcedFile, NotInFile
from fxexport.verify.forced.following import Astray, Followed, follow, sides_taken
from fxexport.verify.forced.graph import forced_graph
from fxexport.verify.forced.plan import Forcing, Planner
from fxexport.verify.forced.program import DoesNotEnd, ForcedProgram
from fxexport.verify.reference import EagerModel, copies
from fxexport.verify.time_limit import RunsOn, TimeLimit
from fxexport.verify.tolerance import USUAL, Asked, working_dtype
from fxexport.verify.unchecked import GraphChecks

__all__ = ["Check", "ForcedComparison", "Wanted"]

_ENDLESS = "its loops do not end then"
_NOT_COMPARABLE = "its results are not comparable, see the notes"
_NO_DECISION = "the program has no decision there that can be forced"
_NOT_IN_FILE = "the file does not have it"
_CONTRADICTED = "the values contradict what holds on this path"
# A run of the program may take so many decisions for each iteration that loops may make.
_DECISIONS = 20


@dataclass(frozen=True)
class Check:
    """The check that forced comparisons are part of.

    Attributes:
        eager: runs the user's model in PyTorch.
        add: takes a comparison for the report.
        note: takes a note for the report.
        limit: how long runs may take.
        values: whether values can be compared, not only dtypes.
        explain: whether the first wrong value can be looked for.
        asked: the tolerances that the user asked for.
    """

    eager: EagerModel
    add: Callable[[VerifiedCase], None]
    note: Callable[[str], None]
    limit: TimeLimit
    values: bool
    explain: bool = True
    asked: Asked = USUAL


class Wanted(NamedTuple):
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


class ForcedComparison:
    """Compares on one set of inputs after the other.

    Args:
        graph: what was captured.
        file: the file, its decisions to be forced.
        program: the program, likewise.
        planner: knows what stands for a decision.
        check: what this is part of.
        trips: how many iterations the loops of a run may make in all.
        outcomes: gets what became of each goal.

    Attributes:
        graph_checks: goes around each run of a graph.
        wrong_at: the line that was forced where the file does not agree first.
    """

    def __init__(
        self,
        graph: CapturedGraph,
        file: ForcedFile,
        program: ForcedProgram,
        planner: Planner,
        check: Check,
        trips: TripLimit,
        outcomes: dict[Reached, Outcome],
    ) -> None:
        self.graph_checks = GraphChecks(graph)
        self.wrong_at: SourceLocation | None = None
        self._graph = graph
        self._file = file
        self._program = program
        self._planner = planner
        self._check = check
        self._trips, self._most_trips = trips, trips.trips
        self._outcomes = outcomes
        self._specs = [spec for spec in graph.outputs if spec.of_model]
        self._working = working_dtype(graph)
        self._last: tuple[Forcing, CapturedGraph] | None = None

    def tried(self, wanted: Wanted, case: Case) -> Outcome:
        """Forces one goal on one set of inputs."""
        graph = self.forced(wanted.forcing)
        run = self.watched(graph, case)
        if isinstance(run, str):
            return Outcome("not reached", run)
        return self.follow_run(wanted, case, graph, run)

    def follow_run(self, wanted: Wanted, case: Case, graph: CapturedGraph, run: Watched) -> Outcome:
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
                lambda: self._check.eager(case.inputs),
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

    def forced(self, forcing: Forcing) -> CapturedGraph:
        """The graph with decisions forced; the last one is kept, since more inputs follow."""
        if self._last is None or self._last[0] is not forcing:
            self._last = forcing, forced_graph(self._graph, forcing.nodes)
        return self._last[1]

    def watched(self, graph: CapturedGraph, case: Case) -> Watched | str:
        """A run of a graph, or why there is none."""
        try:
            with self.graph_checks(), self._check.limit.timed():
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
        wanted: Wanted,
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
            self._check.add(VerifiedCase(label, ok, differences))
        self._reached(run.seen, Outcome("forced"))
        return Outcome("forced")

    def _add_failed(
        self,
        wanted: Wanted,
        label: str,
        case: Case,
        graph: CapturedGraph,
        failure: RuntimeFailure,
    ) -> None:
        """The file fails where the program does not."""
        text, found = failure.message, None
        if isinstance(failure, RuntimeOverdue):
            text = overdue_text(failure, self._check.limit.took, case, self._graph)
            found = self._first_wrong(wanted.forcing, case, graph, overdue=True)
        text = text if found is None else f"{text}; {found.text}"
        wrong = VerifiedCase(label, False, message=text)
        self._add_wrong(wanted, wrong, found.location if found is not None else None)

    def _add_different(
        self,
        wanted: Wanted,
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
        self, wanted: Wanted, case: VerifiedCase, at: SourceLocation | None = None
    ) -> None:
        self.wrong_at = self.wrong_at or at or wanted.site.location
        self._check.add(case)

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
        if self.wrong_at is not None or not self._check.explain:
            return None
        given = self._file.given(self._graph.by_name(case.inputs), forcing.nodes)
        file = FileValues(self._file.model, self._file.folder, given, self._check.limit.seconds)
        search = where_it_runs_on if overdue else first_difference
        forced = forcing.nodes.switches
        try:
            return search(
                graph, file, case.inputs, self._working, self._check.asked, without=forced
            )
        except RuntimeFailure:
            return None

    def _against_the_graph(
        self, wanted: Wanted, case: Case, graph: CapturedGraph, run: Watched
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
            with self.graph_checks():
                outputs = watch(graph, copies(inputs), self._most_trips).outputs
            return without_padding(self._graph.outputs, list(outputs))

        excuses = Excuses(graph, by_the_graph, self._check.note)
        if excuses.hold(case, by_graph, got, differences):
            return Outcome("not reached", _NOT_COMPARABLE)
        self._add_different(wanted, label, case, graph, differences)
        return compared

    def _reached(self, seen: set[Reached], outcome: Outcome) -> None:
        """Notes what a compared run came by."""
        for one in seen:
            self._outcomes[one] = outcome

    def _run_file(self, case: Case, forcing: Forcing) -> list[Eager]:
        try:
            got = self._file.run(
                self._graph.by_name(case.inputs), forcing.nodes, self._check.limit.seconds
            )
        except RuntimeOverdue:
            self._check.limit.exceeded()
            raise
        return without_padding(self._graph.outputs, got)

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
            values=self._check.values,
            asked=self._check.asked,
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
                return self._check.eager(inputs)

        excuses = Excuses(graph, eager, self._check.note)
        return excuses.hold(case, list(followed.outputs), got, differences)


def _goal_text(wanted: Wanted) -> str:
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
