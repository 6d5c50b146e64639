"""Text that depends on the path or is made of numbers, which a model returns.

Such text is written behind everything else and goes to an output: nothing computes with it.
Eagerly it is Python text.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TEXT_FUNCTIONS", "TextVal", "text_at", "text_of"]


@dataclass(eq=False)
class TextVal:
    """What a node that yields text has as ``meta["val"]``."""


def text_of(*parts: str | int | bool) -> str:
    """Texts, ints and bools one behind the other, as Python writes them."""
    return "".join(map(str, parts))


def text_at(index: int, *texts: str) -> str:
    """One of several texts."""
    return texts[index]


TEXT_FUNCTIONS = (text_of, text_at)
