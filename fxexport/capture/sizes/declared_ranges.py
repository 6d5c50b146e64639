"""Holds what the model needs of its sizes against the ranges that the user declared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.signature import Constraint, DimRange, InputSpec

__all__ = ["check_declared"]


def check_declared(
    inputs: Sequence[InputSpec],
    constraints: Sequence[Constraint],
    profiled: frozenset[str] = frozenset(),
) -> None:
    """Refuses what the model needs of a size that its declared range does not grant.

    Args:
        inputs: the file's inputs.
        constraints: what the model needs.
        profiled: dimensions whose range comes from profiles. Those are checked at min, opt and
            max later: a syntax such as trtexec's cannot say that two dimensions are one.
    """
    declared = {
        dim.name: dim
        for spec in inputs
        for dim in spec.shape
        if isinstance(dim, DimRange) and (dim.max is not None or dim.min > 0)
        if dim.name not in profiled
    }
    for constraint in constraints:
        for sizes in _corners(declared, constraint):
            if not constraint.holds(sizes):
                shown = ", ".join(f"{name} = {size}" for name, size in sizes.items())
                raise UnsupportedError(
                    f"this line needs {constraint.text}, but the declared ranges allow {shown}",
                    code=Code.RANGE_BROKEN,
                    location=constraint.location,
                    hint="narrow the range, or give dimensions that must agree one name",
                )


def _corners(declared: dict[str, DimRange], constraint: Constraint) -> Iterator[dict[str, int]]:
    """Sizes in the declared ranges to try a constraint on: all, where there are few."""
    names = [name for name in constraint.names if name in declared]
    if len(names) < len(constraint.names):
        return
    # A range cannot say "multiples of 32": of those, only its ends must be some.
    ends_only = " % " in constraint.text
    ranges = []
    for name in names:
        dim = declared[name]
        last = dim.min + 64 if dim.max is None else dim.max
        step = max(1, (last - dim.min) // 64)
        ends = {dim.min} if ends_only and dim.max is None else {dim.min, last}
        inner = () if ends_only else range(dim.min, last + 1, step)
        ranges.append(sorted({*ends, *inner}))
    for sizes in itertools.islice(itertools.product(*ranges), 5000):
        yield dict(zip(names, sizes, strict=True))
