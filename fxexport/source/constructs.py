"""Where the ifs and loops of a program stand in its source."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Mapping, Sequence

from fxexport.source.location import SourceLocation

__all__ = ["Bodies", "Constructs"]

Bodies = Mapping[str, tuple[int, int]]
"""The first and the last line of each body of an if or loop: "then" and "else", or "body"."""

_EXPRESSIONS = (ast.IfExp, ast.BoolOp, ast.comprehension, ast.Assert, ast.Match, ast.Compare)


class Constructs:
    """The ifs and loops of files, which are read once each."""

    def __init__(self) -> None:
        self._files: dict[str, ast.Module | None] = {}
        self._bodies: dict[str, dict[int, Bodies]] = {}
        self._lines: dict[str, set[int]] = {}
        self._loops: dict[str, set[int]] = {}

    def bodies_at(self, location: SourceLocation) -> Bodies:
        """The bodies of the statement whose head is on a line; empty where there is none."""
        if location.file not in self._bodies:
            tree = self._tree_of(location.file)
            self._bodies[location.file] = {} if tree is None else dict(_bodies_in(tree))
        return self._bodies[location.file].get(location.line, {})

    def stands_at(self, location: SourceLocation) -> bool:
        """Whether a line decides anything itself.

        It does not where that is done by a function that it calls, as by the loop of
        `torch.nn.Sequential`. Of source that cannot be read, True.
        """
        tree = self._tree_of(location.file)
        if tree is None:
            return True
        if location.file not in self._lines:
            self._lines[location.file] = set(_deciding_lines(tree))
        return location.line in self._lines[location.file]

    def is_loop(self, location: SourceLocation) -> bool:
        """Whether a line is of the head of a `for` or `while`."""
        tree = self._tree_of(location.file)
        if tree is None:
            return False
        if location.file not in self._loops:
            self._loops[location.file] = {
                line
                for node in ast.walk(tree)
                if isinstance(node, ast.For | ast.While)
                for line in range(node.lineno, max(node.body[0].lineno, node.lineno + 1))
            }
        return location.line in self._loops[location.file]

    def _tree_of(self, file: str) -> ast.Module | None:
        if file not in self._files:
            text = "".join(linecache.getlines(file))
            try:
                self._files[file] = ast.parse(text) if text else None
            except (SyntaxError, ValueError):  # a notebook's cell with magics, for example
                self._files[file] = None
        return self._files[file]


def _bodies_in(tree: ast.Module) -> Iterator[tuple[int, Bodies]]:
    """The bodies of each statement, by each line of its head."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.If | ast.For | ast.While):
            continue
        bodies = {"then" if isinstance(node, ast.If) else "body": _lines_of(node.body)}
        if node.orelse:
            bodies["else"] = _lines_of(node.orelse)
        for line in range(node.lineno, node.body[0].lineno):
            yield line, bodies


def _lines_of(statements: Sequence[ast.stmt]) -> tuple[int, int]:
    return statements[0].lineno, statements[-1].end_lineno or statements[-1].lineno


def _deciding_lines(tree: ast.Module) -> Iterator[int]:
    """The lines of heads of ifs and loops, and of expressions that decide something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.For | ast.While):
            yield from range(node.lineno, max(node.body[0].lineno, node.lineno + 1))
        elif isinstance(node, _EXPRESSIONS):
            place = node.iter if isinstance(node, ast.comprehension) else node
            yield from range(place.lineno, (place.end_lineno or place.lineno) + 1)
