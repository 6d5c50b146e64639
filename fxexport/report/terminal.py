"""The report for people: compact text, coloured on a terminal and plain elsewhere.

Nothing is wrapped here, so that ``file:line`` stays in one piece whatever the width.
"""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from typing import TypeGuard

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from fxexport.codes.ids import Code
from fxexport.errors import FxExportError
from fxexport.report.build import BuildResult
from fxexport.report.coverage import print_coverage
from fxexport.report.json import file_size
from fxexport.report.layout import line as _line
from fxexport.report.layout import print_rows as _print_rows
from fxexport.report.layout import relative_path, size_text
from fxexport.report.layout import section as _section
from fxexport.report.model import (
    Finding,
    FindingKind,
    OutputDifference,
    Report,
    Verification,
    VerifiedCase,
)
from fxexport.report.profiles import print_profiles
from fxexport.report.signature_table import print_signature
from fxexport.source.location import SourceLocation

__all__ = ["print_error", "print_report"]

_CAP = 12
"""Entries shown of each section unless everything is asked for."""

_CONTEXT = 2
"""Lines of code shown on either side of the one that an error is about."""

_SECTIONS: tuple[tuple[str, tuple[FindingKind, ...], str], ...] = (
    ("Kept in the file", ("branch", "loop", "selected"), "green"),
    ("Left out of the file", ("unused",), "cyan"),
    ("Decided at export", ("folded", "unrolled"), "cyan"),
    ("Sizes that the model itself fixes", ("pinned",), "yellow"),
    ("Taken for granted", ("relation", "assumption"), "yellow"),
    ("Kept from call to call", ("state",), "cyan"),
    ("Became part of the file", ("constant",), "cyan"),
    ("Notes", ("note",), "cyan"),
)

_KIND_NAMES = {"branch": "If", "loop": "Loop", "selected": "Where", "folded": "decided"}


def print_report(console: Console, report: Report, *, verbose: bool = False) -> None:
    """Prints a report.

    Args:
        console: where to.
        report: what was exported.
        verbose: show every entry and the time that each stage took.
    """
    _print_header(console, report)
    print_signature(console, report.inputs, report.outputs)
    if not report.of_kind("branch", "loop", "selected"):
        why = "" if report.of_kind("unused") else " depends on the inputs"
        _section(console, f"Kept in the file: no if or loop{why}")
    for title, kinds, style in _SECTIONS:
        _print_findings(console, title, report.of_kind(*kinds), style, verbose)
    print_profiles(console, report, verbose=verbose)
    if report.verification is not None:
        _print_verification(console, report.verification, verbose)
    if verbose and report.stages:
        _section(console, "Time")
        _print_rows(console, [[name, f"{seconds:.2f} s"] for name, seconds in report.stages])
    _print_verdict(console, report)
    if report.build is not None:
        _print_build(console, report.build)


def print_comparison(console: Console, report: Report, *, verbose: bool = False) -> None:
    """Prints how a file that was written before compares with the model.

    Args:
        console: where to.
        report: what was compared.
        verbose: show every comparison.
    """
    verification = report.verification
    assert verification is not None
    _line(console, f"{relative_path(report.path)} against {report.model}", "bold")
    print_signature(console, report.inputs, report.outputs)
    _print_findings(console, "Notes", report.of_kind("note"), "cyan", verbose)
    _print_verification(console, verification, verbose)
    if verification.ok:
        limit = " wherever it was compared" if verification.uncovered else ""
        console.print()
        path = relative_path(report.path)
        _line(console, f"{path} agrees with PyTorch{limit}.", "bold green")


def print_error(console: Console, error: BaseException, *, verbose: bool = False) -> None:
    """Prints a refusal: what, where with the code around it, and what to do.

    Args:
        console: where to.
        error: the refusal; others that it carries follow it.
        verbose: show all of the others, not only the first ones.
    """
    _print_one_error(console, error)
    others: Sequence[BaseException] = getattr(error, "others", ())
    shown = others if verbose else others[: _CAP - 1]
    for other in shown:
        console.print()
        _print_one_error(console, other)
    if others:
        console.print()
        _line(console, _rest(f"{len(others) + 1} errors", len(others) - len(shown)), "bold")
    codes = dict.fromkeys(one.code for one in (error, *shown) if _is_explained(one))
    if codes:
        _line(console, f"fxexport explain {' '.join(codes)} says more", "dim")


def _print_header(console: Console, report: Report) -> None:
    where = f" -> {relative_path(report.path)}" if report.path else ""
    _line(console, f"{report.model}{where}")
    facts = [f"ONNX opset {report.opset}"] if report.opset else []
    if report.target:
        facts.append(f"for {report.target}")
    size = file_size(report.path)
    if size is not None:
        facts.append(size_text(size))
    if facts:
        _line(console, ", ".join(facts), "dim")


def _print_findings(
    console: Console, title: str, findings: list[Finding], style: str, verbose: bool
) -> None:
    if not findings:
        return
    groups = _grouped(findings, apart=verbose)
    shown = groups if verbose else groups[:_CAP]
    _section(console, title)
    rows: list[list[Text | str]] = []
    for first, more in shown:
        kind = Text(_KIND_NAMES.get(first.kind, first.kind), style)
        if first.location is None:
            rows.append([kind, first.message + more])
            continue
        rows.append([kind, Text(_file_and_line(first.location), "cyan"), first.location.code])
        rows.append(["", "", Text(first.message + more, "dim")])
    _print_rows(console, rows)
    if len(groups) > len(shown):
        _line(console, "  " + _rest("", len(groups) - len(shown)), "dim")


