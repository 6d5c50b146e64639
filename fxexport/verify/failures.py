"""The errors of a check: the model raises, the file disagrees, too little was compared."""

from __future__ import annotations

import torch

from fxexport.codes.ids import Code
from fxexport.errors import (
    CoverageError,
    FxExportError,
    ModelError,
    UsageError,
    VerificationError,
)
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.marks import TOOK_RANK
from fxexport.graph.user_functions import UserFunction
from fxexport.lowering.registry import operator_name, user_lowering
from fxexport.report.model import Verification
from fxexport.source.frames import frames_of_traceback
from fxexport.verify.cases import Case

__all__ = ["TripsExceeded", "disagreement", "exceeded_text", "model_error", "too_little_compared"]


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


def disagreement(
    verification: Verification, graph: CapturedGraph, kept: str = ""
) -> VerificationError:
    """The error, with what the user can do.

    Args:
        verification: what was compared.
        graph: what the file was written from.
        kept: where the file is.
    """
    if "does not take these sizes" in verification.message:
        hint = "the relations in the report say what the file takes for granted"
    elif "ONNX Runtime crashed (" in verification.message:
        hint = (
            "whoever runs the file so loses the process; a range keeps sizes out, as in "
            '--dynamic "x:0=batch[1..64]"; please report it with the model'
        )
    elif "did not come to its end within" in verification.message:
        hint = (
            "this is a bug of fxexport: please report it with the model; where the file is right "
            "and slow, give it more time (--verify-timeout, verify_timeout)"
        )
    elif "ONNX Runtime's process was ended (" in verification.message:
        hint = "free some memory, or export with --no-verify (verify=False)"
    elif by_user := _forms_by_the_user(graph):
        hint = f"check the ONNX forms that were given for {', '.join(by_user)}"
    elif line := _line_of_taken_rank(graph):
        hint = (
            f"if this is about a tensor without elements: at {line} one has the rank of the other "
            "path; make it of that rank, x.new_zeros((0, 4)). Otherwise this is a bug of fxexport: "
            "please report it with the model"
        )
    else:
        hint = "this is a bug of fxexport: please report it with the model"
    return VerificationError(
        f"the file does not agree with PyTorch: {verification.message}"
        + (f"; it was kept as {kept}" if kept else ""),
        location=verification.location,
        hint=hint,
    )


def too_little_compared(
    verification: Verification, wanted: float | None, kept: str = ""
) -> CoverageError | None:
    """The error where less of the control flow was compared than is wanted.

    Args:
        verification: what was compared.
        wanted: how much should have been, in percent; None for nothing in particular.
        kept: where the file is.

    Returns:
        None where enough was.
    """
    if wanted is None or (verification.ran and verification.coverage >= wanted):
        return None
    if not verification.ran:
        text = f"nothing was compared because {verification.message.rstrip('.')}"
    else:
        text = f"{verification.coverage_text()} goals were compared with PyTorch"
    missing = verification.uncovered
    return CoverageError(
        f"{text}; {wanted:g} percent are asked for" + (f"; it was kept as {kept}" if kept else ""),
        location=missing[0].location if missing else None,
        hint="give inputs that lead there (check_inputs), or ask for less",
    )


def _forms_by_the_user(graph: CapturedGraph) -> list[str]:
    """What was written by lowerings that the user registered."""
    names: dict[str, None] = {}
    for module in graph.graphs():
        for node in module.graph.nodes:
            if isinstance(node.target, UserFunction):
                names[str(node.target)] = None
            elif isinstance(node.target, torch._ops.OpOverload):
                name = operator_name(node.target)
                if user_lowering(name) is not None:
                    names[name] = None
    return list(names)


def _line_of_taken_rank(graph: CapturedGraph) -> str:
    """A line at which an empty tensor has another path's rank; empty where there is none."""
    for module in graph.graphs():
        for node in module.graph.nodes:
            for line, _ in (TOOK_RANK.of(node) or {}).values():
                if line is not None:
                    return f"{line.file}:{line.line}"
    return ""
