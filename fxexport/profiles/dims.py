"""A named dimension and its range, as a user writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fxexport.errors import UsageError

__all__ = ["Dim", "parse_dim"]

_DIM_TEXT = re.compile(
    r"(?P<name>\w[^\[\]=,:]*)?(\[(?P<min>\d+)?\.\.((?P<opt>\d+)\.\.)?(?P<max>\d+)?\])?"
)


@dataclass(frozen=True)
class Dim:
    """A dynamic dimension: equal names mean equal sizes.

    Attributes:
        name: the dimension's name in the file.
        min: the smallest size it may take.
        max: the largest size it may take; None for no bound.
        opt: the size to be fastest at, for a profile; None to have one chosen.
    """

    name: str
    min: int = 0
    max: int | None = None
    opt: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UsageError(f"a dimension needs a name, got {self.name!r}")
        for label, size in (("min", self.min), ("opt", self.opt), ("max", self.max)):
            whole = isinstance(size, int) and not isinstance(size, bool)
            if not whole and not (label != "min" and size is None):
                raise UsageError(f"Dim {self.name!r}: {label} must be an int, got {size!r}")
        beyond = [size for size in (self.min, self.opt, self.max) if (size or 0) >= 2**63]
        if beyond:
            raise UsageError(
                f"Dim {self.name!r}: ONNX has no sizes beyond 64 bits, got {beyond[0]}"
            )
        if self.min < 0:
            raise UsageError(f"Dim {self.name!r}: min must be 0 or more, got {self.min}")
        if self.max is not None and self.max < self.min:
            raise UsageError(
                f"Dim {self.name!r}: max must not be below min, got {self.min}..{self.max}"
            )
        if self.opt is not None and not self.allows(self.opt):
            raise UsageError(
                f"Dim {self.name!r}: opt must lie between min and max, got {self.describe()}"
            )

    def allows(self, size: int) -> bool:
        """Whether the dimension may have this size."""
        return size >= self.min and (self.max is None or size <= self.max)

    def describe(self) -> str:
        """The dimension as it is written on the command line."""
        if self.min == 0 and self.max is None and self.opt is None:
            return self.name
        opt = "" if self.opt is None else f"{self.opt}.."
        return f"{self.name}[{self.min}..{opt}{'' if self.max is None else self.max}]"

    def meet(self, other: Dim) -> Dim:
        """The sizes that both mentions of one dimension allow.

        Raises:
            UsageError: there is none, or the mentions want different sizes as opt.
        """
        low = max(self.min, other.min)
        bounds = [bound for bound in (self.max, other.max) if bound is not None]
        high = min(bounds, default=None)
        if high is not None and high < low:
            raise UsageError(
                f"dimension {self.name!r} is given ranges without a common size: "
                f"{self.describe()} and {other.describe()}",
                hint="give the range once, or use two names for two dimensions",
            )
        opts = {dim.opt for dim in (self, other) if dim.opt is not None}
        if len(opts) > 1:
            raise UsageError(
                f"dimension {self.name!r} is given two opt sizes: "
                f"{self.describe()} and {other.describe()}",
                hint="one dimension has one opt; use two names for two dimensions",
            )
        return Dim(self.name, low, high, next(iter(opts), None))


def parse_dim(text: str, made_up_name: str = "", *, numbered: bool = False) -> Dim:
    """Reads ``batch``, ``batch[1..8]``, ``batch[1..4..8]`` (min, opt, max) or ``batch[1..]``.

    Given a name to use, the text may leave the name out: ``[1..8]``. What stands in a name and in
    no name of Python's, as in ``batch size``, becomes ``_``: relations are written with names.

    Args:
        text: what the user wrote.
        made_up_name: the name to take where the text has none.
        numbered: whether a number alone is a name, and no size: ``0`` is called ``dim_0``.

    Raises:
        UsageError: when the text is none of these.
    """
    match = _DIM_TEXT.fullmatch(text.strip())
    name = (match and _identifier(match["name"] or "", numbered)) or made_up_name
    if match is None or not name:
        raise UsageError(
            f"not a dimension: {text!r}",
            hint="write a name, or a name and a range, for example batch, batch[1..8] (min, max) "
            "or batch[1..4..8] (min, opt, max)",
        )
    return Dim(
        name,
        int(match["min"] or 0),
        int(match["max"]) if match["max"] else None,
        int(match["opt"]) if match["opt"] else None,
    )


def _identifier(name: str, numbered: bool) -> str:
    """A name that can stand in an expression; "" of a text that is none."""
    name = re.sub(r"\W+", "_", name.strip())
    if not name.isdigit():
        return f"_{name}" if name[:1].isdigit() else name
    return f"dim_{name}" if numbered else ""
