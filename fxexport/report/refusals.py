"""Refusals for people: what, where with the code around it, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, errors_in
from fxexport.report.layout import cut, highlighted, line, print_beside, short_path, width_of
from fxexport.source.excerpt import lines_around, span_of
from fxexport.source.location import SourceLocation

__all__ = ["print_code", "print_error"]

_CAP = 12
"""Refusals shown unless everything is asked for."""

_PLACES = 8
"""Further lines that are named where one thing is refused at many of them."""

_TAB = 4


def print_error(console: Console, error: BaseException, *, verbose: bool = False) -> None:
    """Prints a refusal: what, where with the code around it, and what to do.

    Others that it carries follow it. What is refused for one reason at many lines is told once.

    Args:
        console: where to.
        error: the refusal.
        verbose: show all of the others, not only the first ones.
    """
    errors = errors_in(error)
    causes = _grouped(errors)
    shown = causes if verbose else causes[:_CAP]
    for k, group in enumerate(shown):
        if k:
            console.print()
        _print_cause(console, group, verbose)
    if len(errors) > 1:
        console.print()
        line(console, _count_text(errors, causes, len(causes) - len(shown)), "bold")
    codes = dict.fromkeys(group[0].code for group in shown if _is_explained(group[0]))
    if codes:
        line(console, f"fxexport explain {' '.join(codes)} says more", "dim")


def _grouped(errors: Sequence[BaseException]) -> list[list[BaseException]]:
    """Errors by what they say; the first of each group in their order."""
    groups: dict[tuple[object, ...], list[BaseException]] = {}
    for error in errors:
        if isinstance(error, FxExportError):
            key: tuple[object, ...] = (error.code, error.message, error.hint)
        else:
            key = (type(error), str(error))
        groups.setdefault(key, []).append(error)
    return list(groups.values())


def _count_text(
    errors: Sequence[BaseException], causes: Sequence[Sequence[BaseException]], hidden: int
) -> str:
    text = f"{len(errors)} errors"
    if len(causes) < len(errors):
        text += f" of {len(causes)} kinds" if len(causes) > 1 else ", all of one kind"
    return f"{text}; {hidden} more are not shown; -v shows all" if hidden else text


def _print_cause(console: Console, group: Sequence[BaseException], verbose: bool) -> None:
    error = group[0]
    message = error.message if isinstance(error, FxExportError) else str(error)
    print_beside(console, Text(_heading(error), "bold red"), Text(message, "bold"))
    if not isinstance(error, FxExportError):
        return
    if error.location is not None:
        print_code(console, error.location)
        inner = error.location.within
        if inner is not None:
            print_code(console, inner, f"in {inner.whose}: ")
    _print_other_places(console, group[1:], verbose)
    if error.hint:
        print_beside(console, Text("  hint: ", "bold green"), Text(error.hint))


def _print_other_places(console: Console, others: Sequence[BaseException], verbose: bool) -> None:
    """Names the other lines that the same is said of."""
    places = [
        _file_and_line(one.location)
        for one in others
        if isinstance(one, FxExportError) and one.location is not None
    ]
    places = list(dict.fromkeys(places))
    if not places:
        return
    shown = places if verbose else places[:_PLACES]
    left = len(places) - len(shown)
    text = Text(", ".join(shown), "cyan")
    if left:
        text.append(f" and {left} more", "dim")
    print_beside(console, Text("  and at ", "blue"), text)


def _heading(error: BaseException) -> str:
    """``error[FX101]: ``, where the code tells more than the message."""
    return f"error[{error.code}]: " if _is_explained(error) else "error: "


def _is_explained(error: BaseException) -> TypeGuard[FxExportError]:
    """Whether the code of an error says more than the error itself."""
    return isinstance(error, FxExportError) and Code.UNSUPPORTED < error.code < Code.USAGE


def print_code(console: Console, location: SourceLocation, whose: str = "") -> None:
    """Prints a location, then its line between its neighbours with a marker under its code.

    Args:
        console: where to.
        location: the line.
        whose: what to say before it.
    """
    where = Text().append(whose, "dim").append(_file_and_line(location), "cyan")
    if location.function:
        where.append(f" in {location.function}", "dim")
    print_beside(console, Text("  --> ", "blue"), where)
    if not location.code:
        return
    for number, text in lines_around(location):
        marked = span_of(location, text) if int(number) == location.line else None
        _print_code_line(console, number, text, marked)


def _print_code_line(
    console: Console, number: str, text: str, marked: tuple[int, int] | None
) -> None:
    """A line of code, and what it is about below it; a long line is cut, where that is seen."""
    code = highlighted(text.expandtabs(_TAB))
    room = width_of(console) - len(number) - 5
    start, end = (cell_len(text[:k].expandtabs(_TAB)) for k in marked or (0, 0))
    hidden = max(start - room // 4, 0) if end > room else 0
    shown = Text("…").append_text(code[hidden + 1 :]) if hidden else code
    lines = [(number, cut(shown, room))]
    if marked is not None:
        count = max(min(end - hidden, room) - (start - hidden), 1)
        lines.append((" " * len(number), Text(" " * (start - hidden) + "^" * count, "bold red")))
    for before, behind in lines:
        whole = Text(f"  {before} | ", "blue").append_text(behind)
        whole.rstrip()
        console.print(whole, soft_wrap=True)


def _file_and_line(location: SourceLocation) -> str:
    return f"{short_path(location.file)}:{location.line}"
