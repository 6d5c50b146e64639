"""Makes the page of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fxexport.errors import FxExportError, errors_in
from fxexport.outline.model import Outline
from fxexport.outline.text import summary_of
from fxexport.page.base import template
from fxexport.page.flow import Links, boxes_of
from fxexport.page.source import files_of
from fxexport.report.goal_words import NEVER
from fxexport.report.json import file_size
from fxexport.report.layout import size_text
from fxexport.report.model import Report
from fxexport.report.signature import dimension_ranges, type_text
from fxexport.report.verdict import verdict_of

__all__ = ["report_page"]

_HERE = Path(__file__).parent

_PROMISES = {"relation": "needs", "pinned": "pinned", "assumption": "assumed"}


def report_page(
    report: Report | None,
    outline: Outline | None = None,
    error: BaseException | None = None,
    model: str = "",
) -> str:
    """A report as one HTML page: no network, light and dark, readable in print.

    Args:
        report: of the export; None where it was refused.
        outline: of the file that was written; None where there is none.
        error: why the export failed; None where it did not.
        model: what the page calls the model where there is no report.
    """
    shown = report or Report(model=model)
    files = files_of(report, error)
    links = Links(files)
    steps = () if outline is None else outline.steps
    boxes = boxes_of(steps, links, shown) if outline is not None else ()
    return template(_HERE, "page.html.jinja").render(
        title=shown.model or shown.path,
        verdict=verdict_of(report, error),
        facts=_facts(shown),
        inputs=_signature(shown.inputs),
        outputs=_signature(shown.outputs),
        promises=_promises(shown, links),
        refusals=[_refusal(one, links) for one in errors_in(error)],
        notes=_notes(shown),
        files=files,
        only_libraries=all(file.library for file in files),
        boxes_at=links.boxes,
        boxes=boxes,
        flow=summary_of(steps),
        has_file=outline is not None,
        operators=[] if outline is None else list(outline.operators.items()),
        verification=shown.verification,
        never=NEVER,
        profiles=_profiles(shown.profiles),
        stages=[(name, f"{seconds:.2f} s") for name, seconds in shown.stages],
    )


def _facts(report: Report) -> list[str]:
    size = file_size(report.path) if report.path else None
    return [
        *([report.path] if report.path else []),
        *([f"ONNX opset {report.opset}"] if report.opset else []),
        *([f"for {report.target}"] if report.target else []),
        *([] if size is None else [size_text(size)]),
    ]


def _signature(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "name": str(entry.get("name", "")),
            "type": type_text(entry),
            "ranges": ", ".join(f"{n}: {text}" for n, text in dimension_ranges([entry]).items()),
        }
        for entry in entries
    ]


def _promises(report: Report, links: Links) -> list[dict[str, str]]:
    """What the file takes for granted, each with its line."""
    return [
        {
            "kind": found.kind,
            "label": _PROMISES[found.kind],
            "text": found.message,
            "place": "" if found.location is None else found.location.short,
            "line": ""
            if found.location is None
            else links.line_at(found.location.file, found.location.line),
        }
        for found in report.of_kind("relation", "pinned", "assumption")
    ]


def _notes(report: Report) -> list[str]:
    """What there is to know beside the lines."""
    notes = [found.message for found in report.of_kind("note") if found.location is None]
    if report.verification is not None:
        notes += report.verification.notes
    return notes


def _refusal(error: BaseException, links: Links) -> dict[str, str]:
    location = error.location if isinstance(error, FxExportError) else None
    return {
        "kind": error.code.value if isinstance(error, FxExportError) else "",
        "text": error.message if isinstance(error, FxExportError) else str(error),
        "hint": error.hint if isinstance(error, FxExportError) else "",
        "place": "" if location is None else location.short,
        "code": "" if location is None else location.code,
        "line": "" if location is None else links.line_at(location.file, location.line),
    }


def _profiles(profiles: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [str(number), name, *(_sizes(bounds[point]) for point in ("min", "opt", "max"))]
        for number, profile in enumerate(profiles)
        for name, bounds in {**profile["shapes"], **profile["values"]}.items()
    ]


def _sizes(bounds: Any) -> str:
    return " × ".join(map(str, bounds)) if isinstance(bounds, (list, tuple)) else str(bounds)
