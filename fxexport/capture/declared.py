"""Holds what the model needs of its sizes against the ranges that the user declared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from fxexport.errors import UnsupportedError
from fxexport.graph.captured import Constraint, DimRange, InputSpec

__all__ = ["check_declared"]


def check_declared(inputs: Sequence[InputSpec], constraints: Sequence[Constraint]) -> None:
    """Refuses what the model needs of a size that its declared range does not grant."""
    declared = {
        dim.name: dim
        for spec in inputs
        for dim in spec.shape
        if isinstance(dim, DimRange) and (dim.max is not None or dim.min > 0)
    }
    for constraint in constraints:
        for sizes in _corners(declared, constraint):
            if not constraint.holds(sizes):
                shown = ", ".join(f"{name} = {size}" for name, size in sizes.items())
                raise UnsupportedError(
                    f"this line needs {constraint.text}, but the declared ranges allow {shown}",
                    location=constraint.location,
                    hint="narrow the range, or give dimensions that must agree one name",
                )


def _corners(declared: dict[str, DimRange], constraint: Constraint) -> Iterator[dict[str, int]]:
    """Sizes in the declared ranges to try a constraint on: all, where there are few."""
    names = [name for name in constraint.names if name in declared]
    if len(names) < len(constraint.names):
        return
    ranges = []
    for name in names:
        dim = declared[name]
        last = dim.min + 64 if dim.max is None else dim.max
        step = max(1, (last - dim.min) // 64)
        ranges.append(sorted({*range(dim.min, last + 1, step), last}))
    for sizes in itertools.islice(itertools.product(*ranges), 5000):
        yield dict(zip(names, sizes, strict=True))
