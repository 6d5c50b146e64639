"""``fxexport scan PATH...``: the control flow of models from their source, without running it."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from fxexport.command.console import console_for
from fxexport.command.schema import schema_option
from fxexport.command.subcommand import run_as

__all__ = ["run"]


class _Form(StrEnum):
    """How the result is printed."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"
    html = "html"


def run(arguments: list[str]) -> int:
    """Runs ``fxexport scan ...``.

    Args:
        arguments: what follows ``scan``.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: a path does not exist.
    """
    return run_as("scan", _command, arguments)


def _command(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Python files, or folders of them.")
    ],
    everything: Annotated[
        bool, typer.Option("--all", help="Show what configuration alone decides as well.")
    ] = False,
    form: Annotated[
        _Form, typer.Option("--format", help="text, json, sarif, github or html.")
    ] = _Form.text,
    jobs: Annotated[
        int, typer.Option(min=0, help="Processes; 0 for as many as there are processors.")
    ] = 0,
    json_schema: Annotated[bool, schema_option("scan")] = False,
) -> int:
    """Reads the ifs and loops of every model in some source, and says what each hangs on.

    Nothing is imported and nothing runs, so code that is not trusted may be read.
    """
    from fxexport.scan.project import scan

    found = scan(paths, jobs)
    if form is _Form.json:
        from fxexport.scan.data import scan_as_json

        print(scan_as_json(found))
    elif form is _Form.html:
        from fxexport.scan.page import scan_page

        print(scan_page(paths, found, full=everything))
    elif form is _Form.text:
        from fxexport.scan.text import print_scan

        print_scan(console_for(sys.stdout), found, full=everything)
    else:
        from fxexport.report.annotations import github_text, sarif_text
        from fxexport.scan.data import annotations_in

        text = github_text if form is _Form.github else sarif_text
        print(text(annotations_in(found)), end="")
    return 0
