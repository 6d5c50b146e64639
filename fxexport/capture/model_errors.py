"""What an exception of the model's becomes when it is captured."""

from __future__ import annotations

from collections.abc import Mapping

from fxexport.capture.session.capture_errors import in_words, line_of, refusal_of
from fxexport.errors import FxExportError, ModelError
from fxexport.report.model import Report
from fxexport.source.location import SourceLocation

__all__ = ["told"]


def told(error: Exception, report: Report, names: Mapping[str, str]) -> FxExportError:
    """The error to raise for an exception that is none of ours.

    Args:
        error: what the model, or PyTorch in it, has raised.
        report: what was decided before it.
        names: what the user calls sizes, by PyTorch's names.
    """
    location = line_of(error)
    refusal = refusal_of(error, location, names)
    if refusal is not None:
        return refusal
    text = in_words(str(error), names) or str(error)
    return ModelError(
        f"the model raised {type(error).__name__}: {text}",
        location=location,
        hint=_why_raised(report, location),
    )


def _why_raised(report: Report, location: SourceLocation | None) -> str:
    """The proof that the condition of an assert, or of a raise, is decided; else empty."""
    folded = report.of_kind("folded")
    decided = folded[-1].location if folded else None
    if location is None or decided is None or decided.file != location.file:
        return ""
    near = decided.function == location.function and decided.line <= location.line
    return folded[-1].message.removesuffix(" (pruned)") if near else ""
