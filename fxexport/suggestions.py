"""What a user has probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(text: object, known: Iterable[str], otherwise: str = "") -> str:
    """A hint with the name that a text is spelt nearly like.

    Args:
        text: what the user wrote.
        known: what could have been meant.
        otherwise: the hint where nothing is near.
    """
    close = difflib.get_close_matches(str(text), list(known), 1)
    return f"did you mean {close[0]!r}?" if close else otherwise
