"""Writes a report into a file, in the form that is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fxexport.errors import OutputError

if TYPE_CHECKING:
    from fxexport.outline.model import Outline
    from fxexport.report.model import Report

__all__ = ["save_report", "text_of"]

_BY_ENDING = {".html": "html", ".htm": "html", ".json": "json", ".sarif": "sarif"}


def save_report(
    path: str | os.PathLike[str],
    report: Report | None,
    error: BaseException | None = None,
    model: str = "",
    *,
    form: str = "",
) -> None:
    """Writes a report.

    Args:
        path: where to.
        report: of the export; None where it was refused.
        error: why it failed; None where it did not.
        model: what the model is called where there is no report.
        form: "text", "json", "html", "sarif" or "github"; by default what the ending of `path`
            says.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(path)
    form = form or _BY_ENDING.get(path.suffix, "text")
    text = text_of(form, report, error, model)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as failure:
        raise OutputError(
            f"the report {os.fspath(path)!r} could not be written: {failure.strerror}",
            hint="give another file",
        ) from failure


def text_of(
    form: str, report: Report | None, error: BaseException | None = None, model: str = ""
) -> str:
    """A report as it is written.

    Args:
        form: "text", "json", "html", "sarif" or "github".
        report: as for `save_report`, likewise the others.
        error: why it failed.
        model: what the model is called.
    """
    if form == "json":
        from fxexport.report.json import as_json_text

        return as_json_text(report, error) + "\n"
    if form in ("sarif", "github"):
        from fxexport.report.annotations import as_github, as_sarif

        return as_github(report, error) if form == "github" else as_sarif(report, error)
    if form == "html":
        from fxexport.page.render import report_page

        return report_page(report, _outline_of(report), error, model)
    from fxexport.report.plain import plain_text

    return plain_text(report, error, verbose=True)


def _outline_of(report: Report | None) -> Outline | None:
    """The outline of the file that was written; None where there is none."""
    from fxexport.outline.read import outline_of

    if report is None or not os.path.isfile(report.path):
        return None
    return outline_of(report.path)
