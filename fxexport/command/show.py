"""``fxexport show FILE.onnx``: the control flow of any ONNX file, and what it promises."""

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
    """How an outline is printed."""

    text = "text"
    json = "json"
    dot = "dot"


def run(arguments: list[str]) -> int:
    """Runs ``fxexport show ...``.

    Args:
        arguments: what follows ``show``.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: no such file, or no ONNX file.
    """
    return run_as("show", _command, arguments)


def _command(
    file: Annotated[str, typer.Argument(metavar="FILE.onnx", help="A file of any exporter.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Name every operator; long rows are counted without it.")
    ] = False,
    form: Annotated[
        _Form, typer.Option("--as", help="text; json, for programs; dot, for Graphviz.")
    ] = _Form.text,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --as json.")] = False,
    times: Annotated[
        str | None,
        typer.Option(
            "--times",
            metavar="PROFILE.json",
            help="ONNX Runtime's profile of runs of the file: each if and loop gets its share.",
        ),
    ] = None,
    json_schema: Annotated[bool, schema_option("outline")] = False,
) -> int:
    """Shows a file's inputs, its ifs and loops as a tree with their lines, and its contract."""
    from fxexport.outline.read import outline_of

    outline = outline_of(file)
    if times is not None:
        from fxexport.outline.times import with_times

        outline = with_times(outline, times)
    if as_json or form is _Form.json:
        from fxexport.outline.data import outline_as_json

        print(outline_as_json(outline))
    elif form is _Form.dot:
        from fxexport.outline.dot import outline_as_dot

        print(outline_as_dot(outline), end="")
    else:
        from fxexport.outline.text import print_outline

        print_outline(console_for(sys.stdout), outline, full=everything)
    return 0
