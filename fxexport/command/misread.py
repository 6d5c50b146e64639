"""Command lines that cannot be read, told with what was probably meant."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from fxexport.errors import UsageError
from fxexport.suggestions import did_you_mean

if TYPE_CHECKING:
    from typer.exceptions import TyperException

__all__ = ["misread"]

_CHOICE = re.compile(r"'([^']*)' is not one of (.*?)\.?$")
_EXTRA = re.compile(r"unexpected extra argument\(?s?\)? \((.*)\)")


def misread(
    error: TyperException, arguments: Sequence[str], usage: str, subcommands: Collection[str] = ()
) -> UsageError:
    """The error for a command line.

    Args:
        error: what the parser says.
        arguments: the command line.
        usage: the hint where nothing better is known.
        subcommands: what the first argument may be beside a model.
    """
    text = error.format_message().replace("Value error, ", "")
    if choice := _CHOICE.search(text):
        known = re.findall(r"'([^']*)'", choice[2])
        return UsageError(text, hint=did_you_mean(choice[1], known, usage))
    if extra := _EXTRA.search(text):
        return UsageError(text, hint=_meant_by(extra[1].split(), arguments, subcommands) or usage)
    return UsageError(text, hint=usage)


def _meant_by(extra: Sequence[str], arguments: Sequence[str], subcommands: Collection[str]) -> str:
    """What was meant where there are more arguments than there may be."""
    for name, value in pairwise(arguments):
        if name == "--dynamic" and value in extra:
            of, _, dimension = value.rpartition(":")
            return (
                f"--dynamic takes an input, an axis and a name, such as {of or 'x'}:0="
                f"{dimension or 'batch'}; alone, it tries every dimension"
            )
    first = arguments[0]
    return "" if os.path.exists(first) else did_you_mean(first, subcommands)
