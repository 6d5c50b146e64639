"""Rows, sections, lines, paths and sizes of what is printed for people."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

__all__ = [
    "line",
    "print_rows",
    "print_tree",
    "relative_path",
    "section",
    "size_text",
    "tree_lines",
]

# Columns of lines that are not to be wrapped.
_WIDE = 100_000


def print_rows(console: Console, rows: Iterable[Sequence[Text | str]], indent: str = "  ") -> None:
    """Aligned columns; the last one of a row may be as long as it likes."""
    table = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    widths: dict[int, int] = {}
    for row in table:
        for k, cell in enumerate(row[:-1]):
            widths[k] = max(widths.get(k, 0), cell.cell_len)
    for row in table:
        text = Text(indent)
        for k, cell in enumerate(row):
            text.append_text(cell)
            if k < len(row) - 1:
                text.append(" " * (widths[k] - cell.cell_len + 2))
        text.rstrip()
        console.print(text, soft_wrap=True)


def section(console: Console, title: str) -> None:
    """Prints the title of a section after an empty line."""
    console.print()
    line(console, title, "bold")


def line(console: Console, text: str, style: str = "") -> None:
    """Prints one line, however long it is."""
    console.print(Text(text, style), soft_wrap=True)


def print_tree(console: Console, tree: Tree) -> None:
    """Prints a tree: within the width of a terminal, with whole lines elsewhere."""
    if console.is_terminal:
        console.print(tree)
        return
    for text in tree_lines(tree):
        line(console, text)


def tree_lines(tree: Tree) -> list[str]:
    """A tree as plain lines, however long they are."""
    # A tree cuts what is longer than the console is wide, also where nothing is to be wrapped.
    console = Console(file=io.StringIO(), color_system=None, width=_WIDE, legacy_windows=False)
    with console.capture() as capture:
        console.print(tree)
    return [text.rstrip() for text in capture.get().splitlines()]


def relative_path(path: str) -> str:
    """A path below the current directory in its short form; any other as it is."""
    try:
        short = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return path if short.startswith(os.pardir) else short


def size_text(size: int) -> str:
    """A number of bytes for people, for example ``2.8 KB``."""
    amount = float(size)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
