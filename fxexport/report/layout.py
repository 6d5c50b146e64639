"""Rows, sections and lines of what is printed for people."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

__all__ = ["line", "print_rows", "relative_path", "section"]


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


def relative_path(path: str) -> str:
    """A path below the current directory in its short form; any other as it is."""
    try:
        short = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return path if short.startswith(os.pardir) else short
