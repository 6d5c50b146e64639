"""``fxexport profile FILE.onnx``: prints and replaces the profiles of a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import typer

from fxexport.command.console import console_for
from fxexport.command.shapes import PolygraphyShapes, TrtexecShapes
from fxexport.command.subcommand import read_by
from fxexport.errors import UsageError
from fxexport.profiles import FORMS, Profile, StoredProfiles, as_text, parse_profiles, resolve
from fxexport.profiles.by_dimension import parse_by_dimension
from fxexport.profiles.forms import looks_like_a_form
from fxexport.profiles.tool_options import ShapesOption, parse_shapes_options, sections

__all__ = ["profiles_given", "run"]

_HINT = (
    'for example "batch[1..4..8]", a JSON file, what fxexport profile --as prints, or '
    "--minShapes=x:1x8 --optShapes=x:4x8 --maxShapes=x:8x8"
)


@dataclass
class _Options:
    """The command line, read."""

    file: str
    form: str = ""
    replaced: list[str] | None = None
    quiet: bool = False
    shapes: list[ShapesOption] = field(default_factory=list)


def run(arguments: list[str]) -> int:
    """Runs ``fxexport profile ...``.

    Args:
        arguments: what follows ``profile``.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: no such file, profiles that do not fit it, or none to print.
        OutputError: the file cannot be written.
    """
    options = _parse(arguments)
    if isinstance(options, int):
        return options
    from fxexport.files.profiles import read_profiles

    stored = read_profiles(options.file)
    if options.replaced is not None:
        stored = _replace(options, stored)
    elif options.shapes:
        raise UsageError(
            f"{options.shapes[0].option} gives a profile: is it to replace those in the file?",
            hint="add --set to replace them",
        )
    if options.form:
        print(as_text(_some(stored, options), options.form))
    elif not options.quiet:
        _show(options.file, stored)
    return 0


def _some(stored: StoredProfiles, options: _Options) -> list[Profile]:
    """The profiles, of which there must be some to print."""
    if stored.profiles:
        return stored.profiles
    from fxexport.profiles import why_no_profile

    reason = why_no_profile(stored.inputs) or "no profile: all of its sizes are fixed"
    raise UsageError(
        f"{options.file} has {reason.partition(';')[0]}",
        hint='give one, for example with --set "batch[1..4..8]"',
    )


def _replace(options: _Options, stored: StoredProfiles) -> StoredProfiles:
    """Replaces the profiles in the file by those of the command line."""
    from fxexport.files.profiles import replace_profiles

    profiles, opts = _read_all(options.replaced or (), options.shapes, stored)
    if not profiles:
        raise UsageError("--set: expected profiles", hint=_HINT)
    return replace_profiles(options.file, profiles, opts)


def profiles_given(
    file: str, texts: Sequence[str], shapes: Sequence[ShapesOption]
) -> list[Profile] | None:
    """Profiles that a command line gives for a file, completed by it; None for none.

    Args:
        file: an ONNX file.
        texts: each in any form that ``--set`` takes.
        shapes: options in the syntax of trtexec and Polygraphy.

    Raises:
        UsageError: no such file, or profiles that do not fit it.
    """
    if not texts and not shapes:
        return None
    from fxexport.files.profiles import read_profiles

    stored = read_profiles(file)
    profiles, opts = _read_all(texts, shapes, stored)
    if not profiles:
        raise UsageError("--profile: expected a profile", hint=_HINT)
    return resolve(profiles, stored.inputs, stored.relations, opts)


def _read_all(
    texts: Sequence[str], shapes: Sequence[ShapesOption], stored: StoredProfiles
) -> tuple[list[Profile], dict[str, int]]:
    profiles = parse_shapes_options(shapes)
    opts: dict[str, int] = {}
    for text in filter(None, texts):
        more, given = _read(text, stored)
        profiles += more
        opts |= given
    return profiles, opts


def _read(text: str, stored: StoredProfiles) -> tuple[list[Profile], dict[str, int]]:
    """The profiles that one ``--set`` gives, in whatever form."""
    if os.path.isfile(text):
        try:
            with open(text, encoding="utf-8", errors="replace") as file:
                return parse_profiles(file.read()), {}
        except OSError as error:
            raise UsageError(f"cannot read {text!r}: {error.strerror or error}") from error
        except UsageError as error:
            raise UsageError(f"{text}: {error.message}", hint=error.hint) from None
    if text.endswith(".json"):
        raise UsageError(f"there is no file {text!r}", hint=_HINT)
    if looks_like_a_form(text):
        return parse_profiles(text), {}
    if "[" in text:
        profile, opts = parse_by_dimension(text, stored.inputs)
        return [profile], opts
    raise UsageError(f"not a profile: {text!r}", hint=_HINT)


def _show(file: str, stored: StoredProfiles) -> None:
    from fxexport.report.profiles import print_stored

    print_stored(console_for(sys.stdout), file, stored)


def _parse(arguments: list[str]) -> _Options | int:
    shapes, rest = sections(_with_set_values(arguments))
    parsed = read_by(_command, "profile", rest)
    if isinstance(parsed, _Options):
        parsed.shapes = shapes
    return parsed


def _command(
    file: Annotated[str, typer.Argument(metavar="FILE.onnx", help="A file that was exported.")],
    form: Annotated[
        str,
        typer.Option(
            "--as", metavar="FORM", help=f"Print them ready to paste: {', '.join(FORMS)}."
        ),
    ] = "",
    replaced: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PROFILE",
            help="Replace them: batch[1..4..8],height[32..512], a JSON file, any text that --as "
            "prints, or the options below. Repeatable: one a profile.",
        ),
    ] = None,
    trtexec_shapes: TrtexecShapes = None,
    profile: Annotated[
        list[int] | None,
        typer.Option("--profile", metavar="K", help="What follows is of profile K, from 0."),
    ] = None,
    polygraphy_shapes: PolygraphyShapes = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but what --as asks for.")
    ] = False,
) -> _Options:
    """Prints the optimization profiles of an exported file, or replaces them."""
    del trtexec_shapes, profile, polygraphy_shapes  # `sections` has taken them, in order
    if form and form not in FORMS:
        raise UsageError(f"--as {form!r}: unknown form", hint=f"forms are {', '.join(FORMS)}")
    return _Options(file, form, replaced, quiet)


def _with_set_values(arguments: Sequence[str]) -> list[str]:
    """Gives every --set a value: what follows it, unless that is an option or the file."""
    filled: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--set":
            following = rest[0] if rest else "-"
            # What --as prints for trtexec and Polygraphy begins with dashes, and holds blanks.
            taken = " " in following or not following.startswith("-")
            taken = taken and not following.endswith(".onnx")
            argument = f"--set={rest.pop(0) if taken else ''}"
        filled.append(argument)
    return filled
