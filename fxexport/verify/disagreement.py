"""The error for a file that does not agree with PyTorch."""

from __future__ import annotations

import torch

from fxexport.errors import VerificationError
from fxexport.graph.captured import CapturedGraph
from fxexport.graph.user_functions import UserFunction
from fxexport.lowering.registry import operator_name, user_lowering
from fxexport.report.model import Verification

__all__ = ["disagreement"]


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
    elif "ONNX Runtime's process was ended (" in verification.message:
        hint = "free some memory, or export with --no-verify (verify=False)"
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
