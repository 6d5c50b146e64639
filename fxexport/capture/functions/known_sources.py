"""What `zip` and `map` are given beside what has a dynamic length: Python's lists and iterators."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

import torch

from fxexport.capture.operators.dynamic_iterables import Dynamic, rows
from fxexport.capture.operators.operators import Operators
from fxexport.capture.recording.types import Size
from fxexport.capture.session.list_runs import length_of
from fxexport.capture.values.containers import of_one_form
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_raised
from fxexport.source.frames import user_location

__all__ = ["read_by_index"]

# An iterator of more items is taken for one that does not end.
_MOST_DRAWN = 10_000
_ENDLESS = (itertools.count, itertools.repeat, itertools.cycle)


def read_by_index(
    operators: Operators, sources: Sequence[Any], *, strict: bool = False
) -> list[Dynamic | range]:
    """Iterables that are gone through together, each as something that is read at an index.

    Args:
        operators: those of the capture.
        sources: the iterables; one of them at least is a `Dynamic`.
        strict: whether Python raises where one of them has more items than another.
    """
    found = [None if _is_endless(source) else _by_index(operators, source) for source in sources]
    lengths = [_length(source) for source in found if source is not None]
    if strict:
        _hold_to_one_length(operators, lengths, endless=None in found)
    shortest = lengths[0]
    for length in lengths[1:]:
        shortest = torch.sym_min(shortest, length)
    return [
        _endless(source, shortest) if one is None else one
        for source, one in zip(sources, found, strict=True)
    ]


def _length(source: Dynamic | range) -> Size:
    return source.length if isinstance(source, Dynamic) else len(source)


def _hold_to_one_length(operators: Operators, lengths: Sequence[Size], *, endless: bool) -> None:
    """Takes for granted what Python raises without, when it has gone through the shortest one."""
    session = operators.session
    session.refuse_if_caught("ValueError")
    if endless:
        raise note_raised(ValueError("zip(..., strict=True) gets an iterator that does not end"))
    for length in lengths[1:]:
        session.take_for_granted(
            cast("torch.SymBool", length == lengths[0]),
            "zip(..., strict=True) gets iterables of one length",
            "ValueError",
        )


def _by_index(operators: Operators, source: Any) -> Dynamic | range:
    if isinstance(source, (Dynamic, range)):
        return source
    if isinstance(source, torch.Tensor):
        found, tensor = rows(source), source
        if isinstance(found, Dynamic):
            return found
        return Dynamic(len(found), lambda k: tensor.select(0, k), "a tensor")
    items = list(itertools.islice(source, _MOST_DRAWN + 1))
    if len(items) > _MOST_DRAWN:
        raise UnsupportedError(
            f"an iterator of more than {_MOST_DRAWN} items beside something of dynamic length",
            code=Code.OPEN_LIST,
            location=user_location(),
            hint="loop over an index, and compute the items from it",
        )
    lists = [source] if isinstance(source, list) else []
    return _gathered(operators, items, lists) or _picked(operators, items, lists)


def _gathered(operators: Operators, items: list[Any], lists: Sequence[list[Any]]) -> Dynamic | None:
    """Numbers of one type, or tensors of one shape, as rows of a tensor."""
    session = operators.session
    kinds = {type(item) for item in items}
    if kinds in ({int}, {float}):
        table = torch.tensor(items, dtype=torch.float64 if kinds == {float} else None)
        return Dynamic(len(items), lambda k: table.select(0, k).item(), "a list", lists)
    place = (user_location(), "an item of a list")
    if not items or place in session.apart:
        return None
    if not all(_alike(operators, items[0], item) for item in items):
        return None
    stacked = torch.stack(items)
    # In Python the items are these tensors: a write to either would not be seen by the other.
    session.merged_from(stacked, *items, place=place)
    return Dynamic(len(items), lambda k: stacked.select(0, k), "a list", lists)


def _alike(operators: Operators, one: Any, other: Any) -> bool:
    """Whether both are tensors of one dtype and shape."""
    tensors = isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)
    return (
        tensors
        and of_one_form(one, other)
        and all(map(operators.session.same, one.shape, other.shape))
    )


def _picked(operators: Operators, items: list[Any], lists: Sequence[list[Any]]) -> Dynamic:
    """Items of any kinds: which one it is is a choice, or a branch."""
    return Dynamic(length_of(items), lambda k: operators.get_item(items, k), "a list", lists)


def _is_endless(source: Any) -> bool:
    if not isinstance(source, _ENDLESS):
        return False
    if not isinstance(source, itertools.repeat):
        return True
    try:
        return source.__length_hint__() < 0  # type: ignore[attr-defined]
    except TypeError:
        return True


def _endless(source: Any, length: Size) -> Dynamic:
    """As many items of an iterator that does not end."""
    if isinstance(source, itertools.cycle):
        raise UnsupportedError(
            "itertools.cycle beside something of dynamic length",
            code=Code.OPEN_LIST,
            location=user_location(),
            hint="loop over an index k, and take items[k % len(items)]",
        )
    first = next(source)
    if isinstance(source, itertools.repeat):
        return Dynamic(length, lambda k: first, "repeat(...)")
    step = next(source) - first
    return Dynamic(length, lambda k: first + k * step, "count(...)")
