"""What was decided at export, at its place among the boxes of what the file holds."""

from __future__ import annotations

from collections.abc import Sequence

from fxexport.graph.paths import Path
from fxexport.report.source_tree import Entry, SourceTree

__all__ = ["Decided"]

Home = tuple[Path, str]
"""A body: where the construct is that has it, and its name."""


class Decided:
    """The entries of the tree of the source that have no box of their own; each is given once.

    Attributes:
        notes: what there is to say of constructs, by where they are in the graph.
    """

    def __init__(self, tree: SourceTree) -> None:
        self.notes: dict[Path, list[str]] = {}
        self._before: dict[Path, list[Entry]] = {}
        self._last: dict[Home, list[Entry]] = {}
        self._place(tree.entries, ((), ""))

    def before(self, path: Path) -> list[Entry]:
        """What stands before a construct in the source."""
        return self._before.pop(path, [])

    def last(self, home: Home) -> list[Entry]:
        """What stands in a body behind all constructs."""
        return self._last.pop(home, [])

    def rest(self) -> list[Entry]:
        """What nothing was asked for: its construct is not in the file."""
        left = [*self._before.values(), *self._last.values()]
        self._before, self._last = {}, {}
        return [entry for entries in left for entry in entries]

    def _place(self, entries: Sequence[Entry], home: Home) -> None:
        found: list[Entry] = []
        self._walk(entries, found)
        if found:
            self._last.setdefault(home, []).extend(found)

    def _walk(self, entries: Sequence[Entry], waiting: list[Entry]) -> None:
        """Gives what waits to the next construct."""
        for entry in entries:
            if entry.site is None:
                waiting.append(entry)
                for inner in entry.arms.values():
                    self._walk(inner, waiting)
                continue
            path = entry.site.paths[0]
            self.notes.setdefault(path, []).extend(entry.notes)
            self._before.setdefault(path, []).extend(waiting)
            waiting.clear()
            for name, inner in entry.arms.items():
                self._place(inner, (path, name))
