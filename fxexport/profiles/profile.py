"""Optimization profiles: for which sizes an engine is made, and at which it is fastest."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fxexport.errors import UsageError

__all__ = ["POINTS", "Bounds", "Point", "Profile", "sizes_text"]

Point = Literal["min", "opt", "max"]
POINTS: tuple[Point, ...] = ("min", "opt", "max")


@dataclass(frozen=True)
class Bounds:
    """The smallest, the preferred and the largest shape of one input, or contents of one.

    Attributes:
        min: sizes of the dimensions in order, or elements of a small integer input.
        opt: the ones to be fastest at.
        max: the largest ones.
        opt_given: False where opt was left out, and so may still be moved.
        text: what the user wrote for it, which errors quote; it does not count in comparisons.

    Raises:
        UsageError: when these are not whole numbers, not equally many, or not in order.
    """

    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]
    opt_given: bool = field(default=True, compare=False, repr=False)
    text: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        for point in POINTS:
            object.__setattr__(self, point, _numbers(getattr(self, point), self.text))
        if not len(self.min) == len(self.opt) == len(self.max):
            raise UsageError(
                f"min, opt and max must have equally many numbers, got {self.describe()}"
                + self.quote()
            )
        for number in (*self.min, *self.opt, *self.max):
            if not -(2**63) <= number < 2**63:
                raise UsageError(f"ONNX has no numbers beyond 64 bits, got {number}" + self.quote())
        for axis, (low, best, high) in enumerate(zip(self.min, self.opt, self.max, strict=True)):
            if not low <= best <= high:
                raise UsageError(
                    f"expected min <= opt <= max, got {low} <= {best} <= {high} on axis {axis} of "
                    f"{self.describe()}" + self.quote()
                )

    @classmethod
    def between(cls, low: Sequence[int], high: Sequence[int], text: str = "") -> Bounds:
        """Bounds whose opt is chosen: the middle, until something better is known."""
        low, high = _numbers(low, text), _numbers(high, text)
        middle = tuple((a + b) // 2 for a, b in zip(low, high, strict=False))
        in_order = len(low) == len(high) and all(a <= b for a, b in zip(low, high, strict=True))
        return cls(low, middle if in_order else low, high, False, text)

    def at(self, point: Point) -> tuple[int, ...]:
        """The numbers at ``"min"``, ``"opt"`` or ``"max"``."""
        numbers: tuple[int, ...] = getattr(self, point)
        return numbers

    def describe(self) -> str:
        """``1x3..4x3..8x3``: min, opt and max."""
        return "..".join(sizes_text(self.at(point)) for point in POINTS)

    def quote(self) -> str:
        """What the user wrote, in parentheses, to append to an error; empty if unknown."""
        return f" (in {self.text})" if self.text else ""


@dataclass(frozen=True, init=False)
class Profile:
    """One optimization profile.

    >>> Profile({"x": ((1, 3, 224, 224), (4, 3, 224, 224), (8, 3, 224, 224))})

    Each input is given as `Bounds`, as ``(min, opt, max)``, or as a dict with the keys min, opt
    and max (opt may be left out: it is chosen then).

    Attributes:
        shapes: shapes of the inputs by name.
        values: contents of integer inputs that sizes are computed from, by name: as many numbers
            as the input has elements, one for a Python int.
    """

    shapes: Mapping[str, Bounds]
    values: Mapping[str, Bounds]

    def __init__(
        self, shapes: Mapping[str, Any] | None = None, values: Mapping[str, Any] | None = None
    ) -> None:
        for label, given in (("shapes", shapes or {}), ("values", values or {})):
            if not isinstance(given, Mapping):
                raise UsageError(
                    f"Profile: {label} must be a dict by input name, got {given!r}",
                    hint='for example Profile({"x": ((1, 8), (4, 8), (16, 8))})',
                )
            unnamed = [name for name in given if not isinstance(name, str) or not name]
            if unnamed:
                raise UsageError(
                    f"Profile: expected the name of an input, got {unnamed[0]!r}",
                    hint='for example Profile({"x": ((1, 8), (4, 8), (16, 8))})',
                )
            object.__setattr__(
                self, label, {name: as_bounds(name, entry) for name, entry in given.items()}
            )
        twice = sorted(set(self.shapes) & set(self.values))
        if twice:
            raise UsageError(f"Profile: {twice[0]!r} is given a shape and values; give one")

    def at(self, point: Point) -> dict[str, tuple[int, ...]]:
        """The shape of each input at ``"min"``, ``"opt"`` or ``"max"``."""
        return {name: bounds.at(point) for name, bounds in self.shapes.items()}

    def values_at(self, point: Point) -> dict[str, tuple[int, ...]]:
        """The contents of each integer input in `values` at a point."""
        return {name: bounds.at(point) for name, bounds in self.values.items()}

    def misfit(
        self,
        shapes: Mapping[str, Sequence[int]],
        values: Mapping[str, Sequence[int]] | None = None,
    ) -> str:
        """Why inputs lie outside of this profile, in a sentence; empty when they lie within.

        Args:
            shapes: the shape of each input by name; inputs without bounds are not looked at.
            values: contents of integer inputs by name.
        """
        for label, bounds_of, given in (
            ("shape", self.shapes, shapes),
            ("value", self.values, values or {}),
        ):
            for name, bounds in bounds_of.items():
                numbers = given.get(name)
                if numbers is None:
                    continue
                within = len(numbers) == len(bounds.min) and all(
                    low <= number <= high
                    for low, number, high in zip(bounds.min, numbers, bounds.max, strict=True)
                )
                if not within:
                    return (
                        f"{name!r} has {label} {sizes_text(numbers)}, the profile takes "
                        f"{sizes_text(bounds.min)} to {sizes_text(bounds.max)}"
                    )
        return ""

    def to_dict(self) -> dict[str, Any]:
        """The profile as plain JSON data."""
        return {
            label: {
                name: {point: list(bounds.at(point)) for point in POINTS}
                for name, bounds in getattr(self, label).items()
            }
            for label in ("shapes", "values")
        }


def as_bounds(name: str, entry: Any) -> Bounds:
    """One input's bounds, from any form that a user gives them in.

    Args:
        name: the input's name, for errors.
        entry: `Bounds`; (min, opt, max) or (min, max); a dict or an object with min, opt and max
            (min_shape, opt_shape and max_shape as well). A single number stands for itself.

    Raises:
        UsageError: when it is none of these.
    """
    if isinstance(entry, Bounds):
        return entry
    text = f"{name}: {entry!r}"
    low, best, high = _three(name, entry)
    low, best, high = (None if numbers is None else _row(numbers) for numbers in (low, best, high))
    if low is None and high is None and best is not None:
        return Bounds(best, best, best, True, text)
    if low is None or high is None:
        raise UsageError(f"{text}: expected min, opt and max, or min and max, or opt alone")
    if best is None:
        return Bounds.between(low, high, text)
    return Bounds(low, best, high, True, text)


def _three(name: str, entry: Any) -> tuple[Any, Any, Any]:
    """Min, opt and max of one entry; None for those not given."""
    if isinstance(entry, Mapping):
        known = {f"{point}{tail}" for point in POINTS for tail in ("", "_shape")}
        if not entry or not set(entry) <= known:
            raise UsageError(
                f"{name}: expected the keys min, opt and max, got {', '.join(map(repr, entry))}"
            )
        low, best, high = (entry.get(point, entry.get(f"{point}_shape")) for point in POINTS)
        return low, best, high
    # An object such as Polygraphy's ShapeTuple; a plain sequence has no attribute `opt`.
    if all(hasattr(entry, point) for point in POINTS):
        return entry.min, entry.opt, entry.max
    if isinstance(entry, Sequence) and not isinstance(entry, str) and len(entry) in (2, 3):
        low, high = entry[0], entry[-1]
        return low, entry[1] if len(entry) == 3 else None, high
    raise UsageError(
        f"{name}: expected (min, opt, max), got {entry!r}",
        hint=f'for example {{"{name}": ((1, 8), (4, 8), (16, 8))}}',
    )


def _row(numbers: Any) -> Any:
    """A single number as a row of one; arrays and tensors as lists."""
    numbers = numbers.tolist() if hasattr(numbers, "tolist") else numbers
    return (numbers,) if hasattr(numbers, "__index__") else numbers


def _numbers(numbers: Any, text: str) -> tuple[int, ...]:
    """Sizes as a tuple.

    Raises:
        UsageError: for what are no whole numbers.
    """
    numbers = numbers.tolist() if hasattr(numbers, "tolist") else numbers
    row = tuple(numbers) if isinstance(numbers, Sequence) else (None,)
    if all(hasattr(n, "__index__") and not isinstance(n, bool) for n in row):
        return tuple(map(operator.index, row))
    raise UsageError(
        f"expected a row of whole numbers such as (1, 3, 224, 224), got {numbers!r}"
        + (f" (in {text})" if text else "")
    )


def sizes_text(numbers: Sequence[int]) -> str:
    """``1x3x224x224``, as trtexec writes it."""
    return "x".join(map(str, numbers)) or "a scalar"
