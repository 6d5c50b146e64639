"""What PyTorch's own failure on the user's inputs is: an error of the model or of the call."""

from __future__ import annotations

from fxexport.capture.frames import frames_of_traceback
from fxexport.errors import FxExportError, ModelError, UsageError
from fxexport.verify.cases import Case

__all__ = ["model_error"]


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
            f"check_inputs, entry {case.check_entry}: the model raises {raised}",
            location=location,
            hint="give inputs to check that the model takes in PyTorch",
        )
    return ModelError(
        f"on the example inputs the model raises {raised}",
        location=location,
        hint="give example inputs that the model takes in PyTorch, or only their shapes and dtypes",
    )
