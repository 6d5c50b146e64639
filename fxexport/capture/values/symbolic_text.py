"""Text made of numbers and tensors that are known only when the model runs.

Such text is fit for messages, but nothing may be decided on it. A character that nobody sees
marks it, through concatenation and formatting; errors and reports leave it out.
"""

from __future__ import annotations

from fxexport.errors import INVISIBLE, UnsupportedError
from fxexport.source.frames import user_location

__all__ = ["refuse_open_text", "text_of"]

_MARK = INVISIBLE


class _OpenText(str):
    """Text for a symbolic number; a format for numbers changes nothing about it."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return str(self)  # in an f-string with ``!r``


def text_of(words: str = "...") -> str:
    """Text for what is known only when the model runs: words for what will stand there."""
    return _OpenText(f"{_MARK}{words}")


def refuse_open_text(value: object) -> None:
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
