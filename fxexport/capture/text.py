"""Text made of numbers that are known only when the model runs.

Such text is fit for messages, but nothing may be decided on it. A character that nobody sees
marks it, through concatenation and formatting.
"""

from __future__ import annotations

from typing import Any

from fxexport.capture.frames import user_location
from fxexport.errors import UnsupportedError

__all__ = ["refuse_open_text", "text_of"]

_MARK = "\u2060"


class _OpenText(str):
    """Text for a symbolic number; a format for numbers changes nothing about it."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)


def text_of(value: Any) -> str:
    """Text for a symbolic number."""
    return _OpenText(f"{_MARK}{value}")


def refuse_open_text(value: Any) -> None:
    """Refuses marked text where something would be decided on it.

    Raises:
        UnsupportedError: the value is text made of a symbolic number.
    """
    if isinstance(value, str) and _MARK in value:
        raise UnsupportedError(
            "text made of a number that is known only when the model runs decides something",
            location=user_location(),
            hint="compare the number itself",
        )
