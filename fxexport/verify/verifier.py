"""Runs the comparisons of one file and sums them up."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence

import torch

from fxexport.errors import GuardError
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.outputs import without_padding
from fxexport.graph.values import Eager
from fxexport.inputs import PreparedInputs
from fxexport.report.model import OutputDifference, Verification, VerifiedCase
from fxexport.targets.onnxruntime.session import (
    INSTALL_HINT,
    OrtSession,
    RuntimeCrash,
    RuntimeFailure,
    RuntimeOverdue,
    available,
)
from fxexport.verify.calls import StepByStep, step_inputs
from fxexport.verify.cases import EXAMPLE_LABEL, Case, CaseMaker, Starts, effort_for, user_cases
from fxexport.verify.compare import compare_outputs, largest
from fxexport.verify.coverage import Coverage, TooManyIterations, TripLimit, observe
from fxexport.verify.crashes import crash_text, overdue_text
from fxexport.verify.excuses import Excuses, draws_numbers
from fxexport.verify.failures import TripsExceeded, exceeded_text, model_error
from fxexport.verify.first_fault import FirstFault
from fxexport.verify.forced.controls import Reached, ways_to
from fxexport.verify.forced_comparison import Check
from fxexport.verify.forced_ways import ForcedWays
from fxexport.verify.outside import GuardCheck, refused, says_it_raises
from fxexport.verify.reference import EagerModel, copies
from fxexport.verify.searching.other_sizes import TriedSizes
from fxexport.verify.searching.towards import Towards
from fxexport.verify.time_limit import RunsOn, TimeLimit, interrupted_after
from fxexport.verify.tolerance import USUAL, Asked, working_dtype
from fxexport.verify.unchecked import GraphChecks, ReferenceChecks
from fxexport.verify.vectors import UNDEFINED_SIGNS, vector_nodes, with_file_vectors

__all__ = ["verify"]

# The user's own inputs may loop for long; beyond this, what they reach is not followed.
_USER_ITERATIONS = 100_000


def verify(
    graph: CapturedGraph,
    model_path: str | os.PathLike[str],
    reference: EagerModel,
    prepared: PreparedInputs,
    check_inputs: Sequence[Eager] = (),
    *,
    seed: int = 0,
    budget_cases: int = 8,
    asked: Asked = USUAL,
    explain: bool = True,
    timeout: float | None = None,
) -> Verification:
    """Compares a file in ONNX Runtime with eager PyTorch.

    Args:
        graph: what was captured; it tells which branches a set of inputs takes.
        model_path: the file.
        reference: runs the user's model in PyTorch on flat inputs; gives flat outputs.
        prepared: the inputs of the export.
        check_inputs: further inputs, each in the form of the export's `inputs`.
        seed: for the inputs that are made.
        budget_cases: how many sets of inputs to make at least, for a small model.
        asked: the tolerances that the user asked for.
        explain: whether values in the file have the names of those in the graph, so that the first
            one that is wrong can be looked for.
        timeout: the seconds that a run of the file has, with what PyTorch's own time adds to them;
            None for a minute.

    Returns:
        Every comparison, and what no comparison reached.

    Raises:
        UsageError: when one of `check_inputs` does not fit the model's inputs, or the model
            raises on it.
        ModelError: when the model raises on the example inputs.
    """
    cases = list(user_cases(prepared, check_inputs))
    if not available():
        return Verification(
            ran=False,
            message=f"ONNX Runtime is not installed; {INSTALL_HINT}",
        )
    verifier = _Verifier(graph, model_path, reference, asked, explain, timeout)
    return verifier.run(cases, prepared, seed, budget_cases)


class _Verifier:
    """The comparisons of one file."""

    def __init__(
        self,
        graph: CapturedGraph,
        model_path: str | os.PathLike[str],
        reference: EagerModel,
        asked: Asked,
        explain: bool,
        timeout: float | None,
    ) -> None:
        self._graph = graph
        self._path = model_path
        self._reference = reference
        self._specs = [spec for spec in graph.outputs if spec.of_model]
        self._working = working_dtype(graph)
        self._asked = asked
        self._random = draws_numbers(graph)
        self._vectors = bool(vector_nodes(graph))
        self._coverage = Coverage.of(graph)
        self._result = Verification(ran=True, tolerances=str(asked))
        self._limit = TimeLimit(timeout)
        self._fault = FirstFault(
            self._result, graph, model_path, self._working, asked, self._limit, explain
        )
        self._refusal = ""
        self._checks = ReferenceChecks(graph)
        self._graph_checks = GraphChecks(graph)
        self._excuses = Excuses(graph, self._eager, self._note)
        self._guards = GuardCheck(graph)
        self._sizes = TriedSizes()
        self._long: list[str] = []
        self._starts = Starts()
        self._ways = ForcedWays(
            graph,
            model_path,
            Check(
                self._eager, self._add, self._note, self._limit, not self._random, explain, asked
            ),
        )

    def run(
        self, user_cases: Sequence[Case], prepared: PreparedInputs, seed: int, budget: int
    ) -> Verification:
        """All comparisons, the user's first."""
        try:
            self._session = OrtSession(self._path)
        except RuntimeFailure as failure:
            if failure.lacking:
                return Verification(ran=False, message=failure.message)
            self._add(VerifiedCase("loading the file", False, message=failure.message))
            if isinstance(failure, RuntimeCrash):
                self._fault.crash(user_cases[0].inputs if user_cases else [])
            return self._result
        if self._random:
            self._note("the model draws random numbers: only dtypes and ranks were compared")
        for case in user_cases:
            self._compare(case, _USER_ITERATIONS)
        elements = sum(torch.Size(hint).numel() for hint in prepared.hints)
        effort = effort_for(self._graph, elements, budget)
        maker = CaseMaker(self._graph, prepared, seed, effort)
        if any(case.label == EXAMPLE_LABEL for case in user_cases):
            self._sizes.compared.append(maker.example_sizes)
        if self._graph.state:
            self._compare_calls(user_cases, maker)
        compared = 0
        for case in maker.of_profiles(self._note):
            if not self._compare(case, effort.max_trips):
                self._note(f"{case.label}: nothing was compared" + self._why_not(case))
        for case in maker.standard():
            if compared == effort.cases:
                break
            compared += self._compare(case, effort.max_trips)
        self._say_unmoved(maker, effort.max_trips)
        if self._guards.checked:
            self._compare_outside(maker)
        trips = TripLimit(effort.max_trips)
        self._search(self._by_sizes(maker), trips)
        self._search(self._by_margins(maker, effort.steps), trips)
        self._search(maker.searching(effort.tries), trips)
        agrees = self._result.ok
        self._ways.run(
            self._coverage,
            self._starts,
            effort.forced,
            trips,
            maker.fixed,
            effort.steps // 2,
            maker.of_one_sign(),
        )
        if agrees:
            self._result.location = self._ways.wrong_at
        return self._summed_up()

    def _compare_calls(self, user_cases: Sequence[Case], maker: CaseMaker) -> None:
        """Calls in a row, each side fed the state that it has left itself."""
        state = StepByStep(self._graph)
        own = len(self._graph.inputs) - len(self._graph.state)
        steps = step_inputs(user_cases, maker.other_values(), own)
        for k, inputs in enumerate(steps, 1):
            case = Case(f"call {k} of {len(steps)} in a row", [*inputs, *state.eager])
            if refused(self._graph, case.inputs):
                self._note(f"{case.label} was left out: its sizes do not fit the state by then")
                continue
            try:
                expected = self._eager(case.inputs)
                got = self._run_file([*inputs, *state.file])
            except RuntimeCrash as crash:
                self._crashed(case, crash)
                return
            except RuntimeOverdue as overdue:
                self._overdue(case, overdue)
                return
            except RuntimeFailure as failure:
                self._add(VerifiedCase(case.label, False, message=failure.message))
                return
            except TripsExceeded as exceeded:
                self._note(f"{case.label}: nothing was compared: {exceeded.message}")
                return
            except Exception as error:  # the user's model may raise anything
                self._note(f"{case.label}: PyTorch raises {type(error).__name__}: {error}")
                return
            differences = self._differences(case, expected, got)
            ok = all(difference.ok for difference in differences)
            if not ok and self._excuses.hold(case, expected, got, differences):
                state.keep(expected, expected)
                continue
            self._add(VerifiedCase(case.label, ok, differences, _first_message(differences)))
            if not ok:
                self._explain(case, expected, got)
                return
            with contextlib.suppress(Exception):  # what the graph says to these inputs is no matter
                self._coverage.seen |= self._observe(case, _USER_ITERATIONS)
            state.keep(expected, got)

    def _run_file(self, inputs: Sequence[Eager]) -> list[Eager]:
        try:
            got = self._session.run(self._graph.by_name(inputs), self._limit.seconds)
        except RuntimeOverdue:
            self._limit.exceeded()
            raise
        for spec, value in zip(self._graph.outputs, got, strict=True):
            if spec.exceeded and bool(value):
                raise TripsExceeded(exceeded_text(self._graph))
        return without_padding(self._graph.outputs, got)

    def _differences(
        self, case: Case, expected: list[Eager], got: list[Eager]
    ) -> tuple[OutputDifference, ...]:
        differences = self._as_they_are(case, expected, got)
        if not self._vectors or all(difference.ok for difference in differences):
            return differences
        again = with_file_vectors(lambda: self._eager(case.inputs), self._limit.seconds)
        if again is None:
            return differences
        others = self._as_they_are(case, again, got)
        if not all(difference.ok for difference in others):
            return differences
        self._note(UNDEFINED_SIGNS)
        return others

    def _as_they_are(
        self, case: Case, expected: list[Eager], got: list[Eager], asked: Asked | None = None
    ) -> tuple[OutputDifference, ...]:
        return compare_outputs(
            self._specs,
            expected,
            got,
            self._working,
            largest(case.inputs),
            values=not self._random,
            asked=self._asked if asked is None else asked,
        )

    def _why_not(self, case: Case) -> str:
        begin = f"with {case.label}, "
        return f": {self._refusal[len(begin) :]}" if self._refusal.startswith(begin) else ""

    def _search(self, cases: Iterator[Case], trips: TripLimit) -> None:
        """Compares on those cases that reach something new."""
        while not self._coverage.complete():
            case = next(cases, None)
            if case is None:
                return
            most = trips.trips
            try:
                seen = self._observe(case, most)
            except TooManyIterations:
                trips.exceeded()
                continue
            except Exception:  # made inputs may be anything to the model
                continue
            if self._coverage.is_news(seen):
                self._compare(case, most)

    def _by_sizes(self, maker: CaseMaker) -> Iterator[Case]:
        """Inputs of sizes that lead to what was not reached, where sizes decide it."""
        for site, goal in self._coverage.missing():
            yield from maker.of_sizes([*ways_to(site.control), (site.control, goal)])

    def _by_margins(self, maker: CaseMaker, steps: int) -> Iterator[Case]:
        """Inputs moved towards what was not reached, as far as the graph says where that is."""
        towards = Towards(self._graph, maker.fixed, steps, self._graph_checks)
        for site, goal in self._coverage.missing():
            for start in self._starts.before(ways_to(site.control)):
                values = towards.found((site.path, goal), start.inputs)
                if values is not None:
                    where = site.location.short if site.location is not None else site.kind
                    label = f"{start.label}; moved to reach {where} {goal}"
                    yield dataclasses.replace(start, label=label, inputs=values, made=True)
                    break

    def _observe(self, case: Case, max_trips: int) -> set[Reached]:
        with self._graph_checks():
            return observe(self._graph, copies(case.inputs), max_trips)

    def _compare(self, case: Case, max_trips: int) -> bool:
        """Compares on one case; False when that was not possible."""
        seen: set[Reached] = set()
        if self._coverage.sites:
            # First of all: made inputs may send a loop of the model round for ever.
            try:
                seen = self._observe(case, max_trips)
            except TooManyIterations:
                if case.made:
                    self._long.append(case.label)
                    return False
            except Exception:
                seen = set()  # what PyTorch says to these inputs counts, see below
        try:
            expected = self._eager(case.inputs) if case.made else self._called(case.inputs)
        except Exception as error:  # the user's model may raise anything
            if not case.made:
                raise model_error(case, error) from error
            if isinstance(error, RunsOn):
                self._long.append(case.label)
                return False
            text = f"PyTorch itself raises {type(error).__name__}: {error}"
            self._refusal = f"with {case.label}, {text}"
            self._sizes.raised.append(case.sizes)
            self._hold_to_guard(case, max_trips, type(error).__name__)
            return False
        refusal = "" if case.made else refused(self._graph, case.inputs)
        if refusal:
            self._add(VerifiedCase(case.label, False, message=refusal))
            return True
        if self._compare_with(case, expected):
            self._coverage.seen |= seen
            self._starts.add(case, seen)
            self._sizes.compared.append(case.sizes)
            return True
        return False

    def _compare_with(self, case: Case, expected: list[Eager]) -> bool:
        """Runs the file; False when the case tells nothing."""
        try:
            got = self._run_file(case.inputs)
        except TripsExceeded as failure:
            if case.made:
                self._note(f"{case.label}: nothing was compared: {failure.message}")
                return False
            self._add(VerifiedCase(case.label, False, message=failure.message))
            return True
        except RuntimeCrash as crash:
            return self._crashed(case, crash)
        except RuntimeOverdue as overdue:
            return self._overdue(case, overdue)
        except RuntimeFailure as failure:
            guard = self._guards.failed(failure)
            if guard and case.made and not says_it_raises(guard):
                text = "not compared, outside of what the file takes for granted"
                self._note(f"{case.label}: {text}: {guard}")
                return False
            if case.empty and not guard:
                self._note(f"{case.label}: {failure.message}; PyTorch accepts these sizes")
                return False
            message = f"the file refuses what PyTorch takes: {guard}" if guard else failure.message
            self._add(VerifiedCase(case.label, False, message=message))
            if not guard:
                self._explain(case, expected)
            return True
        differences = self._differences(case, expected, got)
        ok = all(difference.ok for difference in differences)
        if not ok and self._excuses.hold(case, expected, got, differences):
            agreed = tuple(difference for difference in differences if difference.ok)
            if agreed:
                self._add(VerifiedCase(case.label, True, agreed, "other outputs: see the notes"))
            return bool(agreed)
        self._add(VerifiedCase(case.label, ok, differences, _first_message(differences)))
        if not ok:
            self._explain(case, expected, got)
        return True

    def _crashed(self, case: Case, crash: RuntimeCrash) -> bool:
        """A crash is a disagreement, unless the machine is too small for inputs that were made."""
        text = crash_text(crash, case, self._graph)
        if crash.from_outside and case.made:
            self._note(f"{case.label}: nothing was compared: {text}")
            return False
        self._add(VerifiedCase(case.label, False, message=text))
        if not crash.from_outside:
            self._fault.crash(case.inputs)
        return True

    def _overdue(self, case: Case, overdue: RuntimeOverdue) -> bool:
        """A file that does not come to its end is a disagreement: PyTorch does."""
        text = overdue_text(overdue, self._limit.took, case, self._graph)
        self._add(VerifiedCase(case.label, False, message=text))
        self._fault.endless(case.inputs)
        return True

    def _hold_to_guard(self, case: Case, max_trips: int, error: str) -> None:
        """Where PyTorch raises, and the contract says so, the file must raise too."""
        if not self._guards.may_ask():
            return
        try:
            self._observe(case, max_trips)
            return
        except GuardError as guard:
            said = guard.message
        except Exception:  # neither the graph nor its contract says anything of these inputs
            return
        if self._answers(case):
            text = f"PyTorch raises {error}, and the file answers in spite of its guard: {said}"
            self._add(VerifiedCase(case.label, False, message=text))

    def _answers(self, case: Case) -> bool:
        """Whether the file gives anything for these inputs."""
        try:
            self._run_file(case.inputs)
        except RuntimeCrash as crash:
            text = crash_text(crash, case, self._graph)
            self._note(f"{case.label}: {text}, outside of what the file takes for granted")
            return False
        except RuntimeOverdue as overdue:
            text = f"{overdue.message}, outside of what it takes for granted"
            self._note(f"{case.label}: {text}")
            return False
        except (RuntimeFailure, TripsExceeded):
            return False
        return True

    def _compare_outside(self, maker: CaseMaker) -> None:
        """Sizes that the contract excludes: the file must not answer."""
        for needed, case in maker.outside():
            if self._answers(case):
                text = f"the file gives an answer, although it needs {needed}"
                self._add(VerifiedCase(case.label, False, message=text))

    def _say_unmoved(self, maker: CaseMaker, max_trips: int) -> None:
        """Notes dimensions of which one size alone could be compared, since PyTorch raises."""
        for name in self._sizes.never_moved():
            for case in maker.moved_alone(name):
                self._compare(case, max_trips)
            text = self._sizes.unmoved_text(name)
            if text:
                self._note(text)

    def _called(self, inputs: Sequence[Eager]) -> list[Eager]:
        """PyTorch's outputs; inputs and the random state are left as they are."""
        seeded = torch.random.fork_rng(devices=[])
        with seeded, torch.no_grad(), self._checks(), self._limit.timed():
            return list(self._reference(copies(inputs)))

    def _eager(self, inputs: Sequence[Eager]) -> list[Eager]:
        """The same for inputs that were made, on which the model may run for ever."""
        with interrupted_after(self._limit.seconds):
            return self._called(inputs)

    def _add(self, case: VerifiedCase) -> None:
        self._result.cases.append(case)
        if not case.ok and not self._result.message:
            self._result.message = f"{case.label}: {case.message}"

    def _explain(self, case: Case, expected: list[Eager], got: list[Eager] | None = None) -> None:
        """Says once where the first disagreement starts."""
        alone = False
        if got and self._asked:
            alone = all(one.ok for one in self._as_they_are(case, expected, got, USUAL))
        self._fault.difference(case.inputs, expected, by_asked_alone=alone)

    def _note(self, text: str) -> None:
        if text not in self._result.notes:
            self._result.notes.append(text)

    def _summed_up(self) -> Verification:
        result = self._result
        if not result.cases:
            result.ran = False
            result.message = self._refusal or "no inputs could be made"
            result.notes.append("give example inputs that the model accepts, or check_inputs")
            return result
        if self._long:
            labels = "; ".join(dict.fromkeys(self._long))
            result.notes.append(f"not compared, since loops make too many iterations: {labels}")
        result.goals = self._coverage.goals(self._ways.outcomes)
        self._coverage.seen |= self._ways.compared()
        result.uncovered = self._coverage.uncovered(self._ways.outcomes)
        return result


def _first_message(differences: Sequence[OutputDifference]) -> str:
    wrong = next((d for d in differences if not d.ok), None)
    return "" if wrong is None else f"output {wrong.name!r}: {wrong.message}"
