"""The control flow for people: a tree of ifs and loops, with what was compared of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from fxexport.report.goal_words import NEVER, SIDES
from fxexport.report.layout import (
    Label,
    highlighted,
    line,
    package_of,
    print_tree,
    section,
    short_path,
)
from fxexport.report.model import Finding, Goal, Report
from fxexport.report.source_tree import Entry, SourceTree, entries_in
from fxexport.source.location import SourceLocation

__all__ = ["print_control_flow"]

_CAP = 40
"""Ifs and loops that are shown unless everything is asked for."""

_NOTES = 3
"""Notes on one line that are shown, likewise."""

_MOST = 110
"""Columns that marks at the right stand within, also on a wider terminal."""

_NAMES = {
    "branch": ("If", "bold green"),
    "loop": ("Loop", "bold green"),
    "selected": ("Where", "green"),
    "unused": ("left out", "cyan"),
    "folded": ("decided", "cyan"),
    "unrolled": ("written out", "cyan"),
}

_Key = tuple[str, SourceLocation | None]


def print_control_flow(console: Console, report: Report, *, verbose: bool = False) -> None:
    """Prints the tree of ifs and loops: kept ones, decided ones, and what was compared of them.

    Args:
        console: where to.
        report: of an export.
        verbose: show what was decided in libraries as well, and every entry.
    """
    tree = SourceTree.of(report, libraries=verbose)
    section(console, f"Control flow: {_summary(report, tree)}")
    drawing = _Drawing(console, report, verbose)
    drawing.grow(drawing.root, tree.entries)
    if tree.entries:
        print_tree(console, drawing.root, _MOST)
    if drawing.left_out:
        line(console, f"{drawing.left_out} more are not shown; -v shows all", "dim")
    if tree.hidden:
        line(console, _hidden_text(tree.hidden), "dim")


def _hidden_text(hidden: Sequence[Finding]) -> str:
    """How many decisions are not shown, and in which packages most of them are."""
    paths = [found.location.file for found in hidden if found.location is not None]
    packages = Counter(package_of(path) for path in paths)
    packages.pop("", None)  # a user's line, which calls a library
    most = ", ".join(f"{name} {count}" for name, count in packages.most_common(3))
    where = f" ({most})" if most else ""
    return f"{len(hidden)} more decided by functions of libraries{where}; -v shows them"


def _summary(report: Report, tree: SourceTree) -> str:
    """How many constructs the file holds, and how many were decided."""
    kept = Counter(entry.kind for entry in entries_in(tree.entries))
    counts = (("If", kept["branch"]), ("Loop", kept["loop"]))
    parts = [f"{count} {name}{'s' * (count > 1)}" for name, count in counts if count]
    selected = len(report.of_kind("selected"))
    if selected:
        parts.append(f"{selected} computed on both paths")
    if not parts:
        left_out = report.of_kind("unused")
        parts.append("no if or loop" + ("" if left_out else " depends on the inputs"))
    decided = sum(entry.kind in ("folded", "unrolled") for entry in entries_in(tree.entries))
    return ", ".join(parts) + (f"; {decided} decided at export" if decided else "")


class _Drawing:
    """A tree that is drawn.

    Attributes:
        root: of the tree.
        left_out: how many entries there was no room for.
    """

    def __init__(self, console: Console, report: Report, verbose: bool) -> None:
        self.root = Tree("", hide_root=True, guide_style="dim")
        self.left_out = 0
        self._room = None if verbose else _CAP
        self._aligned = console.is_terminal
        self._ascii = console.options.ascii_only
        self._goals: dict[_Key, list[Goal]] = {}
        if report.verification is not None and report.verification.ran:
            for goal in report.verification.goals:
                self._goals.setdefault((goal.kind, goal.location), []).append(goal)

    def grow(self, tree: Tree, entries: Sequence[Entry]) -> None:
        """Adds entries below a node of the tree."""
        for entry in entries:
            if self._room == 0:
                self.left_out += sum(1 for _ in entries_in([entry]))
                continue
            if self._room is not None:
                self._room -= 1
            self._add(tree, entry)

    def _add(self, tree: Tree, entry: Entry) -> None:
        here = tree.add(self._label(entry, self._goals_of(entry)))
        filled = {name: inner for name, inner in entry.arms.items() if inner}
        for name, inner in filled.items():
            named = entry.kind in ("branch", "selected") or len(filled) > 1
            self.grow(here.add(Text(name, "bold")) if named else here, inner)

    def _goals_of(self, entry: Entry) -> list[Goal]:
        """What is to be compared of an entry.

        A loop that is written out and may end early asks at each iteration whether it has. Others
        may have ifs of their own, as in ``while a and b``: what was not compared of them is told.
        """
        asked = self._goals.get(("branch", entry.location), [])
        if entry.kind == "unrolled":
            return [goal for goal in asked if not goal.compared]
        goals = self._goals.get((entry.kind, entry.location), [])
        if entry.site is not None:
            goals = [goal for goal in goals if goal.path in entry.site.paths]
        if entry.kind == "loop":
            goals += [goal for goal in asked if not goal.compared]
        return goals

    def _label(self, entry: Entry, goals: Sequence[Goal]) -> Label:
        name, style = _NAMES[entry.kind]
        head = Text().append(name, style)
        code = Text()
        if entry.location is not None:
            place = f"{short_path(entry.location.file)}:{entry.location.line}"
            head.append("  ").append(place, "cyan")
            code = highlighted(entry.location.code)
        notes = [Text(text, "dim") for text in self._first(entry.notes)]
        notes += [Text(text, "yellow") for text in _reasons(goals)]
        if entry.site is None:
            return Label(head, code, notes=notes)
        if entry.site.bound:
            head.append(f" {entry.site.bound.strip(' ,')}", "dim")
        if entry.site.copies > 1:
            head.append(f"  {entry.site.copies} times", "dim")
        marks = self._marks(goals)
        if marks and entry.kind == "loop":
            marks = Text("trips: ", "dim").append_text(marks)
        return Label(head, code, marks, notes, self._aligned)

    def _first(self, notes: Sequence[str]) -> list[str]:
        """The notes that are shown."""
        shown = list(dict.fromkeys(notes))
        if self._room is None or len(shown) <= _NOTES:
            return shown
        return [*shown[: _NOTES - 1], f"and {len(shown) - _NOTES + 1} more; -v shows all"]

    def _marks(self, goals: Sequence[Goal]) -> Text:
        """What was compared of each path, or of each number of iterations."""
        sides: dict[str, list[Goal]] = {}
        for goal in goals:
            sides.setdefault(goal.goal, []).append(goal)
        text = Text()
        for name, those in sides.items():
            text.append("  " if text else "").append(f"{SIDES.get(name, name)} ")
            text.append_text(self._mark(those))
        return text

    def _mark(self, goals: Sequence[Goal]) -> Text:
        """Whether a side was compared; for several constructs of one line, for how many."""
        compared = [goal for goal in goals if goal.compared]
        if len(compared) < len(goals):
            seen = f"{len(compared)} of {len(goals)}"
            by_graph = all(goal.reached == "graph only" for goal in goals)
            none = "graph only" if by_graph else "never"
            return Text(seen if compared else none, "bold yellow")
        forced = sum(goal.reached == "forced" for goal in goals)
        text = Text("ok" if self._ascii else "✔", "green")
        if forced:
            text.append(" forced" if forced == len(goals) else f" {forced} forced", "cyan")
        return text


def _reasons(goals: Sequence[Goal]) -> Iterator[str]:
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
