"""What is shown of each if and loop: which sides were compared and how, and why others were not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fxexport.report.goal_words import NEVER, SIDES
from fxexport.report.model import Goal, Report
from fxexport.report.source_tree import Entry
from fxexport.source.location import SourceLocation

if TYPE_CHECKING:
    from fxexport.graph.paths import Path

__all__ = ["FlowMarks", "SideMark", "marks_of", "reasons_of"]

_Key = tuple[str, SourceLocation | None]


@dataclass(frozen=True)
class SideMark:
    """A side of a branch, or a number of iterations, and what was compared of it.

    Attributes:
        side: what it is called.
        compared: whether it was compared, everywhere where there is one.
        how: in words: "forced", "2 forced" of several, "never", "1 of 3", "graph only"; empty where
            inputs came everywhere.
    """

    side: str
    compared: bool
    how: str


class FlowMarks:
    """The goals of a report by their ifs and loops."""

    def __init__(self, report: Report) -> None:
        self._by_key: dict[_Key, list[Goal]] = {}
        self._by_path: dict[Path, list[Goal]] = {}
        if report.verification is None or not report.verification.ran:
            return
        for goal in report.verification.goals:
            self._by_key.setdefault((goal.kind, goal.location), []).append(goal)
            self._by_path.setdefault(goal.path, []).append(goal)

    def of_entry(self, entry: Entry) -> list[Goal]:
        """What is to be compared of an entry of the tree of the source.

        A loop that is written out and may end early asks at each iteration whether it has. Others
        may have ifs of their own, as in ``while a and b``: what was not compared of them is told.
        """
        asked = self._by_key.get(("branch", entry.location), [])
        if entry.kind == "unrolled":
            return [goal for goal in asked if not goal.compared]
        goals = self._by_key.get((entry.kind, entry.location), [])
        if entry.site is not None:
            goals = [goal for goal in goals if goal.path in entry.site.paths]
        if entry.kind == "loop":
            goals += [goal for goal in asked if not goal.compared]
        return goals

    def at(self, path: Path) -> list[Goal]:
        """What is to be compared of one branch or loop of the graph."""
        return self._by_path.get(path, [])


def marks_of(goals: Iterable[Goal]) -> list[SideMark]:
    """What was compared of each path, or of each number of iterations."""
    sides: dict[str, list[Goal]] = {}
    for goal in goals:
        sides.setdefault(goal.goal, []).append(goal)
    return [_mark(SIDES.get(name, name), those) for name, those in sides.items()]


def _mark(side: str, goals: Sequence[Goal]) -> SideMark:
    """Whether a side was compared; for several constructs of one line, for how many."""
    compared = sum(goal.compared for goal in goals)
    if compared < len(goals):
        by_graph = all(goal.reached == "graph only" for goal in goals)
        none = "graph only" if by_graph else "never"
        return SideMark(side, False, f"{compared} of {len(goals)}" if compared else none)
    forced = sum(goal.reached == "forced" for goal in goals)
    how = "forced" if forced == len(goals) else f"{forced} forced" if forced else ""
    return SideMark(side, True, how)


def reasons_of(goals: Iterable[Goal]) -> Iterator[str]:
    """Why something was not compared, a line a reason."""
    found: dict[str, list[str]] = {}
    for goal in goals:
        if not goal.compared and goal.reason:
            sides = found.setdefault(goal.reason, [])
            side = NEVER.get(goal.goal, goal.goal)
            if side not in sides:
                sides.append(side)
    for reason, sides in found.items():
        yield f"{', '.join(sides)}: {reason}"
