"""Other sizes that the file must take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fxexport.graph.signature import Constraint, DimRange, InputSpec
from fxexport.profiles import POINTS, Point, Profile

__all__ = ["SizeMaker", "Sizes", "TriedSizes", "broken_constraint"]

# Size of each dynamic dimension by name.
Sizes = dict[str, int]


def broken_constraint(constraints: Sequence[Constraint], sizes: Mapping[str, int]) -> str:
    """The text of a relation that given sizes do not satisfy; empty when all hold."""
    for constraint in constraints:
        try:
            holds = constraint.holds(sizes)
        except (ArithmeticError, KeyError):  # a division by a size of zero, for example
            holds = False
        if not holds:
            return constraint.text
    return ""


@dataclass
class TriedSizes:
    """The sizes of made inputs so far: those that were compared, and those PyTorch raised on."""

    compared: list[Mapping[str, int]] = field(default_factory=list)
    raised: list[Mapping[str, int]] = field(default_factory=list)

    def never_moved(self) -> list[str]:
        """Dimensions of which one size alone was compared, and others raised."""
        names = dict.fromkeys(name for sizes in self.raised for name in sizes)
        return [name for name in names if self._raised_only(name)]

    def unmoved_text(self, name: str) -> str:
        """What to say of a dimension of which one size alone was compared; empty for others."""
        others = self._raised_only(name)
        if not others:
            return ""
        kept = ", ".join(map(str, sorted(_sizes_of(self.compared, name))))
        tried = ", ".join(map(str, sorted(others)))
        return f"{name}: only {kept} could be compared, PyTorch raises at others ({tried})"

    def _raised_only(self, name: str) -> set[int]:
        """Sizes that PyTorch raises on, if just one was compared."""
        compared = _sizes_of(self.compared, name)
        return _sizes_of(self.raised, name) - compared if len(compared) == 1 else set()


def _sizes_of(all_sizes: Sequence[Mapping[str, int]], name: str) -> set[int]:
    return {sizes[name] for sizes in all_sizes if name in sizes}


class SizeMaker:
    """Finds sizes within the ranges that satisfy all constraints.

    Dimensions are moved from the example's sizes, which are known to be fine, towards the wanted
    ones: first all together, then those of one size together (they may have to stay equal), then
    each alone. What does not satisfy the constraints is not moved.
    """

    def __init__(
        self,
        inputs: Sequence[InputSpec],
        hints: Sequence[Sequence[int]],
        constraints: Sequence[Constraint],
        max_elements: int,
    ) -> None:
        self._inputs = inputs
        self._constraints = constraints
        self._max_elements = max_elements
        self.ranges: dict[str, DimRange] = {}
        self.example: Sizes = {}
        for spec, hint in zip(inputs, hints, strict=True):
            for wanted, size in zip(spec.shape, hint, strict=True):
                if isinstance(wanted, DimRange):
                    self.ranges[wanted.name] = wanted
                    self.example[wanted.name] = size

    def standard(self) -> Iterator[tuple[str, Sizes]]:
        """The sizes always worth trying: one, small, larger; each with its name."""
        small = {name: 2 + k for k, name in enumerate(self.ranges)}
        larger = {name: 2 * size + 1 for name, size in self.example.items()}
        twice = {name: 2 * size for name, size in self.example.items()}
        ones = dict.fromkeys(self.ranges, 1)
        seen = [self.example]
        for wanted in (larger, ones, small, twice):
            sizes = self.towards(wanted)
            if sizes not in seen:
                seen.append(sizes)
                yield self.describe(sizes), sizes

    def of_profile(self, profile: Profile) -> Iterator[tuple[Point | Literal["between"], Sizes]]:
        """The sizes at min, opt and max of a profile, and a few between, each with its name."""
        low, best, high = (self._at(profile, point) for point in POINTS)
        yield from zip(POINTS, (low, best, high), strict=True)
        seen = [low, best, high]
        for sizes in self._between(low, high):
            if len(seen) < 5 and sizes not in seen and self._holds(sizes):
                seen.append(sizes)
                yield "between", sizes

    def _at(self, profile: Profile, point: Point) -> Sizes:
        sizes = dict(self.example)
        for spec in self._inputs:
            shape = profile.at(point).get(spec.name, ())
            for wanted, size in zip(spec.shape, shape, strict=bool(shape)):
                if isinstance(wanted, DimRange):
                    sizes[wanted.name] = size
        return sizes

    def _between(self, low: Sizes, high: Sizes) -> Iterator[Sizes]:
        """Inner sizes, round ones too, and corners where some are small and others large."""
        for share in (0.5, 0.25, 0.75):
            for unit in (1, 2, 4, 8, 16, 32, 64, 7, 6, 5, 3):
                inner = {n: low[n] + _part(high[n] - low[n], share, unit) for n in low}
                yield inner
                if share == 0.5 and self._holds(inner):
                    break
            for parity in (0, 1):
                yield {n: (low, high)[(k + parity) % 2][n] for k, n in enumerate(low)}

    def _holds(self, sizes: Mapping[str, int]) -> bool:
        return not broken_constraint(self._constraints, sizes)

    def zeros(self) -> Iterator[tuple[str, Sizes]]:
        """One dimension after the other at size zero, where its range has it."""
        for name, dim in self.ranges.items():
            sizes = {**self.example, name: 0}
            if dim.min == 0 and self.valid(sizes):
                yield self.describe(sizes), sizes

    def towards(self, wanted: Mapping[str, int]) -> Sizes:
        """Sizes as near to the wanted ones as the ranges and constraints allow."""
        sizes = dict(self.example)
        for group in self._groups():
            for trial in _trials(group, sizes, wanted):
                clamped = {name: self._clamp(name, size) for name, size in trial.items()}
                candidate = {**sizes, **clamped}
                if self.valid(candidate):
                    sizes = candidate
                    break
        return sizes

    def valid(self, sizes: Mapping[str, int]) -> bool:
        """Whether sizes are in range, not too large, and satisfy the constraints."""
        in_range = all(self._clamp(name, size) == size for name, size in sizes.items())
        return in_range and self.affords(sizes) and not broken_constraint(self._constraints, sizes)

    def affords(self, sizes: Mapping[str, int]) -> bool:
        """Whether inputs of these sizes are not too large to be made."""
        return self.elements(sizes) <= self._max_elements

    def describe(self, sizes: Mapping[str, int | str]) -> str:
        """``batch=3, height=40``; "fixed sizes" for a file without dynamic dimensions."""
        return ", ".join(f"{name}={size}" for name, size in sizes.items()) or "fixed sizes"

    def _groups(self) -> list[list[str]]:
        names = list(self.ranges)
        by_size: dict[int, list[str]] = {}
        for name in names:
            by_size.setdefault(self.example[name], []).append(name)
        equal = [group for group in by_size.values() if len(group) > 1]
        groups = [names, *equal, *([name] for name in names)]
        return [group for k, group in enumerate(groups) if group and group not in groups[:k]]

    def _clamp(self, name: str, size: int) -> int:
        dim = self.ranges[name]
        size = max(size, dim.min)
        return size if dim.max is None else min(size, dim.max)

    def elements(self, sizes: Mapping[str, int]) -> int:
        """How many elements inputs of these sizes have in all."""
        total = 0
        for spec in self._inputs:
            count = 1
            for size in spec.shape:
                count *= sizes[size.name] if isinstance(size, DimRange) else size
            total += count
        return total


def _part(length: int, share: float, unit: int) -> int:
    """A share of a length: in whole units, where it is as long as one."""
    part = int(length * share)
    return part if part < unit else part // unit * unit


def _trials(
    group: Sequence[str], sizes: Mapping[str, int], wanted: Mapping[str, int]
) -> Iterator[Sizes]:
    """Dimensions changed together: as wanted, all to one size, by one step, by a factor."""
    first = group[0]
    yield {name: wanted[name] for name in group}
    yield dict.fromkeys(group, wanted[first])
    step = wanted[first] - sizes[first]
    yield {name: max(sizes[name] + step, 0) for name in group}
    for factor in (2, 3):
        if wanted[first] >= sizes[first]:
            yield {name: sizes[name] * factor for name in group}
        elif all(sizes[name] % factor == 0 for name in group):
            yield {name: sizes[name] // factor for name in group}
    # Sizes that must be divisible by something: the next round ones.
    for unit in (64, 32, 16, 8, 7, 6, 5, 4, 3, 2):
        yield {name: max(round(wanted[name] / unit), 1) * unit for name in group}
