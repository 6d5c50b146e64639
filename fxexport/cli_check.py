"""``fxexport check FILE``: what TensorRT will refuse in an ONNX file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fxexport.cli_build import BuildTimeout, build_progress

if TYPE_CHECKING:
    from fxexport.targets.tensorrt.entry import CheckResult

__all__ = ["run"]


def run(arguments: list[str]) -> int:
    """``fxexport check model.onnx``: one line a finding.

    Returns:
        0 when nothing stands against an engine, else 1; 2 for wrong usage.
    """
    app = typer.Typer(
        add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
    )
    app.command()(_check)
    command = typer.main.get_command(app)
    code: int | None = command.main(arguments, prog_name="fxexport check", standalone_mode=False)
    return code or 0


def _check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX file, from any exporter.")],
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="WORDS",
            help="Sizes to check for, in trtexec's words: "
            '"--minShapes=x:1x3 --optShapes=x:4x3 --maxShapes=x:8x3".',
        ),
    ] = None,
    no_build: Annotated[
        bool, typer.Option("--no-build", help="Apply the rules only; do not ask TensorRT.")
    ] = False,
    timeout: BuildTimeout = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Says what TensorRT will refuse in an ONNX file, without keeping an engine."""
    from rich.console import Console

    from fxexport.profiles import parse_profiles
    from fxexport.targets.tensorrt.entry import check

    given = parse_profiles(" ".join(profile)) if profile else None
    console = None if as_json else Console(file=sys.stderr, highlight=False, markup=False)
    with build_progress(console if not no_build else None) as on_message:
        result = check(
            file,
            profiles=given,
            timeout=timeout,
            ask_builder=not no_build,
            on_message=on_message,
        )
    print(json.dumps(result.to_dict(), indent=2) if as_json else _check_text(file, result))
    return 0 if result.ok else 1


def _check_text(file: Path, result: CheckResult) -> str:
    lines = [problem.describe() for problem in result.problems]
    if result.build is not None:
        lines.append(result.build.describe())
    elif result.note:
        lines.append(result.note)
    lines.append(f"{file}: {'nothing stands against an engine' if result.ok else 'no engine'}")
    return "\n".join(lines)
