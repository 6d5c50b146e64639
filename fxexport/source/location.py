"""Locations in the user's source."""

from __future__ import annotations

import linecache
import os
from dataclasses import dataclass, field
from typing import Any

from fxexport.source.columns import Columns, Instruction, columns_of

__all__ = ["SourceLocation"]


@dataclass(frozen=True)
class SourceLocation:
    """One line of the user's program.

    Attributes:
        file: path of the source file.
        line: line number, from 1.
        function: name of the function the line is in.
        within: the line of a library that this one has called, where it is about that line, or of
            source that cannot be shown.
        at: what stands for the part of the line that ran; None where that is not known.

    Locations are equal where file, line and function are.
    """

    file: str
    line: int
    function: str = ""
    within: SourceLocation | None = field(default=None, compare=False)
    at: Instruction | Columns | None = field(default=None, compare=False, repr=False)

    @property
    def columns(self) -> Columns | None:
        """The part of the line that it is about; None where that is not known."""
        if isinstance(self.at, Instruction):
            return columns_of(self.at, self.line, linecache.getline(self.file, self.line))
        return self.at

    def __reduce__(self) -> tuple[Any, ...]:
        # Code objects cannot be pickled.
        return SourceLocation, (self.file, self.line, self.function, self.within, self.columns)

    @property
    def code(self) -> str:
        """The text of the line, stripped; empty when the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def describe(self) -> str:
        """``file:line in function: code`` on one line."""
        where = f"{self.file}:{self.line}"
        if self.function:
            where += f" in {self.function}"
        return f"{where}: {self.code}" if self.code else where

    @property
    def whose(self) -> str:
        """What a line that another one has called belongs to."""
        return "source without a file" if self.file.startswith("<") else "a library"

    @property
    def short(self) -> str:
        """``file:line`` without the folder."""
        return f"{os.path.basename(self.file)}:{self.line}"

    @property
    def without_folder(self) -> str:
        """``file:line: code``, as it travels with a file."""
        return f"{self.short}: {self.code}" if self.code else self.short

    def to_dict(self) -> dict[str, str | int | None]:
        """The location as plain JSON data."""
        columns = self.columns
        return {
            "file": self.file,
            "line": self.line,
            "column": None if columns is None else columns.start,
            "end_column": None if columns is None else columns.end,
            "function": self.function,
            "code": self.code,
        }
