"""The control flow of a file as nested boxes that are linked with the lines of its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from fxexport.outline.model import Check, Construct, Operators, Place, Step
from fxexport.outline.text import loop_text, place_text, row_text
from fxexport.page.source import SourceFile

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
        kind: "operators", "check", or the type of a construct.
        text: what it does, or the line of code it was made for.
        place: ``file:line`` of that; empty where the file does not say it.
        anchor: its name on the page, for constructs.
        line: the name of its line on the page; empty where that is not shown.
        loop: how often a loop runs.
        arms: its bodies.
    """

    kind: str
    text: str
    place: str = ""
    anchor: str = ""
    line: str = ""
    loop: str = ""
    arms: tuple[ArmBox, ...] = ()


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


def boxes_of(steps: Sequence[Step], links: Links) -> tuple[Box, ...]:
    """The boxes of some steps.

    Args:
        steps: what a file does.
        links: of the page that they stand on.
    """
    return tuple(_box(step, links) for step in steps)


def _box(step: Step, links: Links) -> Box:
    if isinstance(step, Operators):
        return Box("operators", row_text(step.types))
    if isinstance(step, Check):
        return Box("check", step.text)
    line = links.line_of(step.place)
    anchor = links.new_box(line)
    code = "" if step.place is None else step.place.code
    return Box(
        step.kind,
        code or step.name,
        place_text(step.place),
        anchor,
        line,
        "" if step.loop is None else loop_text(step.loop),
        tuple(
            ArmBox(arm.name, boxes_of(arm.steps, links), sum(_operators_in(arm.steps)))
            for arm in step.arms
        ),
    )


def _operators_in(steps: Sequence[Step]) -> Iterator[int]:
    """The number of operators of each step, those of inner bodies with it."""
    for step in steps:
        if isinstance(step, Construct):
            yield 1 + sum(sum(_operators_in(arm.steps)) for arm in step.arms)
        else:
            yield len(step.types) if isinstance(step, Operators) else 1
