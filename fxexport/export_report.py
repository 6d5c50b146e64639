"""The report as its user has it: printed, saved, shown in a notebook."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fxexport.page.notebook import in_notebook
from fxexport.page.save import save_report, text_of
from fxexport.report.layout import relative_path
from fxexport.report.model import Report as ReportData
from fxexport.report.plain import plain_text
from fxexport.report.signature import type_text
from fxexport.report.verdict import verdict_of

__all__ = ["Report", "in_two_lines"]

_SHOWN = 4
"""Inputs that are told in a line."""


@dataclass
class Report(ReportData):
    """Everything worth telling about one export.

    ``print(report)`` prints it as the command does, `save` writes it in any form, and notebooks
    show its page.
    """

    def __str__(self) -> str:
        return plain_text(self).rstrip("\n")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the report.

        Args:
            path: where to; its ending says how: ``.html`` for one page that needs nothing beside
                it, ``.json`` for programs, ``.sarif`` for code scanning, anything else for text.

        Raises:
            OutputError: it cannot be written.
        """
        save_report(path, self)

    def _repr_html_(self) -> str:
        return in_notebook(text_of("html", self))


def in_two_lines(report: ReportData) -> str:
    """What was exported to where, and how it compares with PyTorch."""
    where = relative_path(report.path) if report.path else "(in memory)"
    inputs = [f"{entry['name']} {type_text(entry)}" for entry in report.inputs[:_SHOWN]]
    if len(report.inputs) > _SHOWN:
        inputs.append(f"and {len(report.inputs) - _SHOWN} more")
    what = f"{report.model} -> {where}: ONNX opset {report.opset} for {report.target}"
    taken = f", takes {', '.join(inputs)}" if inputs else ", takes nothing"
    goals = "" if report.verification is None else report.verification.coverage_text()
    coverage = f" Goals: {goals}." if goals else ""
    return f"{what}{taken}\n{verdict_of(report, None).text}{coverage}"
