"""The report for people: the verdict first, then what it rests on.

It is coloured on a terminal, and keeps to its width; elsewhere it is plain, and lines stay whole.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from fxexport.report.build import BuildResult
from fxexport.report.comparisons import print_comparisons
from fxexport.report.flow_tree import print_control_flow
from fxexport.report.json import file_size
from fxexport.report.layout import (
    line,
    print_beside,
    print_rows,
    relative_path,
    section,
    short_path,
    size_text,
)
from fxexport.report.model import Finding, FindingKind, Report
from fxexport.report.profiles import print_profiles
from fxexport.report.refusals import print_code, print_error
from fxexport.report.signature_table import print_signature, print_sizes
from fxexport.report.verdict import verdict_of

__all__ = ["print_comparison", "print_error", "print_report"]

_CAP = 12
"""Entries shown of each section unless everything is asked for."""

_OF_LINE = 3
"""Findings of one kind that are shown of one line, likewise."""

_SECTIONS: tuple[tuple[str, tuple[FindingKind, ...], str], ...] = (
    ("Contract", ("pinned", "relation", "assumption"), "yellow"),
    ("Kept from call to call", ("state",), "cyan"),
    ("Became part of the file", ("constant",), "cyan"),
    ("Notes", ("note",), "cyan"),
)

_KIND_NAMES = {"relation": "needs", "assumption": "assumes"}

_VERDICTS = {
    "good": ("✔", "ok:", "bold green"),
    "unsure": ("!", "note:", "bold yellow"),
    "bad": ("✘", "WRONG:", "bold red"),
}
"""The mark of each kind of verdict, the word that stands for it in plain ASCII, and its colour."""


def print_report(console: Console, report: Report, *, verbose: bool = False) -> None:
    """Prints a report.

    Args:
        console: where to.
        report: what was exported.
        verbose: show every entry and the time that each stage took.
    """
    name = relative_path(report.path) if report.path else "the model"
    _print_verdict(console, report, name)
    if report.build is not None:
        _print_build(console, report.build)
    _print_facts(console, report)
    print_signature(console, report.inputs, report.outputs)
    print_sizes(console, report.inputs, report.outputs)
    print_control_flow(console, report, verbose=verbose)
    for title, kinds, style in _SECTIONS:
        _print_findings(console, title, report.of_kind(*kinds), style, verbose)
    print_profiles(console, report, verbose=verbose)
    if report.verification is not None:
        print_comparisons(console, report.verification, verbose=verbose)
    if verbose and report.stages:
        section(console, "Time")
        print_rows(console, [[name, f"{seconds:.2f} s"] for name, seconds in report.stages])


def print_comparison(console: Console, report: Report, *, verbose: bool = False) -> None:
    """Prints how a file that was written before compares with the model.

    Args:
        console: where to.
        report: what was compared.
        verbose: show every comparison.
    """
    verification = report.verification
    assert verification is not None
    name = relative_path(report.path)
    _print_verdict(console, report, name)
    line(console, f"{name} against {report.model}", "dim")
    print_signature(console, report.inputs, report.outputs)
    print_sizes(console, report.inputs, report.outputs)
    print_control_flow(console, report, verbose=verbose)
    _print_findings(console, "Notes", report.of_kind("note"), "cyan", verbose)
    print_comparisons(console, verification, verbose=verbose)


def _print_verdict(console: Console, report: Report, name: str) -> None:
    """One line with a mark; and where a disagreement starts."""
    verdict = verdict_of(report, None, name)
    mark, word, style = _VERDICTS[verdict.kind]
    shown = word if console.options.ascii_only else mark
    print_beside(console, Text(f"{shown} ", style), Text(verdict.text, style))
    found = report.verification
    if found is not None and found.ran and not found.ok and found.location is not None:
        line(console, "The difference starts here:")
        print_code(console, found.location)


def _print_facts(console: Console, report: Report) -> None:
    where = f" -> {relative_path(report.path)}" if report.path else ""
    facts = [f"{report.model}{where}"]
    if report.opset:
        facts.append(f"ONNX opset {report.opset}")
    if report.target:
        facts.append(f"for {report.target}")
    size = file_size(report.path)
    if size is not None:
        facts.append(size_text(size))
    line(console, ", ".join(facts), "dim")


def _print_findings(
    console: Console, title: str, findings: list[Finding], style: str, verbose: bool
) -> None:
    """A row a finding: its kind and what it says, then the line that it is about."""
    if not findings:
        return
    groups = _grouped(findings, apart=verbose)
    shown = groups if verbose else groups[:_CAP]
    section(console, title)
    rows: list[list[Text | str]] = []
    for first, more in shown:
        kind = Text(_KIND_NAMES.get(first.kind, first.kind), style)
        rows.append([kind, first.message + more])
        if first.location is not None:
            place = f"{short_path(first.location.file)}:{first.location.line}"
            text = Text(no_wrap=True).append(place, "cyan")
            rows.append(["", text.append(f"  {first.location.code}", "dim")])
    print_rows(console, rows)
    if len(groups) > len(shown):
        line(console, f"  {len(groups) - len(shown)} more are not shown; -v shows all", "dim")


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
    told = [(group[0], _more_text(len(group) - 1)) for group in groups.values()]
    by_line: dict[object, list[tuple[Finding, str]]] = {}
    for finding, more in told:
        key = (finding.kind, finding.location) if finding.location is not None else id(finding)
        by_line.setdefault(key, []).append((finding, more))
    return [entry for entries in by_line.values() for entry in _first_of_line(entries)]


def _first_of_line(entries: list[tuple[Finding, str]]) -> list[tuple[Finding, str]]:
    """What is said of one line; of many things the first one, and how many there are."""
    if len(entries) <= _OF_LINE:
        return entries
    finding, _ = entries[0]
    return [(finding, f" (and {len(entries) - 1} more of this line; -v shows them)")]


def _more_text(more: int) -> str:
    return f" (and at {more} more line{'s' if more > 1 else ''})" if more else ""


def _print_build(console: Console, result: BuildResult) -> None:
    for problem in result.problems if result.ok else ():
        line(console, problem.describe(), "yellow")
    line(console, result.describe(), "bold green" if result.ok else "bold red")