def _grouped(findings: list[Finding], *, apart: bool) -> list[tuple[Finding, str]]:
    """The findings, those that say the same of several lines as one; and how many more there are.

    Args:
        findings: what was found.
        apart: keep them all apart.
    """
    if apart:
        return [(finding, "") for finding in findings]
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.message), []).append(finding)
    return [
        (group[0], f" (and at {len(group) - 1} more lines)" if len(group) > 1 else "")
        for group in groups.values()
    ]


def _print_verification(console: Console, verification: Verification, verbose: bool) -> None:
    if not verification.ran:
        return
    agreed = sum(case.ok for case in verification.cases)
    asked = f" by {verification.tolerances}" if verification.tolerances else ""
    _section(console, f"Compared with PyTorch{asked}: {agreed} of {len(verification.cases)} agree")
    # Disagreements first: they must not be what a cap leaves out.
    cases = sorted(verification.cases, key=lambda case: case.ok)
    shown = cases if verbose else cases[:_CAP]
    head = ["inputs", "output", "max abs diff", "max rel diff", ""]
    rows: list[list[Text | str]] = [[Text(title, "dim") for title in head]]
    for case in shown:
        rows += _case_rows(case, verbose)
    _print_rows(console, rows)
    if len(cases) > len(shown):
        _line(console, "  " + _rest("", len(cases) - len(shown)), "dim")
    for note in verification.notes:
        _line(console, f"  note: {note}", "yellow")
    print_coverage(console, verification, verbose=verbose)


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
            _verdict(output.ok, output.message),
        ]
        for k, output in enumerate(outputs)
    ]
    if case.message or not rows:
        rows.append([case.label if not rows else "", "", "", "", _verdict(case.ok, case.message)])
    return rows


def _verdict(ok: bool, message: str) -> Text:
    text = Text().append(*(("ok", "green") if ok else ("WRONG", "bold red")))
    return text.append(f"  {message}") if message else text


def _print_verdict(console: Console, report: Report) -> None:
    console.print()
    path = relative_path(report.path) if report.path else "the model"
    verification = report.verification
    if verification is None:
        _line(console, f"Exported {path}; not compared with PyTorch.", "bold yellow")
    elif not verification.ran:
        why = verification.message.rstrip(".")
        _line(console, f"Exported {path}; not compared with PyTorch because {why}.", "bold yellow")
    elif verification.ok:
        limit = " wherever it was compared" if verification.uncovered else ""
        _line(console, f"Exported {path}; it agrees with PyTorch{limit}.", "bold green")
    else:
        _line(console, f"{path} does NOT agree with PyTorch.", "bold red")
        if verification.location is not None:
            _line(console, "The difference starts here:")
            _print_code(console, verification.location)


def _print_build(console: Console, result: BuildResult) -> None:
    for problem in result.problems if result.ok else ():
        _line(console, problem.describe(), "yellow")
    _line(console, result.describe(), "bold green" if result.ok else "bold red")


def _print_one_error(console: Console, error: BaseException) -> None:
    message = error.message if isinstance(error, FxExportError) else str(error)
    head = Text().append(_heading(error), "bold red").append(message, "bold")
    console.print(head, soft_wrap=True)
    if not isinstance(error, FxExportError):
        return
    if error.location is not None:
        _print_code(console, error.location)
        inner = error.location.within
        if inner is not None:
            _print_code(console, inner, f"in {inner.whose}: ")
    if error.hint:
        text = Text().append("  hint: ", "bold green").append(_hanging(error.hint, " " * 8))
        console.print(text, soft_wrap=True)


def _heading(error: BaseException) -> str:
    """``error[FX101]: ``, where the code tells more than the message."""
    return f"error[{error.code}]: " if _is_explained(error) else "error: "


def _is_explained(error: BaseException) -> TypeGuard[FxExportError]:
    """Whether the code of an error says more than the error itself."""
    return isinstance(error, FxExportError) and Code.UNSUPPORTED < error.code < Code.USAGE


def _print_code(console: Console, location: SourceLocation, whose: str = "") -> None:
    """The location, then the line between its neighbours with a marker under its code."""
    where = (
        Text()
        .append("  --> ", "blue")
        .append(whose, "dim")
        .append(_file_and_line(location), "cyan")
    )
    if location.function:
        where.append(f" in {location.function}", "dim")
    console.print(where, soft_wrap=True)
    if not location.code:
        return
    last = location.line + _CONTEXT
    margin = len(str(last))
    for number in range(max(1, location.line - _CONTEXT), last + 1):
        code = linecache.getline(location.file, number).rstrip().expandtabs(4)
        if not code and number > location.line and not linecache.getline(location.file, number):
            break  # past the end of the file
        here = number == location.line
        text = Text().append(f"  {number:>{margin}} | ", "blue")
        text.append(code, "bold" if here else "dim")
        text.rstrip()
        console.print(text, soft_wrap=True)
        if here:
            start = len(code) - len(code.lstrip())
            marker = " " * start + "^" * cell_len(code.lstrip())
            text = Text().append(f"  {'':>{margin}} | ", "blue").append(marker, "bold red")
            console.print(text, soft_wrap=True)


def _rest(text: str, left_out: int) -> str:
    parts = [text] if text else []
    if left_out:
        parts.append(f"{left_out} more are not shown; -v shows all")
    return "; ".join(parts)


def _file_and_line(location: SourceLocation) -> str:
    return f"{relative_path(location.file)}:{location.line}"


def _hanging(text: str, indent: str) -> str:
    return text.replace("\n", "\n" + indent)
