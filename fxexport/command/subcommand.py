"""Runs a function as ``fxexport NAME ...``."""

from __future__ import annotations

from collections.abc import Callable

import typer

__all__ = ["run_as"]


def run_as(name: str, function: Callable[..., object], arguments: list[str]) -> int:
    """Reads a command line by a function's annotations, and calls it.

    Args:
        name: the subcommand.
        function: its parameters are the arguments and options; it returns the exit code, or None
            for 0.
        arguments: what follows the name.

    Returns:
        The exit code.
    """
    app = typer.Typer(
        add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.command()(function)
    command = typer.main.get_command(app)
    code: int | None = command.main(arguments, prog_name=f"fxexport {name}", standalone_mode=False)
    return code or 0
