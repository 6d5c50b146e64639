"""``fxexport explain CODE``: what the code of a refusal or finding means."""

from __future__ import annotations

import difflib
import sys
from typing import Annotated

import typer

from fxexport.codes.explained import Explanation, explained
from fxexport.command.console import console_for
from fxexport.command.subcommand import run_as
from fxexport.errors import UsageError

__all__ = ["run"]


def run(arguments: list[str]) -> int:
    """Runs ``fxexport explain ...``.

    Args:
        arguments: what follows ``explain``.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: there is no such code.
    """
    return run_as("explain", _command, arguments)


def _command(
    codes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CODE]...", help="FX101, or its name; none lists all of them."),
    ] = None,
) -> int:
    """Explains the codes of refusals and findings, each with the way out."""
    known = list(explained().values())
    if not codes:
        for one in known:
            print(f"{one.code}  {one.name:<24} {one.summary.partition('. ')[0].rstrip('.:')}")
        return 0
    _show([_found(text, known) for text in codes])
    return 0


def _found(text: str, known: list[Explanation]) -> Explanation:
    wanted = text.strip().lower()
    for one in known:
        if wanted in (one.code.value.lower(), one.code.value[2:], one.name):
            return one
    names = [name for one in known for name in (one.code.value, one.name)]
    near = difflib.get_close_matches(text, names, 1) or difflib.get_close_matches(
        text.upper(), names, 1
    )
    raise UsageError(
        f"there is no code {text!r}",
        hint=f"did you mean {near[0]}?" if near else "fxexport explain lists all of them",
    )


def _show(entries: list[Explanation]) -> None:
    from rich.markdown import Markdown

    from fxexport.report.layout import line

    console = console_for(sys.stdout)
    for k, one in enumerate(entries):
        if k:
            console.print()
        line(console, f"{one.code} {one.name}\n", "bold")
        if console.is_terminal:
            console.print(Markdown(one.text))
        else:
            print(one.text)
