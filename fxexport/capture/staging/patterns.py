"""What a loop-carried slot holds in all iterations: what stays and what varies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import SYM_OF, Size, SymbolicNumber, Value
from fxexport.capture.session.list_runs import Pattern, Spread
from fxexport.capture.session.session import Session
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.containers import rebuild_like, same_kind
from fxexport.capture.values.kinds import leaf_kind, same_sort
from fxexport.graph.sequences import SequenceVal

__all__ = [
    "DTYPE_OF",
    "Constant",
    "ListOf",
    "Number",
    "Parts",
    "Pattern",
    "Ran",
    "SequenceOf",
    "TensorOf",
    "alternatives_of",
    "leaves_of",
    "make",
    "sequence_like",
    "takes",
]


# What a variable of a pattern holds, and what makes a value of it.
Variable: TypeAlias = torch.Tensor | SequenceVal | SymbolicNumber | int | None
MakeVariable: TypeAlias = Callable[["Variable", Pattern], Value]


@dataclass
class Constant(Pattern):
    """The same object in every iteration."""

    value: Value


@dataclass
class TensorOf(Pattern):
    """A tensor; a dimension is None where it may differ between iterations."""

    dtype: torch.dtype
    dims: tuple[Size | None, ...]


@dataclass
class Number(Pattern):
    """A Python number of one type; `promoted` if some iterations leave another type."""

    kind: type
    promoted: bool = False


@dataclass
class Ran(Pattern):
    """A flag that is false before the first iteration and true after every iteration."""


@dataclass
class Parts(Pattern):
    """A container of a fixed structure; `like` shows its type and keys."""

    like: Value
    items: list[Pattern]


@dataclass
class SequenceOf(Pattern):
    """A sequence of the graph: one tensor or number of each item of a list."""

    item: TensorOf | Number


@dataclass
class ListOf(Pattern):
    """A list of varying length.

    Attributes:
        like: shows its type.
        element: what every item is.
        length: the length where it is known, None for a new one.
    """

    like: Value
    element: Pattern
    length: Size | None = None

    def columns(self) -> list[Pattern]:
        """A sequence for each tensor and number in an item; items without any are counted."""
        leaves = leaves_of(self.element)
        return [SequenceOf(leaf) for leaf in leaves] or [Number(int)]  # type: ignore[arg-type]


def leaves_of(pattern: Pattern) -> list[Pattern]:
    """The tensors, numbers and sequences in a pattern, in order."""
    if isinstance(pattern, Parts):
        return [leaf for item in pattern.items for leaf in leaves_of(item)]
    if isinstance(pattern, ListOf):
        return pattern.columns()
    return [] if isinstance(pattern, (Constant, Ran)) else [pattern]


def alternatives_of(pattern: Pattern) -> list[Pattern]:
    """The patterns of the alternatives of a choice; any other pattern is its only one."""
    if isinstance(pattern, Constant) and isinstance(pattern.value, Choice):
        return [Constant(value) for value in pattern.value.values]
    if isinstance(pattern, Parts) and isinstance(pattern.like, Choice):
        return pattern.items[len(pattern.items) // 2 :]
    return [pattern]


def takes(pattern: Pattern, value: Value) -> bool:
    """Whether a value is of the sort of an alternative of a choice."""
    if isinstance(pattern, Constant):
        return same_sort(pattern.value, value)
    if isinstance(pattern, TensorOf):
        return (
            isinstance(value, torch.Tensor)
            and value.dtype == pattern.dtype
            and value.dim() == len(pattern.dims)
        )
    if isinstance(pattern, Number):
        return leaf_kind(value) not in (None, torch.Tensor)
    if isinstance(pattern, ListOf):
        return same_kind(pattern.like, value)
    return isinstance(pattern, Parts) and same_sort(pattern.like, value)


def make(session: Session, pattern: Pattern, leaf: MakeVariable) -> Value:
    """A value of a pattern; `leaf` is called with a fake tensor or Sym scalar for each variable."""
    if isinstance(pattern, Constant):
        return pattern.value
    if isinstance(pattern, Ran):
        return leaf(None, pattern)
    if isinstance(pattern, Parts):
        items = [make(session, item, leaf) for item in pattern.items]
        return session.journal.made(rebuild_like(pattern.like, items))
    if isinstance(pattern, ListOf):
        return _make_list(session, pattern, leaf)
    if isinstance(pattern, Number):
        number = session.recorder.fresh_scalar(SYM_OF[pattern.kind])
        if pattern.promoted:
            session.promote(number)
        if pattern.kind is int:
            session.env.counters.add(number.node.expr)
        return leaf(number, pattern)
    assert isinstance(pattern, TensorOf)
    # What a loop leaves unbound may have a size that is no size where it has no iteration.
    sizes = [
        session.fresh_size() if dim is None else session.never_negative(dim) for dim in pattern.dims
    ]
    with compat.only_mode(session.fake_mode):
        fake = torch.empty(sizes, dtype=pattern.dtype)
    return leaf(fake, pattern)


def _make_list(session: Session, pattern: ListOf, leaf: MakeVariable) -> Value:
    length = session.fresh_size() if pattern.length is None else pattern.length
    columns: list[SequenceVal] = []
    for column in pattern.columns():
        if isinstance(column, SequenceOf):
            made = leaf(sequence_like(column.item, length), column)
            assert isinstance(made, SequenceVal)
            columns.append(made)
        else:
            leaf(length, column)
    spread = Spread(pattern.element, columns, length)
    return session.journal.made(rebuild_like(pattern.like, [spread]))


def sequence_like(item: TensorOf | Number, length: Size) -> SequenceVal:
    """A sequence of `length` tensors or numbers of one pattern; no node yields it yet."""
    if isinstance(item, Number):
        return SequenceVal(DTYPE_OF[item.kind], (), length)
    return SequenceVal(item.dtype, item.dims, length)


DTYPE_OF = {int: torch.int64, float: torch.float64, bool: torch.bool}
