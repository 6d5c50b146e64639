"""The reports that a command line asks for: on the standard output, and in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fxexport.errors import UsageError

if TYPE_CHECKING:
    from fxexport.report.model import Report

__all__ = ["FORMS", "ReportFile", "default_stem", "parse_report_option", "write_report"]

FORMS = ("text", "json", "html", "sarif", "github")

# What is not printed, and the names of such files.
_ENDINGS = {"html": ".report.html", "sarif": ".sarif"}


@dataclass(frozen=True)
class ReportFile:
    """A report that goes to a file.

    Attributes:
        form: one of `FORMS`.
        path: where to; None for ``MODEL.report.html`` or ``MODEL.sarif`` beside the file that is
            exported.
    """

    form: str
    path: Path | None


def parse_report_option(values: Sequence[str]) -> tuple[str, list[ReportFile]]:
    """``["json", "html=out.html"]``: the form that is printed, and what goes to files.

    Raises:
        UsageError: there is no such form, or two are to be printed.
    """
    printed: list[str] = []
    files = []
    for value in values:
        form, equals, path = value.partition("=")
        if form not in FORMS or (equals and not path):
            raise UsageError(
                f"--report {value!r}: expected a form, or FORM=FILE",
                hint=f"forms are {', '.join(FORMS)}; for example --report html=out/model.html",
            )
        if equals or form in _ENDINGS:
            files.append(ReportFile(form, Path(path) if path else None))
        else:
            printed.append(form)
    if len(set(printed)) > 1:
        raise UsageError(
            f"--report {printed[0]} and --report {printed[1]} cannot both be printed",
            hint=f"give one of them a file, for example --report {printed[1]}=FILE",
        )
    return (printed[0] if printed else "text"), files


def default_stem(output: Path | None, model: str) -> Path:
    """What the name of a report begins with: that of the exported file without its ending."""
    stem = Path(model.partition(":")[0]).stem or "model"
    if output is None:
        return Path(stem)
    return output / stem if output.is_dir() else output.with_suffix("")


def write_report(
    wanted: ReportFile, stem: Path, report: Report | None, error: BaseException | None, model: str
) -> Path:
    """Writes one report.

    Args:
        wanted: what to write, and where to.
        stem: what the name begins with where the command line gives none.
        report: of the export; None where it was refused.
        error: why it failed; None where it did not.
        model: what the model is called where there is no report.

    Returns:
        The file.

    Raises:
        OutputError: it cannot be written.
    """
    from fxexport.page.save import save_report

    path = wanted.path or stem.with_name(stem.name + _ENDINGS[wanted.form])
    save_report(path, report, error, model, form=wanted.form)
    return path
