"""``fxexport check FILE``: what TensorRT will refuse in an ONNX file."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

from fxexport.command.console import console_for
from fxexport.command.engine import BuildTimeout, build_progress, check_timeout
from fxexport.command.misread import misread
from fxexport.command.profile import profiles_given
from fxexport.command.schema import schema_option
from fxexport.command.shapes import PolygraphyShapes, TrtexecShapes
from fxexport.command.subcommand import read_by
from fxexport.errors import FxExportError
from fxexport.profiles.tool_options import ShapesOption, sections
from fxexport.version import versions

if TYPE_CHECKING:
    from fxexport.targets.tensorrt.api import CheckResult

__all__ = ["run"]

EXIT_NOT_BUILT = 4


@dataclass
class _Options:
    """The command line, read."""

    file: Path
    no_build: bool
    timeout: float | None
    json: bool


def run(arguments: list[str]) -> int:
    """``fxexport check model.onnx``: one line a finding.

    Returns:
        0 when no problem was found; 1 when a rule found one, 4 when TensorRT did
        not build it; 2 for wrong usage.
    """
    try:
        return _run(arguments)
    except (FxExportError, TyperException) as error:
        if "--json" not in arguments:
            raise
        print(_json_of_failure(error, arguments))
        return error.exit_code


def _run(arguments: list[str]) -> int:
    texts, rest = _profile_texts(arguments)
    shapes, rest = sections(rest)
    options = read_by(_check, "check", rest)
    return options if isinstance(options, int) else _checked(options, texts, shapes)


def _json_of_failure(error: FxExportError | TyperException, arguments: list[str]) -> str:
    from fxexport.targets.tensorrt.api import CheckResult

    if isinstance(error, TyperException):
        error = misread(error, arguments, "fxexport check --help shows its use.")
    return _json_of(CheckResult(False), error)


def _json_of(result: CheckResult, error: FxExportError | None) -> str:
    from fxexport.report.json import SCHEMA, error_as_json, versions_of

    data = {
        "schema": SCHEMA,
        "versions": versions_of(versions(), result.build),
        **result.to_dict(),
        "error": None if error is None else error_as_json(error),
    }
    return json.dumps(data, indent=2)


def _check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX file, from any exporter.")],
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="PROFILE",
            help="Sizes to check for, in any form that fxexport profile --set takes, or by the "
            "options below; by default the file's own. Repeatable. --profile=K begins profile K.",
        ),
    ] = None,
    trtexec_shapes: TrtexecShapes = None,
    polygraphy_shapes: PolygraphyShapes = None,
    no_build: Annotated[
        bool, typer.Option("--no-build", help="Apply the rules only; do not ask TensorRT.")
    ] = False,
    timeout: BuildTimeout = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    json_schema: Annotated[bool, schema_option("check")] = False,
) -> _Options:
    """Says what TensorRT will refuse in an ONNX file, without keeping an engine."""
    # taken before, in order; json_schema ends the command
    del profile, trtexec_shapes, polygraphy_shapes, json_schema
    check_timeout(timeout)
    return _Options(file, no_build, timeout, as_json)


def _profile_texts(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The values of ``--profile`` that are profiles and not the number of one, and the rest."""
    texts: list[str] = []
    rest: list[str] = []
    todo = list(arguments)
    while todo:
        argument = todo.pop(0)
        option, equals, value = argument.partition("=")
        if option == "--profile" and (equals or todo):
            value = value if equals else todo.pop(0)
            if not value.isdigit():
                texts.append(value)
                continue
            argument = f"--profile={value}"
        rest.append(argument)
    return texts, rest


def _checked(options: _Options, texts: list[str], shapes: list[ShapesOption]) -> int:
    from fxexport.targets.tensorrt.api import check

    given = profiles_given(os.fspath(options.file), texts, shapes)
    quiet = options.json or options.no_build
    console = None if quiet else console_for(sys.stderr)
    with build_progress(console) as on_message:
        result = check(
            options.file,
            profiles=given,
            timeout=options.timeout,
            ask_builder=not options.no_build,
            on_message=on_message,
        )
    if options.json:
        print(_json_of(result, None))
    else:
        print(_check_text(options.file, result))
    return 0 if result.ok else 1 if result.build is None else EXIT_NOT_BUILT


def _check_text(file: Path, result: CheckResult) -> str:
    lines = [problem.describe() for problem in result.problems]
    if result.build is not None:
        lines.append(result.build.describe())
    elif result.note:
        lines.append(result.note)
    if not result.ok:
        verdict = "no engine"
    elif result.build is None:
        verdict = "no problem found by the rules alone"
    else:
        verdict = "an engine can be built"
    lines.append(f"{file}: {verdict}")
    return "\n".join(lines)
