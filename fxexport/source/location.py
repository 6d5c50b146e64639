"""Locations in the user's source."""

from __future__ import annotations

import linecache
import os
from dataclasses import dataclass, field

__all__ = ["SourceLocation"]


@dataclass(frozen=True)
class SourceLocation:
    """One line of the user's program.

    Attributes:
        file: path of the source file.
        line: line number, from 1.
        function: name of the function the line is in.
        within: the line of a library that this one has called, where it is about that line, or of
            source that cannot be shown; two locations that differ in nothing else are equal.
    """

    file: str
    line: int
    function: str = ""
    within: SourceLocation | None = field(default=None, compare=False)

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

    def to_dict(self) -> dict[str, str | int]:
        """The location as plain JSON data."""
        return {
            "file": self.file,
            "line": self.line,
            "function": self.function,
            "code": self.code,
        }
