"""The control flow for people: a tree of ifs and loops, with what was compared of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from fxexport.report.flow_marks import FlowMarks, marks_of, reasons_of
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
        self._goals = FlowMarks(report)

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
        here = tree.add(self._label(entry, self._goals.of_entry(entry)))
        filled = {name: inner for name, inner in entry.arms.items() if inner}
        for name, inner in filled.items():
            named = entry.kind in ("branch", "selected") or len(filled) > 1
            self.grow(here.add(Text(name, "bold")) if named else here, inner)

    def _label(self, entry: Entry, goals: Sequence[Goal]) -> Label:
        name, style = _NAMES[entry.kind]
        head = Text().append(name, style)
        code = Text()
        if entry.location is not None:
            place = f"{short_path(entry.location.file)}:{entry.location.line}"
            head.append("  ").append(place, "cyan")
            code = highlighted(entry.location.code)
        notes = [Text(text, "dim") for text in self._first(entry.notes)]
        notes += [Text(text, "yellow") for text in reasons_of(goals)]
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
        text = Text()
        for mark in marks_of(goals):
            text.append("  " if text else "").append(f"{mark.side} ")
            if not mark.compared:
                text.append(mark.how, "bold yellow")
                continue
            text.append("ok" if self._ascii else "✔", "green")
            if mark.how:
                text.append(f" {mark.how}", "cyan")
        return text
