"""The option that prints the JSON Schema of what a command prints as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from fxexport.report.json import SchemaName

__all__ = ["schema_option"]


def schema_option(name: SchemaName) -> Any:
    """``--json-schema``, which prints one of the schemas and ends the command.

    Args:
        name: which one.
    """
    return typer.Option(
        "--json-schema",
        help="Print the JSON Schema of what is printed as JSON, and exit.",
        callback=_printer(name),
        is_eager=True,
    )


def _printer(name: SchemaName) -> Callable[[bool], None]:
    def show(wanted: bool) -> None:
        if wanted:
            from fxexport.report.json import json_schema

            print(json.dumps(json_schema(name), indent=2, ensure_ascii=False))
            raise typer.Exit

    return show
