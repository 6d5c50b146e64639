"""Where a command prints for people."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console_for"]


def console_for(stream: IO[str]) -> Console:
    """A console that prints texts as they are: what looks like markup in them is the user's."""
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)
