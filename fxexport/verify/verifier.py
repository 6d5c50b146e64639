"""Runs the comparisons of one file and sums them up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from fxexport.errors import UsageError
from fxexport.graph.captured import CapturedGraph
from fxexport.inputs import PreparedInputs
from fxexport.inputs.checking import check_shape
from fxexport.outputs import without_padding
from fxexport.report.model import OutputDifference, Verification, VerifiedCase
from fxexport.targets.onnxruntime import INSTALL_HINT, RuntimeFailure, Session, available
from fxexport.verify.calls import StepByStep, step_inputs
from fxexport.verify.cases import Case, CaseMaker, effort_for
from fxexport.verify.compare import compare_outputs, largest
from fxexport.verify.coverage import Coverage, TooManyTrips, observe
from fxexport.verify.diagnosis import diagnose
from fxexport.verify.failures import TripsExceeded, exceeded_text, model_error
from fxexport.verify.sizes import broken_constraint
from fxexport.verify.stability import is_unstable, random_nodes
from fxexport.verify.ties import trace_ties
from fxexport.verify.tolerance import working_dtype
from fxexport.verify.unchecked import checked

__all__ = ["verify"]

Reference = Callable[[list[Any]], Sequence[Any]]

# The user's own inputs may loop for long; beyond this, what they reach is not followed.
_USER_TRIPS = 100_000


def verify(
    graph: CapturedGraph,
    model_path: str | os.PathLike[str],
    reference: Reference,
    prepared: PreparedInputs,
    check_inputs: Sequence[Any] = (),
    *,
    seed: int = 0,
    budget_cases: int = 8,
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

    Returns:
        Every comparison, and what no comparison reached.

    Raises:
        UsageError: when one of `check_inputs` does not fit the model's inputs, or the model
            raises on it.
        ModelError: when the model raises on the example inputs.
    """
    user_cases = list(_user_cases(prepared, check_inputs))
    if not available():
        return Verification(
            ran=False,
            message=f"nothing was compared: ONNX Runtime is not installed; {INSTALL_HINT}",
        )
    return _Verifier(graph, model_path, reference).run(user_cases, prepared, seed, budget_cases)


def _user_cases(prepared: PreparedInputs, check_inputs: Sequence[Any]) -> Iterator[Case]:
    """The example, where it has data, and what the user gave to check."""
    if all(value is not None for value in prepared.examples):
        yield Case("example inputs", list(prepared.examples), made=False)
    for k, inputs in enumerate(check_inputs, 1):
        try:
            values = prepared.flatten(inputs)
        except UsageError as error:
            raise UsageError(f"check_inputs, entry {k}: {error.message}", hint=error.hint) from None
        yield Case(f"check inputs {k}", values, made=False, check_entry=k)


