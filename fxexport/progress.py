"""What is told about the stages of an export while it runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, runtime_checkable

__all__ = ["NullProgress", "Position", "Progress", "Watching", "watching"]

Position = Callable[[], str]
"""Says where a stage is, in a few words. It is asked from another thread while the stage runs."""


class Progress(Protocol):
    """Called once a stage; the stage lasts as long as the context that it returns."""

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        """Enters a stage."""
        ...


@runtime_checkable
class Watching(Protocol):
    """A `Progress` that also shows where in a stage an export is."""

    def watch(self, position: Position) -> None:
        """Shows a position until the stage ends."""
        ...


def watching(progress: Progress) -> Callable[[Position], None]:
    """What is told how to ask where a stage is; nothing, where a progress does not show it."""
    return progress.watch if isinstance(progress, Watching) else lambda position: None


class NullProgress:
    """Shows nothing."""

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        """Enters a stage."""
        return nullcontext()
