"""One line a check: a program agrees with PyTorch on all inputs, or is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

import fxexport
from tests.support.harness import run_model

__all__ = ["SIZES", "agrees", "captured", "findings", "refused", "rows"]

# 2 first, as the example; then the special cases and many.
SIZES = (2, 0, 1, 5)


def rows(*sizes: int, features: int | None = None) -> list[tuple[torch.Tensor]]:
    """Inputs of several lengths, with positive, negative and mixed values."""
    found = []
    for size in sizes or SIZES:
        shape = (size,) if features is None else (size, features)
        generator = torch.Generator().manual_seed(size)
        for shift in (0.0, 2.0, -2.0):
            found.append((torch.randn(shape, generator=generator) + shift,))
    return found


def agrees(
    function: Callable[..., Any], inputs: Sequence[tuple[Any, ...]], dynamic: Any = True
) -> None:
    """Eager, our graph and ONNX Runtime give the same on all inputs."""
    outcome = run_model(lambda: function, inputs, dynamic=dynamic)
    assert outcome.status == "agree", f"{outcome.status}: {outcome.details}"


def refused(
    function: Callable[..., Any], inputs: Sequence[tuple[Any, ...]], dynamic: Any = True
) -> fxexport.FxExportError:
    """The program is refused; returns the refusal, which names a line."""
    outcome = run_model(lambda: function, inputs, dynamic=dynamic)
    assert outcome.status == "refused", f"{outcome.status}: {outcome.details}"
    assert isinstance(outcome.error, fxexport.FxExportError)
    assert outcome.error.location is not None
    return outcome.error


def captured(function: Callable[..., Any], *args: Any, dynamic: Any = True) -> fxexport.Exported:
    """The export without a comparison."""
    return fxexport.export(function, args, dynamic=dynamic, verify=False)


def findings(exported: fxexport.Exported, *kinds: Any) -> list[tuple[str, int]]:
    """Kind and line of the findings of some kinds."""
    return [
        (finding.kind, finding.location.line if finding.location else 0)
        for finding in exported.report.of_kind(*kinds)
    ]