class _Verifier:
    """The comparisons of one file."""

    def __init__(
        self, graph: CapturedGraph, model_path: str | os.PathLike[str], reference: Reference
    ) -> None:
        self._graph = graph
        self._path = model_path
        self._reference = reference
        self._specs = [spec for spec in graph.outputs if spec.of_model]
        self._working = working_dtype(graph)
        self._random = bool(random_nodes(graph))
        self._coverage = Coverage.of(graph)
        self._result = Verification(ran=True)
        self._refusal = ""

    def run(
        self, user_cases: Sequence[Case], prepared: PreparedInputs, seed: int, budget: int
    ) -> Verification:
        """All comparisons, the user's first."""
        try:
            self._session = Session(self._path)
        except RuntimeFailure as failure:
            self._add(VerifiedCase("loading the file", False, message=failure.message))
            return self._result
        if self._random:
            self._note("the model draws random numbers: only dtypes and ranks were compared")
        for case in user_cases:
            self._compare(case, _USER_TRIPS)
        elements = sum(torch.Size(hint).numel() for hint in prepared.hints)
        effort = effort_for(self._graph, elements, budget)
        maker = CaseMaker(self._graph, prepared, seed, effort)
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
        self._search(maker.searching(effort.tries), effort.max_trips)
        return self._summed_up()

    def _compare_calls(self, user_cases: Sequence[Case], maker: CaseMaker) -> None:
        """Calls in a row, each side fed the state that it has left itself."""
        state = StepByStep(self._graph)
        own = len(self._graph.inputs) - len(self._graph.state)
        steps = step_inputs(user_cases, maker.other_values(), own)
        for k, inputs in enumerate(steps, 1):
            case = Case(f"call {k} of {len(steps)} in a row", [*inputs, *state.eager])
            if self._refused(case):
                self._note(f"{case.label} was left out: its sizes do not fit the state by then")
                continue
            try:
                expected = self._eager(case.inputs)
                got = self._run_file([*inputs, *state.file])
            except RuntimeFailure as failure:
                self._add(VerifiedCase(case.label, False, message=failure.message))
                return
            except Exception as error:  # the user's model may raise anything
                self._note(f"{case.label}: PyTorch raises {type(error).__name__}: {error}")
                return
            differences = self._differences(case, expected, got)
            ok = all(difference.ok for difference in differences)
            if not ok and self._excused(case, expected, got, differences):
                state.keep(expected, expected)
                continue
            self._add(VerifiedCase(case.label, ok, differences, _first_message(differences)))
            if not ok:
                self._explain(case, expected)
                return
            self._coverage.seen |= self._observed(case, _USER_TRIPS) or set()
            state.keep(expected, got)

    def _run_file(self, inputs: Sequence[Any]) -> list[torch.Tensor]:
        names = (spec.name for spec in self._graph.inputs)
        got = self._session.run(dict(zip(names, inputs, strict=True)))
        for spec, value in zip(self._graph.outputs, got, strict=True):
            if spec.exceeded and bool(value):
                raise TripsExceeded(exceeded_text(self._graph))
        return without_padding(self._graph.outputs, got)

    def _differences(
        self, case: Case, expected: list[Any], got: list[torch.Tensor]
    ) -> tuple[OutputDifference, ...]:
        return compare_outputs(
            self._specs,
            expected,
            got,
            self._working,
            largest(case.inputs),
            values=not self._random,
        )

    def _why_not(self, case: Case) -> str:
        begin = f"with {case.label}, "
        return f": {self._refusal[len(begin) :]}" if self._refusal.startswith(begin) else ""

    def _search(self, cases: Iterator[Case], max_trips: int) -> None:
        """Compares on those cases that reach something new."""
        while not self._coverage.complete():
            case = next(cases, None)
            if case is None:
                return
            seen = self._observed(case, max_trips)
            if seen is not None and self._coverage.is_news(seen):
                self._compare(case, max_trips)

    def _observed(self, case: Case, max_trips: int) -> set[Any] | None:
        """What the graph does with a case; None when it fails or does not end."""
        try:
            return self._observe(case, max_trips)
        except TooManyTrips:
            return None
        except Exception:  # made inputs may be anything to the model
            return None

    def _observe(self, case: Case, max_trips: int) -> set[Any]:
        with checked(self._graph):
            return observe(self._graph, copied(case.inputs), max_trips)

    def _compare(self, case: Case, max_trips: int) -> bool:
        """Compares on one case; False when that was not possible."""
        seen: set[Any] = set()
        if self._coverage.sites:
            # First of all: made inputs may send a loop of the model round for ever.
            try:
                seen = self._observe(case, max_trips)
            except TooManyTrips:
                if case.made:
                    return False
            except Exception:
                seen = set()  # what PyTorch says to these inputs counts, see below
        try:
            expected = self._eager(case.inputs)
        except Exception as error:  # the user's model may raise anything
            if not case.made:
                raise model_error(case, error) from error
            text = f"PyTorch itself raises {type(error).__name__}: {error}"
            self._refusal = f"with {case.label}, {text}"
            return False
        refusal = "" if case.made else self._refused(case)
        if refusal:
            self._add(VerifiedCase(case.label, False, message=refusal))
            return True
        if self._compare_with(case, expected):
            self._coverage.seen |= seen
            return True
        return False

    def _compare_with(self, case: Case, expected: list[Any]) -> bool:
        """Runs the file; False when the case tells nothing."""
        try:
            got = self._run_file(case.inputs)
        except TripsExceeded as failure:
            if case.made:
                self._note(f"{case.label}: nothing was compared: {failure.message}")
                return False
            self._add(VerifiedCase(case.label, False, message=failure.message))
            return True
        except RuntimeFailure as failure:
            if case.empty:
                self._note(f"{case.label}: {failure.message}; PyTorch accepts these sizes")
                return False
            self._add(VerifiedCase(case.label, False, message=failure.message))
            self._explain(case, expected)
            return True
        differences = self._differences(case, expected, got)
        ok = all(difference.ok for difference in differences)
        if not ok and self._excused(case, expected, got, differences):
            agreed = tuple(difference for difference in differences if difference.ok)
            if agreed:
                self._add(VerifiedCase(case.label, True, agreed, "other outputs: see the notes"))
            return bool(agreed)
        self._add(VerifiedCase(case.label, ok, differences, _first_message(differences)))
        if not ok:
            self._explain(case, expected)
        return True

    def _excused(
        self,
        case: Case,
        expected: list[Any],
        got: list[torch.Tensor],
        differences: tuple[OutputDifference, ...],
    ) -> bool:
        """Whether nothing defines the results that differ; noted then."""
        names = ", ".join(d.name for d in differences if not d.ok)
        if len(expected) != len(got) or self._random:
            return False
        if self._is_fickle(case, expected):
            return False
        ties = self._ties_behind(case, expected, got, differences)
        if ties:
            self._note(
                f"{case.label}: {names} not comparable: ties at {'; '.join(ties)} "
                "(equal elements have no defined order)"
            )
            return True
        if is_unstable(self._eager, case.inputs, expected, got, differences, self._working):
            self._note(
                f"{case.label}: {names} not compared: PyTorch's own result changes as much when "
                "its inputs change by a rounding error"
            )
            return True
        return False

    def _is_fickle(self, case: Case, expected: list[Any]) -> bool:
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
        expected: list[Any],
        got: list[torch.Tensor],
        differences: tuple[OutputDifference, ...],
    ) -> list[str]:
        """The ties that all results that differ hang on; none if one of them hangs on no tie."""
        try:
            traced = [
                result
                for spec, result in zip(
                    self._graph.outputs, trace_ties(self._graph, copied(case.inputs)), strict=True
                )
                if spec.of_model
            ]
        except Exception:  # a graph that fails here is a failure, and is explained as such
            return []
        found: set[str] = set()
        for difference, want, have, result in zip(differences, expected, got, traced, strict=True):
            if difference.ok:
                continue
            same_shape = not isinstance(want, torch.Tensor) or want.shape == have.shape
            ties = result.ties if same_shape else result.shape_ties
            if not ties:
                return []
            found |= ties
        return sorted(found)

    def _eager(self, inputs: Sequence[Any]) -> list[Any]:
        """PyTorch's outputs; inputs and the random state are left as they are."""
        with torch.random.fork_rng(devices=[]), torch.no_grad(), checked(self._graph):
            return list(self._reference(copied(inputs)))

    def _refused(self, case: Case) -> str:
        """Why the file does not take the user's inputs; empty when it does."""
        sizes: dict[str, int] = {}
        for spec, value in zip(self._graph.inputs, case.inputs, strict=True):
            if isinstance(value, torch.Tensor):
                try:
                    check_shape(spec, tuple(value.shape), sizes)
                except UsageError as error:
                    return f"the file does not take these inputs: {error.message}"
        broken = broken_constraint(self._graph.constraints, sizes)
        return f"the file does not take these sizes: it needs {broken}" if broken else ""

    def _add(self, case: VerifiedCase) -> None:
        self._result.cases.append(case)
        if not case.ok and not self._result.message:
            self._result.message = f"{case.label}: {case.message}"

    def _explain(self, case: Case, expected: list[Any]) -> None:
        """Says once where the first disagreement starts."""
        wrong = [c for c in self._result.cases if not c.ok]
        if len(wrong) > 1:
            return
        found = diagnose(self._graph, self._path, copied(case.inputs), expected, self._working)
        self._result.message += f"; {found.text}"
        self._result.location = found.location

    def _note(self, text: str) -> None:
        if text not in self._result.notes:
            self._result.notes.append(text)

    def _summed_up(self) -> Verification:
        result = self._result
        if not result.cases:
            result.ran = False
            result.message = "nothing could be compared" + (
                f": {self._refusal}" if self._refusal else ""
            )
            result.notes.append("give example inputs that the model accepts, or check_inputs")
            return result
        result.uncovered = self._coverage.uncovered()
        return result


def copied(inputs: Sequence[Any]) -> list[Any]:
    """Inputs that a model may write into."""
    return [
        v.detach().clone()
        if isinstance(v, torch.Tensor)
        else (copied(v) if isinstance(v, list) else v)
        for v in inputs
    ]


def _first_message(differences: Sequence[OutputDifference]) -> str:
    wrong = next((d for d in differences if not d.ok), None)
    return "" if wrong is None else f"output {wrong.name!r}: {wrong.message}"
