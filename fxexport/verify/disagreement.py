"""The errors for a file that does not agree with PyTorch, and for one compared too little."""

from __future__ import annotations

import torch

from fxexport.errors import CoverageError, VerificationError
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.user_functions import UserFunction
from fxexport.lowering.registry import operator_name, user_lowering
from fxexport.report.model import Verification

__all__ = ["disagreement", "too_little_compared"]


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
    elif by_user := _forms_by_the_user(graph):
        hint = f"check the ONNX forms that were given for {', '.join(by_user)}"
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
