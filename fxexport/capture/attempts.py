"""From a Python model to a captured graph: the model runs on fake tensors, as often as it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fxexport.capture.cases import Case
from fxexport.capture.one_attempt import Attempt, Found
from fxexport.capture.request import CaptureRequest, Pins, pinned, refuse_pinned_state
from fxexport.capture.session.refusals import EnoughRefused, MergeRefused, Place
from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, ModelError, UnsupportedError
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.signature import DimRange, InputSpec, StateSpec
from fxexport.report.control_flow import report_captured
from fxexport.report.model import Report

__all__ = ["CaptureRequest", "capture"]

_ATTEMPTS = 16
# How often places may be found where something is not to be merged.
_MOST_PLACES = 12
# How often dimensions may be pinned until all refusals are found.
_ROUNDS = 4


def capture(request: CaptureRequest, report: Report) -> CapturedGraph:
    """Captures a model.

    Args:
        request: the model and its inputs.
        report: gets a finding for everything that is decided here.

    Returns:
        The graph; its inputs are the request's with pinned dimensions made static.

    Raises:
        UnsupportedError: something in the model cannot be kept.
        ModelError: the model itself raised.
    """
    inputs = list(request.inputs)
    state: list[StateSpec] = []
    cases: tuple[Case, ...] = ()
    for _ in range(_ATTEMPTS):
        attempt = Report()
        found = _attempted(request, inputs, state, attempt, cases)
        if found.pins:
            refuse_pinned_state(state, found.pins)
            inputs = pinned(request, inputs, found.pins, report)
            cases = ()
        elif found.unread:
            request = dataclasses.replace(request, unread=request.unread | found.unread)
        elif found.case is not None:
            cases = (*cases, found.case)
        elif found.state != state:
            state = found.state
        else:
            report.take(attempt.findings)
            report_captured(report, found.graph)
            return found.graph
    raise UnsupportedError(
        "the dimensions that must be static, and the state, do not settle", code=Code.SIZE_DECIDES
    )


def _attempted(
    request: CaptureRequest,
    inputs: Sequence[InputSpec],
    state: Sequence[StateSpec],
    report: Report,
    cases: Sequence[Case],
) -> Found:
    """One attempt; where the model raises, dimensions of size 1 in the example may be the reason.

    A dynamic dimension is taken to be another size than 1, which decides how it broadcasts.
    """
    try:
        return Attempt(request, inputs, state, report, cases).run()
    except UnsupportedError as error:
        found = _with_choices(request, inputs, state, report, cases, error)
        if found is not None:
            return found
        error.others = _all_refused(request, inputs, state, cases, error)
        raise
    except ModelError as error:
        ones = [
            dim.name
            for spec, sizes in zip(inputs, request.hints, strict=True)
            for dim, size in zip(spec.shape, sizes, strict=True)
            if isinstance(dim, DimRange) and dim.name in request.pinnable and size < 2
        ]
        for held in dict.fromkeys([*((name,) for name in ones), tuple(ones)] if ones else []):
            pins: Pins = dict.fromkeys(held, (None, error.location))
            tried = pinned(request, inputs, pins, Report())
            try:
                found = Attempt(request, tried, state, Report()).run()
            except (ModelError, UnsupportedError):
                continue
            found.pins = {**pins, **found.pins}
            return found
        raise


def _with_choices(
    request: CaptureRequest,
    inputs: Sequence[InputSpec],
    state: Sequence[StateSpec],
    report: Report,
    cases: Sequence[Case],
    error: UnsupportedError,
) -> Found | None:
    """Another attempt, in which what has two names or ranks on some paths is not merged.

    It is a choice there.

    Merging is cheaper, and nearly always right: so it is tried first.

    Returns:
        None where that is of no help.
    """
    apart: frozenset[Place] = frozenset()
    for _ in range(_MOST_PLACES):
        places = frozenset().union(
            *(one.places for one in (error, *error.others) if isinstance(one, MergeRefused))
        )
        if places <= apart:
            return None
        apart |= places
        said = Report()
        try:
            found = Attempt(request, inputs, state, said, cases, apart=apart).run()
        except UnsupportedError as again:
            error = again
            continue
        except ModelError:
            return None
        report.findings[:] = said.findings
        return found
    return None


def _all_refused(
    request: CaptureRequest,
    inputs: Sequence[InputSpec],
    state: Sequence[StateSpec],
    cases: Sequence[Case],
    error: UnsupportedError,
) -> tuple[FxExportError, ...]:
    """What else is refused: the model runs once more, and goes on where it was refused."""
    found: list[FxExportError] = []
    for _ in range(_ROUNDS):
        attempt = Attempt(request, inputs, state, Report(), cases, going_on=True)
        try:
            again = attempt.run()
            inputs = pinned(request, inputs, again.pins, Report())
        except UnsupportedError as refused:
            found += [refused, *refused.others]
            break
        except (Exception, EnoughRefused):  # it follows from what was refused before
            found += attempt.session.refusals
            break
        if not again.pins:
            break
    told = {str(one): one for one in (error, *found, *error.others)}
    return tuple(told.values())[1:]
