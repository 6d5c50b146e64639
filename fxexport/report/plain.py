"""A report as the command prints it, as text without colour."""

from __future__ import annotations

import shutil
from io import StringIO

from rich.console import Console

from fxexport.errors import FxExportError
from fxexport.report.model import Report
from fxexport.report.refusals import print_error
from fxexport.report.terminal import print_comparison, print_report

__all__ = ["plain_text"]

_NARROWEST = 80


def plain_text(
    report: Report | None,
    error: BaseException | None = None,
    *,
    verbose: bool = False,
    width: int | None = None,
) -> str:
    """A report, a refusal, or both as text.

    Args:
        report: of an export, or of a comparison; None where there is none.
        error: why it failed; None where it did not.
        verbose: whether everything is shown.
        width: columns; by default those of the terminal, 80 at least.
    """
    columns = width or max(_NARROWEST, shutil.get_terminal_size().columns)
    console = Console(
        file=StringIO(),
        width=columns,
        highlight=False,
        markup=False,
        emoji=False,
        no_color=True,
        force_terminal=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        if report is not None and report.compares:
            print_comparison(console, report, verbose=verbose)
        elif report is not None:
            print_report(console, report, verbose=verbose)
        if isinstance(error, FxExportError):
            print_error(console, error, verbose=verbose)
    return capture.get()
