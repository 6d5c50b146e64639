"""Reads the command line of ``fxexport NAME ...`` by a function's annotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import typer

__all__ = ["read_by", "run_as"]

_Read = TypeVar("_Read")


def read_by(function: Callable[..., _Read], name: str, arguments: list[str]) -> _Read | int:
    """What a function gives for a command line.

    Args:
        function: its parameters are the arguments and options.
        name: the subcommand.
        arguments: what follows the name.

    Returns:
        What the function returns, or the exit code where there is nothing to do (--help).

    Raises:
        TyperException: the command line cannot be read.
    """
    app = typer.Typer(
        add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.command()(function)
    command = typer.main.get_command(app)
    result: _Read | int | None = command.main(
        arguments, prog_name=f"fxexport {name}", standalone_mode=False
    )
    return 0 if result is None else result


def run_as(name: str, function: Callable[..., int], arguments: list[str]) -> int:
    """As `read_by`, of a function that does it all; returns the exit code."""
    return read_by(function, name, arguments)
