"""The comparisons of a file with PyTorch for people: a line while all agree, else a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.text import Text

from fxexport.report.layout import line, print_beside, print_rows, section
from fxexport.report.model import OutputDifference, Verification, VerifiedCase

__all__ = ["print_comparisons"]

_CAP = 12
"""Entries shown unless everything is asked for."""

_BAR = 24
"""Columns of the bar that shows how much of the control flow was compared."""


_FOR_BAR = 70
"""Columns of a terminal that has room for it."""


def print_comparisons(console: Console, verification: Verification, *, verbose: bool) -> None:
    """Prints what was compared, how far it is apart, and how much of the control flow it is.

    Args:
        console: where to.
        verification: the comparisons.
        verbose: show each comparison and output.
    """
    if not verification.ran:
        return
    agreed = sum(case.ok for case in verification.cases)
    asked = f" by {verification.tolerances}" if verification.tolerances else ""
    count = f"{agreed} of {len(verification.cases)} agree"
    section(console, f"Compared with PyTorch{asked}: {count}{_largest_text(verification)}")
    shown = [case for case in verification.cases if verbose or not case.ok]
    if shown:
        _print_cases(console, shown, verbose)
    for note in verification.notes:
        line(console, f"  note: {note}", "yellow")
    if verification.goals:
        _print_coverage(console, verification)


def _largest_text(verification: Verification) -> str:
    """How far the outputs that agree are apart at most, and where."""
    found = [
        (output.max_abs, output.name, case.label)
        for case in verification.cases
        for output in case.outputs
        if output.ok
    ]
    if not found:
        return ""
    largest, name, label = max(found, key=lambda entry: entry[0])
    if not largest:
        return ", to the last bit" if all(case.ok for case in verification.cases) else ""
    return f"; largest difference {largest:.2g} ({name}, {label})"


def _print_cases(console: Console, cases: Sequence[VerifiedCase], verbose: bool) -> None:
    # Disagreements first: they must not be what a cap leaves out.
    ordered = sorted(cases, key=lambda case: case.ok)
    shown = ordered if verbose else ordered[:_CAP]
    head = ["inputs", "output", "max abs diff", "max rel diff", ""]
    rows: list[list[Text | str]] = [[Text(title, "dim") for title in head]]
    for case in shown:
        rows += _case_rows(case, verbose)
    print_rows(console, rows)
    if len(ordered) > len(shown):
        line(console, f"  {len(ordered) - len(shown)} more are not shown; -v shows all", "dim")


def _case_rows(case: VerifiedCase, verbose: bool) -> list[list[Text | str]]:
    outputs: Sequence[OutputDifference] = case.outputs
    if not verbose and outputs:
        wrong = [output for output in outputs if not output.ok]
        outputs = wrong[:_CAP] or [max(outputs, key=lambda output: output.max_abs)]
    rows: list[list[Text | str]] = [
        [
            case.label if k == 0 else "",
            output.name,
            f"{output.max_abs:.2g}",
            f"{output.max_rel:.2g}",
            _mark(output.ok, output.message),
        ]
        for k, output in enumerate(outputs)
    ]
    if case.message or not rows:
        rows.append([case.label if not rows else "", "", "", "", _mark(case.ok, case.message)])
    return rows


def _mark(ok: bool, message: str) -> Text:
    text = Text().append(*(("ok", "green") if ok else ("WRONG", "bold red")))
    return text.append(f"  {message}") if message else text


def _print_coverage(console: Console, verification: Verification) -> None:
    """Prints the coverage as a number, and on a terminal as a bar."""
    lead = Text("  goals: ")
    if console.is_terminal and console.width >= _FOR_BAR:
        compared = sum(goal.compared for goal in verification.goals)
        bar = ProgressBar(len(verification.goals), compared, width=_BAR, complete_style="yellow",
                          finished_style="green")  # fmt: skip
        lead.append_text(_as_text(console, bar)).append(" ")
    print_beside(console, lead, Text(verification.coverage_text()))


def _as_text(console: Console, bar: ProgressBar) -> Text:
    text = Text()
    for segment in console.render(bar):
        text.append(segment.text, segment.style)
    return text
