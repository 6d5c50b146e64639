"""Files that do not come to their end: what is said of them, and the loop that goes on and on.

In a copy of the file each loop makes at most one iteration more than in the graph's run on the same
inputs. So the copy ends, and can be compared with the graph.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch

from fxexport.graph.captured import CapturedGraph, source_of
from fxexport.graph.paths import Path
from fxexport.graph.values import Eager
from fxexport.targets.onnxruntime.session import RuntimeFailure, RuntimeOverdue
from fxexport.verify.body_values import FileValues
from fxexport.verify.cases import Case
from fxexport.verify.coverage import MOST_TRIPS, TooManyIterations, watch
from fxexport.verify.crashes import on_sizes
from fxexport.verify.diagnosis import Diagnosis, first_difference
from fxexport.verify.forced.controls import Control, Switch, controls_of
from fxexport.verify.reference import copies
from fxexport.verify.tolerance import Asked
from fxexport.verify.unchecked import checked

__all__ = ["overdue_text", "where_it_runs_on"]


def overdue_text(overdue: RuntimeOverdue, took: float, case: Case, graph: CapturedGraph) -> str:
    """What is said of a file that did not end in time.

    Args:
        overdue: the error.
        took: the seconds that PyTorch took.
        case: the inputs.
        graph: the captured graph.
    """
    return f"{overdue.message}{on_sizes(case, graph)}; PyTorch took {took:.2g} s"


def where_it_runs_on(
    graph: CapturedGraph,
    file: FileValues,
    inputs: Sequence[Eager],
    working: torch.dtype | None,
    asked: Asked,
    *,
    without: Collection[Switch] = (),
) -> Diagnosis | None:
    """The loop that goes on, and the first wrong value; None where neither can be found.

    Args:
        graph: the captured graph, or one with decisions forced.
        file: what the file computes on the same inputs.
        inputs: they.
        working: the coarsest float dtype in the model.
        asked: the tolerances that the user asked for.
        without: values that are not compared.
    """
    try:
        with checked(graph):
            trips = watch(graph, copies(inputs), MOST_TRIPS).trips
    except TooManyIterations:
        text = f"the captured graph's own loops make more than {MOST_TRIPS} iterations"
        return Diagnosis(text)
    except Exception:  # the graph is what is in doubt
        return None
    loops = [one for one in controls_of(graph.module) if one.kind == "loop"]
    capped = file.capped({one.path: trips.get(one.path, 0) + 1 for one in loops})
    try:
        long = next((one for one in loops if _goes_on(capped, one, trips)), None)
        wrong = first_difference(graph, capped, inputs, working, asked, without=without)
    except RuntimeFailure:
        return None
    if long is None:
        return wrong
    location = source_of(long.node)
    where = f" at {location.short}" if location is not None else ""
    text = f"the loop{where} {_goes_on_text(trips.get(long.path, 0))}"
    if wrong is None:
        return Diagnosis(text, location)
    return Diagnosis(f"{text}; {wrong.text}", wrong.location or location)


def _goes_on(file: FileValues, loop: Control, trips: Mapping[Path, int]) -> bool:
    """Whether a loop begins an iteration that the graph does not have."""
    return trips.get(loop.path, 0) in file.iterations(loop.path)


def _goes_on_text(trips: int) -> str:
    if not trips:
        return "makes iterations, where PyTorch's makes none"
    return f"goes on where PyTorch's ends, after {trips} iteration{'s' * (trips > 1)}"
