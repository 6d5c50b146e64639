"""How much of the control flow was compared, and how, for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from fxexport.report.goal_words import FORCED, NEVER
from fxexport.report.layout import line, print_rows, relative_path, section
from fxexport.report.model import Goal, Uncovered, Verification
from fxexport.source.location import SourceLocation

__all__ = ["print_coverage"]

_CAP = 12
_KINDS = {"branch": "If", "loop": "Loop"}


def print_coverage(console: Console, verification: Verification, *, verbose: bool) -> None:
    """Prints how much was compared, what was forced, and what no comparison reached.

    Args:
        console: where to.
        verification: the comparisons.
        verbose: show all entries.
    """
    if verification.goals:
        line(console, f"  goals: {verification.coverage_text()}")
    forced = [goal for goal in verification.goals if goal.reached == "forced"]
    if forced:
        section(console, "Compared with decisions forced, since no input led there")
        _print_entries(console, [(one, FORCED[one.goal]) for one in forced], "green", verbose)
    if verification.uncovered:
        # Agreement says nothing about these.
        section(console, "Not reached by any comparison")
        entries = [(one, _text_of(one)) for one in verification.uncovered]
        _print_entries(console, entries, "yellow", verbose)


def _text_of(one: Uncovered) -> str:
    never = NEVER.get(one.goal, one.goal)
    return f"{never} ({one.reason})" if one.reason else never


def _print_entries(
    console: Console, entries: Iterable[tuple[Goal | Uncovered, str]], style: str, verbose: bool
) -> None:
    """One entry a line of the program, with all that is said of it."""
    said: dict[tuple[str, SourceLocation | None], dict[str, None]] = {}
    for one, text in entries:
        said.setdefault((one.kind, one.location), {})[text] = None
    shown = list(said.items())[: None if verbose else _CAP]
    rows: list[list[Text | str]] = []
    for (kind, location), texts in shown:
        name = Text(_KINDS.get(kind, kind), style)
        if location is None:
            rows.append([name, ", ".join(texts)])
            continue
        where = f"{relative_path(location.file)}:{location.line}"
        rows.append([name, Text(where, "cyan"), location.code])
        rows.append(["", "", Text(", ".join(texts), "dim")])
    print_rows(console, rows)
    if len(said) > len(shown):
        line(console, f"  {len(said) - len(shown)} more are not shown; -v shows all", "dim")
