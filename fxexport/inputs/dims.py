"""A named dimension and its range, as a user writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fxexport.errors import UsageError

__all__ = ["Dim", "as_dim", "parse_dim"]

_DIM_TEXT = re.compile(r"(?P<name>[A-Za-z_]\w*)?(\[(?P<min>\d+)?\.\.(?P<max>\d+)?\])?")


@dataclass(frozen=True)
class Dim:
    """A dynamic dimension: equal names mean equal sizes.

    Attributes:
        name: the dimension's name in the file.
        min: the smallest size it may take.
        max: the largest size it may take; None for no bound.
    """

    name: str
    min: int = 0
    max: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UsageError(f"a dimension needs a name, got {self.name!r}")
        for label, size in (("min", self.min), ("max", self.max)):
            whole = isinstance(size, int) and not isinstance(size, bool)
            if not whole and not (label == "max" and size is None):
                raise UsageError(f"Dim {self.name!r}: {label} must be an int, got {size!r}")
        if self.min < 0:
            raise UsageError(f"Dim {self.name!r}: min must be 0 or more, got {self.min}")
        if self.max is not None and self.max < self.min:
            raise UsageError(
                f"Dim {self.name!r}: max must not be below min, got {self.min}..{self.max}"
            )

    def describe(self) -> str:
        """The dimension as it is written on the command line."""
        if self.min == 0 and self.max is None:
            return self.name
        return f"{self.name}[{self.min}..{'' if self.max is None else self.max}]"

    def meet(self, other: Dim) -> Dim:
        """The sizes that both mentions of one dimension allow."""
        low = max(self.min, other.min)
        bounds = [bound for bound in (self.max, other.max) if bound is not None]
        high = min(bounds, default=None)
        if high is not None and high < low:
            raise UsageError(
                f"dimension {self.name!r} is given ranges without a common size: "
                f"{self.describe()} and {other.describe()}",
                hint="give the range once, or use two names for two dimensions",
            )
        return Dim(self.name, low, high)


def parse_dim(text: str, made_up_name: str = "") -> Dim:
    """Reads ``batch``, ``batch[1..8]``, ``batch[1..]`` or, given a name to use, ``[1..8]``.

    Args:
        text: what the user wrote.
        made_up_name: the name to take where the text has none.

    Raises:
        UsageError: when the text is none of these.
    """
    match = _DIM_TEXT.fullmatch(text.strip())
    name = (match and match["name"]) or made_up_name
    if match is None or not name:
        raise UsageError(
            f"not a dimension: {text!r}",
            hint="write a name, or a name and a range, for example batch or batch[1..8]",
        )
    return Dim(name, int(match["min"] or 0), int(match["max"]) if match["max"] else None)


def as_dim(value: Dim | str) -> Dim:
    """The dimension that a Dim or its text stands for."""
    return value if isinstance(value, Dim) else parse_dim(value)
