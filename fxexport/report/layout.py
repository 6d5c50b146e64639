"""Lines, rows, sections, trees and sizes of what is printed for people.

On a terminal everything keeps to its width: texts wrap below their beginning, and code is cut.
Elsewhere, as in a file or the log of a CI job, lines stay whole, so that they can be searched.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text
from rich.tree import Tree

__all__ = [
    "Label",
    "cut",
    "highlighted",
    "line",
    "package_of",
    "print_beside",
    "print_rows",
    "print_tree",
    "relative_path",
    "section",
    "short_path",
    "size_text",
    "tree_lines",
    "width_of",
]

# Columns of lines that are not to be wrapped.
_WIDE = 100_000

# A text that has fewer columns than this beside what stands before it begins on the next line.
_LEAST = 24


def width_of(console: Console) -> int:
    """How many columns a line may have."""
    return console.width if console.is_terminal else _WIDE


def print_beside(console: Console, lead: Text, text: Text) -> None:
    """Prints a text behind another one; where it wraps, its lines stand below each other.

    A text with `no_wrap`, as a line of code has it, is cut instead.
    """
    room = width_of(console) - lead.cell_len
    if room < min(_LEAST, text.cell_len):
        beginning = lead.copy()
        beginning.rstrip()
        console.print(beginning, soft_wrap=True)
        indent = len(lead.plain) - len(lead.plain.lstrip()) + 4
        lead, room = Text(" " * indent), width_of(console) - indent
    parts = [cut(text, room)] if text.no_wrap else text.wrap(console, max(room, 1))
    for k, part in enumerate(parts):
        part.rstrip()
        whole = lead.copy() if k == 0 else Text(" " * lead.cell_len)
        whole.append_text(part)
        whole.rstrip()
        console.print(whole, soft_wrap=True)


def print_rows(console: Console, rows: Iterable[Sequence[Text | str]], indent: str = "  ") -> None:
    """Aligned columns; the last one of a row may be as long as it likes.

    On a terminal a column takes no more than its share of the width, and wraps in it.
    """
    table = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    count = max(map(len, table), default=0)
    most = width_of(console) // max(count, 3)
    widths: dict[int, int] = {}
    for row in table:
        for k, cell in enumerate(row[:-1]):
            widths[k] = max(widths.get(k, 0), min(cell.cell_len, most))
    for row in table:
        lead, *below = _side_by_side(console, row[:-1], widths)
        print_beside(console, Text(indent).append_text(lead), row[-1] if row else Text())
        for text in below:
            console.print(Text(indent).append_text(text), soft_wrap=True)


def _side_by_side(
    console: Console, cells: Sequence[Text], widths: Mapping[int, int]
) -> Iterator[Text]:
    """The lines of some cells; all but the first one are what has wrapped."""
    wrapped = [cell.wrap(console, max(widths[k], 1)) for k, cell in enumerate(cells)]
    for number in range(max(map(len, wrapped), default=1)):
        text = Text()
        for k, lines in enumerate(wrapped):
            part = lines[number] if number < len(lines) else Text()
            part.rstrip()
            text.append_text(part).append(" " * (widths[k] - part.cell_len + 2))
        if number:
            text.rstrip()
        yield text


def section(console: Console, title: str) -> None:
    """Prints the title of a section after an empty line."""
    console.print()
    line(console, title, "bold")


def line(console: Console, text: str, style: str = "") -> None:
    """Prints one line; on a terminal it wraps below its beginning."""
    inner = text.lstrip(" ")
    print_beside(console, Text(" " * (len(text) - len(inner))), Text(inner, style))


@dataclass(frozen=True)
class Label:
    """A line of a tree: a name, then code, which is cut where there is no room for it, then marks.

    Attributes:
        name: what must be seen whole.
        code: a line of a program.
        marks: what stands at the right.
        notes: what there is to say besides; the first one stands behind code where there is room.
        aligned: whether marks stand below each other at the right.
    """

    name: Text
    code: Text = field(default_factory=Text)
    marks: Text = field(default_factory=Text)
    notes: Sequence[Text] = ()
    aligned: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws it: on one line if the code keeps a part that can be recognised, else on two."""
        room = options.max_width
        ends = self.name.cell_len + (self.marks.cell_len + 2 if self.marks else 0)
        for_code = room - ends - 2
        together = for_code >= min(self.code.cell_len, _LEAST)
        text = self._joined(cut(self.code, for_code) if together else Text(), room)
        notes = list(self.notes)
        if together and notes and not self.marks and text.cell_len + 2 + notes[0].cell_len <= room:
            text.append("  ").append_text(notes.pop(0))
        yield text
        if not together:
            yield Text("  ").append_text(cut(self.code, room - 2))
        for note in notes:
            for part in note.wrap(console, max(room - 2, 1)):
                part.rstrip()
                yield Text("  ", no_wrap=True, overflow="ignore").append_text(part)

    def _joined(self, code: Text, room: int) -> Text:
        text = self.name.copy()
        if code:
            text.append("  ").append_text(code)
        if self.marks:
            gap = room - text.cell_len - self.marks.cell_len if self.aligned else 2
            text.append(" " * max(gap, 2)).append_text(self.marks)
        text.no_wrap, text.overflow = True, "ignore"
        return text


def cut(text: Text, room: int) -> Text:
    """A text that is no longer than a number of columns; where it was, it ends in an ellipsis."""
    short = text.copy()
    if short.cell_len > room:
        short.truncate(max(room, 1), overflow="ellipsis")
    return short


def print_tree(console: Console, tree: Tree, most: int = _WIDE) -> None:
    """Prints a tree: within the width of a terminal, with whole lines elsewhere.

    Args:
        console: where to.
        tree: what to print.
        most: how many columns of a terminal it may have.
    """
    if console.is_terminal:
        console.print(tree, width=min(console.width, most))
        return
    for text in tree_lines(tree, console.encoding):
        console.print(Text(text), soft_wrap=True)


def tree_lines(tree: Tree, encoding: str = "utf-8") -> list[str]:
    """A tree as plain lines, however long they are.

    Args:
        tree: what to draw.
        encoding: of what is written to; it decides what lines are drawn with.
    """
    # A tree cuts what is longer than the console is wide, also where nothing is to be wrapped.
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, color_system=None, width=_WIDE, legacy_windows=False)
    with console.capture() as capture:
        console.print(tree)
    return [text.rstrip() for text in capture.get().splitlines()]


def highlighted(code: str) -> Text:
    """A line of Python, coloured."""
    from rich.syntax import Syntax

    text = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(code)
    text.rstrip()
    return text


def relative_path(path: str) -> str:
    """A path below the current directory in its short form; any other as it is."""
    try:
        short = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return path if short.startswith(os.pardir) else short


def short_path(path: str) -> str:
    """A path for people: from its package on where it is installed, else `relative_path`."""
    return _installed(path) or relative_path(path)


def package_of(path: str) -> str:
    """The package that a file is installed with; empty for other files."""
    return _installed(path).partition("/")[0]


def _installed(path: str) -> str:
    """A path from its package on; empty where it is of none that is installed."""
    for folder in ("/site-packages/", "/dist-packages/"):
        if folder in path:
            return path.rpartition(folder)[2]
    return ""


def size_text(size: int) -> str:
    """A number of bytes for people, for example ``2.8 KB``."""
    amount = float(size)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
