"""Which reader reads a model: its Python source, or TorchScript."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from types import MethodType
from typing import Literal, cast, get_args

import torch

from fxexport._torch_compat import torchscript
from fxexport.capture.attempts import CaptureRequest, capture
from fxexport.capture.session.module_names import ScriptedMethod
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError, UsageError
from fxexport.graph.captured import CapturedGraph
from fxexport.report.model import Report
from fxexport.source.location import SourceLocation
from fxexport.suggestions import did_you_mean

__all__ = [
    "FrontEnd",
    "capture_through",
    "chosen_front_end",
    "is_scripted",
    "method_of",
    "scripted",
]

FrontEnd = Literal["auto", "python", "script"]


def chosen_front_end(name: str) -> FrontEnd:
    """The front-end of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in get_args(FrontEnd):
        raise UsageError(
            f"capture must be one of {', '.join(get_args(FrontEnd))}, got {name!r}",
            hint=did_you_mean(name, get_args(FrontEnd)),
        )
    return name  # type: ignore[return-value]


def is_scripted(model: object) -> bool:
    """Whether a model is TorchScript itself."""
    kinds = (torch.jit.ScriptModule, ScriptedMethod, *torchscript.SCRIPT_FUNCTIONS)
    return isinstance(model, (*kinds, *torchscript.SCRIPT_METHODS))


def scripted(model: Callable[..., object]) -> Callable[..., object]:
    """A module or function as TorchScript; itself where it is that already.

    Raises:
        UnsupportedError: TorchScript's compiler refuses it.
    """
    if is_scripted(model):
        return model
    try:
        made = torchscript.script(model)
    except Exception as error:
        raise _refused(error) from error
    if isinstance(made, torch.nn.Module) and not hasattr(made, "forward"):
        # Of nn.LSTM and its like the compiler makes one method for each form of its arguments.
        raise UnsupportedError(
            f"TorchScript has several forms of {type(model).__name__}.forward, and no single one",
            code=Code.TORCHSCRIPT,
            hint="export a module that calls it, or leave --capture script out",
        )
    return made  # type: ignore[no-any-return]


def _refused(error: Exception) -> UnsupportedError:
    """What the compiler says, with the user's line."""
    text = str(error)
    lines = [line.strip().rstrip(":") for line in text.splitlines() if line.strip()]
    lines_named = re.findall(r'File "([^"]+)", line (\d+)', text)
    location = SourceLocation(lines_named[0][0], int(lines_named[0][1])) if lines_named else None
    return UnsupportedError(
        "TorchScript's compiler refuses this: " + (lines[0] if lines else type(error).__name__),
        code=Code.TORCHSCRIPT,
        location=location,
        hint="leave --capture script out, so that the Python source is read",
    )


def method_of(model: Callable[..., object], name: str | None) -> Callable[..., object]:
    """The method of a module that is exported instead of its forward.

    Raises:
        UsageError: the model has no such method.
    """
    if name is None:
        return model
    if isinstance(model, torch.jit.ScriptModule):
        names = [known for known in model._c._method_names() if not known.startswith("__")]
        if name in names:
            return model if name == "forward" else ScriptedMethod(model, name)
        raise UsageError(
            f"the model has no TorchScript method {name!r}",
            hint=f"it has: {', '.join(names)}; torch.jit.export marks further ones",
        )
    if not isinstance(model, torch.nn.Module):
        raise UsageError("only modules have methods to choose from; the model is a function")
    found = getattr(model, name, None)
    if not isinstance(found, MethodType):
        methods = [known for known in dir(type(model)) if not known.startswith("__")]
        raise UsageError(
            f"{type(model).__name__} has no method {name!r}", hint=did_you_mean(name, methods)
        )
    return model if name == "forward" else found


def capture_through(
    front_end: FrontEnd, request: CaptureRequest, report: Report, *, may_retry: bool
) -> CapturedGraph:
    """Captures a model with the reader that was asked for.

    Args:
        front_end: "python" or "script", or "auto" for what the model is.
        request: the model and its inputs.
        report: gets a finding for everything that is decided.
        may_retry: with "auto", whether a model whose Python is refused is read through
            TorchScript. The compiler takes some programs otherwise than Python does (it ignores
            decorators, and types what is open), so the outcome must be compared afterwards.

    Raises:
        UnsupportedError: something in the model cannot be kept.
        ModelError: the model itself raised.
    """
    if front_end == "python" and is_scripted(request.model):
        raise UsageError(
            "the model is TorchScript: it has no Python source to read",
            hint="leave --capture python out",
        )
    try:
        return capture(request, report)
    except UnsupportedError as error:
        if error.final or front_end != "auto" or not may_retry or is_scripted(request.model):
            raise
        return _through_script(request, report, error)


def _through_script(
    request: CaptureRequest, report: Report, refusal: UnsupportedError
) -> CapturedGraph:
    """Another try through TorchScript; the first refusal stands where that fails too."""
    model = request.model
    attempt = Report()
    try:
        if isinstance(model, MethodType):
            owner = cast(Callable[..., object], model.__self__)
            again = method_of(scripted(owner), model.__name__)
        else:
            again = scripted(model)
        graph = capture(dataclasses.replace(request, model=again), attempt)
    except Exception:
        raise refusal from None
    report.add(
        "note",
        f"plain Python was refused here ({refusal.message}), so the whole model was read through "
        "TorchScript",
        refusal.location,
    )
    report.refusal = refusal
    report.take(attempt.findings)
    return graph
