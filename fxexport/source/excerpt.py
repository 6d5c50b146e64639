"""The lines around a place in the source, as plain text."""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterator

from fxexport.source.location import SourceLocation

__all__ = ["excerpt", "lines_around", "span_of"]

_AROUND = 2
"""Lines that are shown on either side."""


def excerpt(location: SourceLocation) -> list[str]:
    """Where a location is, and its line between its neighbours with a mark under what it means.

    The line of a library that it has called follows.
    """
    lines = list(_of(location, ""))
    if location.within is not None:
        lines += _of(location.within, f"in {location.within.whose}: ")
    return lines


def _of(location: SourceLocation, whose: str) -> Iterator[str]:
    function = f" in {location.function}" if location.function else ""
    yield f"  --> {whose}{_short(location.file)}:{location.line}{function}"
    if not location.code:
        return
    for number, text in lines_around(location):
        yield f"  {number} | {text}".rstrip()
        if int(number) == location.line:
            yield f"  {'':>{len(number)}} | {_mark(location, text)}"


def lines_around(location: SourceLocation) -> Iterator[tuple[str, str]]:
    """The line of a location between its neighbours, each with its number as it is printed."""
    last = location.line + _AROUND
    margin = len(str(last))
    for number in range(max(1, location.line - _AROUND), last + 1):
        text = linecache.getline(location.file, number)
        if not text and number > location.line:
            break  # past the end of the file
        yield f"{number:>{margin}}", text.rstrip()


def span_of(location: SourceLocation, text: str) -> tuple[int, int]:
    """Where the part of a line begins and ends that a location is about, counted from 0.

    Args:
        location: of a line; without columns it is about all of its code.
        text: the line.
    """
    columns = location.columns
    if columns is None:
        return len(text) - len(text.lstrip()), len(text)
    return columns.start - 1, columns.end - 1


def _mark(location: SourceLocation, text: str) -> str:
    """What stands under a line; tabs stay, so that it stands under the right letters."""
    start, end = span_of(location, text)
    before = "".join(one if one == "\t" else " " for one in text[:start])
    return before + "^" * max(end - start, 1)


def _short(file: str) -> str:
    """A path below the current folder in its short form; any other as it is."""
    try:
        short = os.path.relpath(file)
    except ValueError:  # another drive
        return file
    return file if file.startswith("<") or short.startswith(os.pardir) else short
