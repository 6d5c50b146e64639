"""The user's source with what was decided about each line, as a page shows it."""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fxexport.errors import FxExportError, errors_in
from fxexport.page.base import highlighted_lines
from fxexport.report.goal_words import FORCED, NEVER
from fxexport.report.layout import short_path
from fxexport.report.model import Report
from fxexport.source.location import SourceLocation

__all__ = ["LABELS", "Mark", "Part", "ShownLine", "SourceFile", "files_of"]

_WHOLE = 300
"""Lines of a file that is shown whole; of a longer one those around its marks are."""

_AROUND = 4
"""Lines that are shown on either side of a marked one."""

LABELS = {
    "branch": "If",
    "loop": "Loop",
    "selected": "Where",
    "unused": "left out",
    "folded": "decided",
    "unrolled": "written out",
    "pinned": "pinned",
    "relation": "needs",
    "assumption": "assumed",
    "state": "state",
    "constant": "constant",
    "note": "note",
}


@dataclass(frozen=True)
class Mark:
    """What was decided or found at a line.

    Attributes:
        kind: a kind of finding, "forced" (it was compared with its decision forced), "never" (no
            comparison reached it), "wrong" (a disagreement starts there) or "refused".
        label: the same in a word or two.
        text: what there is to say.
    """

    kind: str
    label: str
    text: str


@dataclass
class ShownLine:
    """A line of source.

    Attributes:
        number: from 1.
        code: the line as HTML.
        marks: what was decided at it.
        anchor: its name on the page.
    """

    number: int
    code: str
    anchor: str
    marks: list[Mark] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """Lines of a file that follow each other."""

    lines: tuple[ShownLine, ...]


@dataclass(frozen=True)
class SourceFile:
    """A file of which some lines are marked.

    Attributes:
        path: as the report names it.
        name: the same in short.
        library: whether it is of an installed package.
        parts: the lines that are shown.
    """

    path: str
    name: str
    library: bool
    parts: tuple[Part, ...]


def files_of(report: Report | None, error: BaseException | None) -> list[SourceFile]:
    """The files that a report or a refusal is about; the user's own come first.

    A file that cannot be read is left out: what there is to say of it stands elsewhere too.
    """
    marks: dict[str, dict[int, list[Mark]]] = {}
    for location, mark in (*_marks_of(report), *_refusals_of(error)):
        here = marks.setdefault(location.file, {}).setdefault(location.line, [])
        if mark not in here:
            here.append(mark)
    found = [_file(path, by_line, k) for k, (path, by_line) in enumerate(marks.items())]
    return sorted((one for one in found if one is not None), key=lambda one: one.library)


def _marks_of(report: Report | None) -> Iterable[tuple[SourceLocation, Mark]]:
    if report is None:
        return
    for found in report.findings:
        if found.location is not None:
            yield found.location, Mark(found.kind, LABELS[found.kind], found.message)
    if report.verification is None:
        return
    for goal in report.verification.goals:
        if goal.location is not None and goal.reached == "forced":
            yield goal.location, Mark("forced", "forced", FORCED.get(goal.goal, goal.goal))
    for one in report.verification.uncovered:
        if one.location is not None:
            text = f"no comparison reached it: {NEVER.get(one.goal, one.goal)}"
            why = f" ({one.reason})" if one.reason else ""
            yield one.location, Mark("never", "not reached", text + why)
    if report.verification.location is not None:
        yield (
            report.verification.location,
            Mark("wrong", "differs", f"the difference starts here: {report.verification.message}"),
        )


def _refusals_of(error: BaseException | None) -> Iterable[tuple[SourceLocation, Mark]]:
    for one in errors_in(error):
        if isinstance(one, FxExportError) and one.location is not None:
            yield one.location, Mark("refused", "refused", one.message)
            if one.location.within is not None:
                yield one.location.within, Mark("refused", "refused", one.message)


def _file(path: str, marks: dict[int, list[Mark]], number: int) -> SourceFile | None:
    text = linecache.getlines(path)
    if not text:
        return None
    code = highlighted_lines("".join(text))
    lines = [
        ShownLine(k, html, f"f{number}-L{k}", marks.get(k, []))
        for k, html in enumerate(code[: len(text)], 1)
    ]
    name = short_path(path)
    library = any(part in path for part in ("/site-packages/", "/dist-packages/"))
    return SourceFile(path, name, library, tuple(_parts(lines, sorted(marks))))


def _parts(lines: list[ShownLine], marked: Sequence[int]) -> Iterable[Part]:
    """The whole file, or what is around its marks."""
    if len(lines) <= _WHOLE:
        yield Part(tuple(lines))
        return
    shown = {k for line in marked for k in range(line - _AROUND, line + _AROUND + 1)} & set(
        range(1, len(lines) + 1)
    )
    part: list[ShownLine] = []
    for line in lines:
        if line.number in shown:
            part.append(line)
        elif part:
            yield Part(tuple(part))
            part = []
    if part:
        yield Part(tuple(part))
