"""What PyTorch's own failure on the user's inputs is: an error of the model or of the call."""

from __future__ import annotations

from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, ModelError, UsageError
from fxexport.graph.captured import CapturedGraph
from fxexport.source.frames import frames_of_traceback
from fxexport.verify.cases import Case

__all__ = ["TripsExceeded", "exceeded_text", "model_error"]


def model_error(case: Case, error: Exception) -> FxExportError:
    """The error for a model that raises in plain PyTorch on inputs that the user gave.

    Args:
        case: the inputs.
        error: what the model raised.
    """
    location = next(iter(frames_of_traceback(error.__traceback__)), None)
    raised = type(error).__name__ + (f": {error}" if str(error) else "")
    if case.check_entry:
        return UsageError(
            f"{case.check_entry}: the model raises {raised}",
            location=location,
            hint="give inputs to check that the model takes in PyTorch",
        )
    return ModelError(
        f"on the example inputs the model raises {raised}",
        location=location,
        hint="give example inputs that the model takes in PyTorch, or only their shapes and dtypes",
    )


class TripsExceeded(FxExportError):
    """A loop was cut short at `max_trips`: what the file gives are not the model's results."""

    kind = Code.RUNTIME_FAILS


def exceeded_text(graph: CapturedGraph) -> str:
    """What `TripsExceeded` says: the bound, and the lines of the loops that have it."""
    locations = [location.describe() for location in dict.fromkeys(graph.capped) if location]
    where = f" ({', '.join(locations)})" if locations else ""
    return f"a loop makes more than max_trips={graph.max_trips} iterations{where}"
