"""Sequences: lists of tensors whose length is known only when the model runs.

A Python list that grows in a loop or differs in length between the paths of a branch is a sequence
in the graph, one for each tensor or number in an item. Sequences are values like tensors: nothing
changes one in place, each function here gives a new one. Eagerly a sequence is a list of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

__all__ = [
    "SEQUENCE_FUNCTIONS",
    "SequenceVal",
    "sequence_at",
    "sequence_cast",
    "sequence_erase",
    "sequence_extend",
    "sequence_insert",
    "sequence_join",
    "sequence_length",
    "sequence_of",
    "sequence_rows",
]


@dataclass(eq=False)
class SequenceVal:
    """What a node that yields a sequence has as ``meta["val"]``.

    Attributes:
        dtype: of every item.
        dims: size of every item along each dimension; None where items differ.
        length: number of items (int or SymInt).
    """

    dtype: torch.dtype
    dims: tuple[int | torch.SymInt | None, ...]
    length: int | torch.SymInt


def sequence_of(dtype: torch.dtype, *items: torch.Tensor) -> list[torch.Tensor]:
    """A sequence of the given tensors, all of `dtype`; none make an empty one."""
    return list(items)


def sequence_length(sequence: Sequence[torch.Tensor]) -> int:
    """The number of items."""
    return len(sequence)


def sequence_at(sequence: Sequence[torch.Tensor], index: int) -> torch.Tensor:
    """The item at an index from -length to length - 1.

    Raises:
        IndexError: there is no such item.
    """
    return sequence[index]


def sequence_insert(
    sequence: Sequence[torch.Tensor], item: torch.Tensor, index: int | None = None
) -> list[torch.Tensor]:
    """The sequence with one more item, before `index` (from 0 to length), or at the end."""
    copy = list(sequence)
    copy.insert(len(copy) if index is None else index, item)
    return copy


def sequence_erase(sequence: Sequence[torch.Tensor], index: int) -> list[torch.Tensor]:
    """The sequence without the item at an index from -length to length - 1.

    Raises:
        IndexError: there is no such item.
    """
    copy = list(sequence)
    del copy[index]
    return copy


def sequence_extend(
    sequence: Sequence[torch.Tensor], more: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """One sequence after another."""
    return [*sequence, *more]


def sequence_cast(sequence: Sequence[torch.Tensor], dtype: torch.dtype) -> list[torch.Tensor]:
    """The items in another dtype."""
    return [item.to(dtype) for item in sequence]


def sequence_rows(rows: torch.Tensor) -> list[torch.Tensor]:
    """A sequence of the rows of a tensor, along its first dimension."""
    return list(rows.unbind(0))


def sequence_join(
    parts: Sequence[torch.Tensor | Sequence[torch.Tensor]], dim: int, stacked: bool
) -> torch.Tensor:
    """Tensors and the items of sequences, joined in their order.

    Args:
        parts: tensors and sequences; together they hold one item at least.
        dim: the dimension to join along, not negative.
        stacked: as ``torch.stack`` does (a new dimension) instead of ``torch.cat``.

    Raises:
        RuntimeError: there are no items, or they do not fit.
    """
    items: list[torch.Tensor] = []
    for part in parts:
        items.extend([part] if isinstance(part, torch.Tensor) else part)
    return torch.stack(items, dim) if stacked else torch.cat(items, dim)


SEQUENCE_FUNCTIONS: frozenset[Callable[..., object]] = frozenset(
    {
        sequence_of,
        sequence_length,
        sequence_at,
        sequence_insert,
        sequence_erase,
        sequence_extend,
        sequence_cast,
        sequence_rows,
        sequence_join,
    }
)
