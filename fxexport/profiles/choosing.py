"""Choosing the opt sizes that nobody gave."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from fxexport.profiles.profile import Bounds
from fxexport.profiles.relations import RelationLike, relation_holds

__all__ = ["choose_opt"]

_MOST_TRIALS = 5000


def choose_opt(
    free: Mapping[str, Bounds],
    fixed: Mapping[str, int],
    relations: Sequence[RelationLike],
    examples: Mapping[str, int],
) -> dict[str, int]:
    """An opt size for each dimension that has none.

    The example's size where it lies in the range, else the middle; where a relation stands
    against that, the nearest sizes that satisfy all relations, or the largest ones.

    Args:
        free: bounds of one number by dimension.
        fixed: the opt sizes that were given.
        relations: what must hold.
        examples: the example's sizes.
    """
    first = {
        name: min(max(examples.get(name, bounds.opt[0]), bounds.min[0]), bounds.max[0])
        for name, bounds in free.items()
    }
    middle = {name: bounds.opt[0] for name, bounds in free.items()}
    for trial in (first, middle, *_around(free, first)):
        sizes = {**fixed, **trial}
        if all(relation_holds(relation, sizes) for relation in relations):
            return dict(trial)
    return first


def _around(free: Mapping[str, Bounds], first: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Sizes near the first choice, and the ends of the ranges, in all combinations."""
    choices = []
    for name, bounds in free.items():
        low, high = bounds.min[0], bounds.max[0]
        sizes = [first[name]]
        for unit in (64, 32, 16, 8, 7, 6, 5, 4, 3, 2):
            sizes += [first[name] // unit * unit, -(-first[name] // unit) * unit]
        sizes += [high, low]
        choices.append([size for size in dict.fromkeys(sizes) if low <= size <= high])
    for chosen in itertools.islice(itertools.product(*choices), _MOST_TRIALS):
        yield dict(zip(free, chosen, strict=True))
    # Dimensions that must be equal: one size for all.
    for size in sorted({size for sizes in choices for size in sizes}, reverse=True):
        if all(bounds.min[0] <= size <= bounds.max[0] for bounds in free.values()):
            yield dict.fromkeys(free, size)
