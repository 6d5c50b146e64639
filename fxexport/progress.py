"""What is told about the stages of an export while it runs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

__all__ = ["NullProgress", "Progress"]


class Progress(Protocol):
    """Called once a stage; the stage lasts as long as the context that it returns."""

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        """Enters a stage."""
        ...


class NullProgress:
    """Shows nothing."""

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        """Enters a stage."""
        return nullcontext()
