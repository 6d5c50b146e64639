"""The control flow of a file as nested boxes that are linked with the lines of its source.

Each has the marks that the terminal's tree has: which sides were compared, how, and why others were
not. What was decided at export is no construct of the file, and stands where it is in the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from fxexport.outline.model import Check, Construct, Operators, Place, Step
from fxexport.outline.text import loop_text, place_text, row_text
from fxexport.outline.times import share_text
from fxexport.page.decided import Decided, Home
from fxexport.page.source import LABELS, SourceFile
from fxexport.report.flow_marks import FlowMarks, SideMark, marks_of, reasons_of
from fxexport.report.layout import short_path
from fxexport.report.model import Report
from fxexport.report.source_tree import Entry, SourceTree
from fxexport.source.location import SourceLocation

__all__ = ["ArmBox", "Box", "Links", "boxes_of"]


@dataclass(frozen=True)
class ArmBox:
    """One body of a construct, with what is in it."""

    name: str
    boxes: tuple[Box, ...]
    operators: int


@dataclass(frozen=True)
class Box:
    """One step of a file.

    Attributes:
        kind: "operators", "check", "decided", or the type of a construct.
        text: what it does, or the line of code it was made for.
        place: ``file:line`` of that; empty where the file does not say it.
        anchor: its name on the page, for constructs.
        line: the name of its line on the page; empty where that is not shown.
        loop: how often a loop runs.
        share: its part of the time, in words, where it was measured.
        arms: its bodies.
        marks: which of its sides were compared.
        notes: why others were not, and what was decided.
        tag: of what was decided, its kind and a word for it.
    """

    kind: str
    text: str
    place: str = ""
    anchor: str = ""
    line: str = ""
    loop: str = ""
    share: str = ""
    arms: tuple[ArmBox, ...] = ()
    marks: tuple[SideMark, ...] = ()
    notes: tuple[str, ...] = ()
    tag: tuple[str, str] = ("", "")


class Links:
    """Finds the lines of a page, and remembers which boxes were made for them."""

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self._lines = {
            (file.path, line.number): line.anchor
            for file in files
            for part in file.parts
            for line in part.lines
        }
        self._numbers = count()
        self.boxes: dict[str, list[str]] = {}

    def line_of(self, place: Place | None) -> str:
        """The name of a line; empty where it is not shown."""
        return "" if place is None else self.line_at(place.file, place.line)

    def line_at(self, file: str, number: int) -> str:
        """The same, by its file and number."""
        return self._lines.get((file, number), "")

    def new_box(self, line: str) -> str:
        """The name of a new box that was made for a line."""
        name = f"box{next(self._numbers)}"
        if line:
            self.boxes.setdefault(line, []).append(name)
        return name


def boxes_of(steps: Sequence[Step], links: Links, report: Report) -> tuple[Box, ...]:
    """The boxes of some steps.

    Args:
        steps: what a file does.
        links: of the page that they stand on.
        report: of the export.
    """
    boxes = _Boxes(links, report)
    return (*boxes.of(steps, ((), "")), *boxes.rest())


class _Boxes:
    """Makes boxes, each with what a report says of it."""

    def __init__(self, links: Links, report: Report) -> None:
        self._links = links
        self._goals = FlowMarks(report)
        self._decided = Decided(SourceTree.of(report, libraries=False))

    def of(self, steps: Sequence[Step], home: Home) -> tuple[Box, ...]:
        """The boxes of a body."""
        boxes: list[Box] = []
        for step in steps:
            if isinstance(step, Operators):
                boxes.append(Box("operators", row_text(step.types)))
            elif isinstance(step, Check):
                boxes.append(Box("check", step.text))
            else:
                boxes += map(self._of_decided, self._decided.before(step.path))
                boxes.append(self._of_construct(step))
        return (*boxes, *map(self._of_decided, self._decided.last(home)))

    def rest(self) -> Iterator[Box]:
        """What was decided and has no place in the file."""
        return map(self._of_decided, self._decided.rest())

    def _of_construct(self, step: Construct) -> Box:
        line = self._links.line_of(step.place)
        anchor = self._links.new_box(line)
        code = "" if step.place is None else step.place.code
        goals = self._goals.at(step.path)
        return Box(
            step.kind,
            code or step.name,
            place_text(step.place),
            anchor,
            line,
            "" if step.loop is None else loop_text(step.loop),
            share_text(step.share),
            tuple(
                ArmBox(
                    arm.name,
                    self.of(arm.steps, (step.path, arm.name)),
                    sum(_operators_in(arm.steps)),
                )
                for arm in step.arms
            ),
            tuple(marks_of(goals)),
            (*self._decided.notes.get(step.path, ()), *reasons_of(goals)),
        )

    def _of_decided(self, entry: Entry) -> Box:
        at: SourceLocation | None = entry.location
        line = "" if at is None else self._links.line_at(at.file, at.line)
        return Box(
            "decided",
            "" if at is None else at.code,
            "" if at is None else f"{short_path(at.file)}:{at.line}",
            self._links.new_box(line),
            line,
            notes=(*dict.fromkeys(entry.notes), *reasons_of(self._goals.of_entry(entry))),
            tag=(entry.kind, LABELS[entry.kind]),
        )


def _operators_in(steps: Sequence[Step]) -> Iterator[int]:
    """The number of operators of each step, those of inner bodies with it."""
    for step in steps:
        if isinstance(step, Construct):
            yield 1 + sum(sum(_operators_in(arm.steps)) for arm in step.arms)
        else:
            yield len(step.types) if isinstance(step, Operators) else 1
