"""``fxexport diff A.onnx B.onnx``: what changed between two files."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from fxexport.command.console import console_for
from fxexport.command.schema import schema_option
from fxexport.command.subcommand import run_as

__all__ = ["run"]

EXIT_DIFFERENT = 1


def run(arguments: list[str]) -> int:
    """Runs ``fxexport diff ...``.

    Args:
        arguments: what follows ``diff``.

    Returns:
        0 where the outlines of both files are equal, 1 where they differ.

    Raises:
        UsageError: no such file, or no ONNX file.
    """
    return run_as("diff", _command, arguments)


def _command(
    first: Annotated[str, typer.Argument(metavar="A.onnx", help="A file of any exporter.")],
    second: Annotated[str, typer.Argument(metavar="B.onnx", help="The one to compare with.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    json_schema: Annotated[bool, schema_option("differences")] = False,
) -> int:
    """Compares two files: inputs, outputs, contract, profiles, control flow, operators.

    Exit codes: 0 nothing differs, 1 something does, 2 wrong usage. The values of weights are not
    compared.
    """
    from fxexport.outline.differences import differences
    from fxexport.outline.read import outline_of

    found = differences(outline_of(first), outline_of(second))
    if as_json:
        changes = {one.subject: list(one.lines) for one in found}
        print(json.dumps({"schema": 1, "differences": changes}, indent=2))
    else:
        from fxexport.report.layout import line

        console = console_for(sys.stdout)
        for one in found:
            line(console, one.subject, "bold")
            for text in one.lines:
                line(console, f"  {text}", {"-": "red", "+": "green"}.get(text[0], "dim"))
        if not found:
            line(console, f"{first} and {second} have the same outline.")
    return EXIT_DIFFERENT if found else 0
