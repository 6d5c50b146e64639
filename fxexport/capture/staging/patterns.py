"""What a loop-carried slot holds in all iterations: what stays and what varies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import SYM_OF, Size, SymbolicNumber, Value
from fxexport.capture.session.list_runs import Pattern, Spread
from fxexport.capture.session.session import Session
from fxexport.capture.values.choice import Choice, cases_of
from fxexport.capture.values.containers import keys_of, parts_of, rebuild_like, same_kind
from fxexport.capture.values.kinds import leaf_kind, same_sort
from fxexport.capture.values.maybe import HOLE, Maybe, lifted
from fxexport.capture.values.uncertain_keys import aligned
from fxexport.graph.sequences import SequenceVal

__all__ = [
    "DTYPE_OF",
    "Constant",
    "Itself",
    "ListOf",
    "Number",
    "Packed",
    "Parts",
    "Pattern",
    "Ran",
    "SequenceOf",
    "TensorOf",
    "alternatives_of",
    "is_choice",
    "leaves_of",
    "make",
    "parts_for",
    "place_of",
    "same_alternative",
    "same_layout",
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

    def holds(self, kind: type) -> bool:
        """Whether such a value is, or has in it, an object of a class, or a tensor."""
        return isinstance(self.value, kind)


@dataclass
class Itself(Constant):
    """An alternative of a choice that is this very object or tensor, which is not merged."""


@dataclass
class TensorOf(Pattern):
    """A tensor; a dimension is None where it may differ between iterations."""

    dtype: torch.dtype
    dims: tuple[Size | None, ...]

    def holds(self, kind: type) -> bool:
        """Whether such a value is, or has in it, an object of a class, or a tensor."""
        return kind is torch.Tensor


@dataclass
class Number(Pattern):
    """A Python number of one type; `promoted` if some iterations leave another type."""

    kind: type
    promoted: bool = False

    def holds(self, kind: type) -> bool:
        """Whether such a value is, or has in it, an object of a class, or a tensor."""
        return False


@dataclass
class Ran(Pattern):
    """A flag that is false before the first iteration and true after every iteration."""

    def holds(self, kind: type) -> bool:
        """Whether such a value is, or has in it, an object of a class, or a tensor."""
        return False


@dataclass
class Parts(Pattern):
    """A container of a fixed structure; `like` shows its type and keys."""

    like: Value
    items: list[Pattern]

    def holds(self, kind: type) -> bool:
        """Whether such a value is, or has in it, an object of a class, or a tensor."""
        return type(self.like) is kind or any(item.holds(kind) for item in self.items)


@dataclass
class SequenceOf(Pattern):
    """A sequence of the graph: one tensor or number of each item of a list."""

    item: TensorOf | Number

    def holds(self, kind: type) -> bool:
        """Whether such a value is, or has in it, an object of a class, or a tensor."""
        return self.item.holds(kind)


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

    def holds(self, kind: type) -> bool:
        """Whether such a value is, or has in it, an object of a class, or a tensor."""
        return type(self.like) is kind or self.element.holds(kind)


@dataclass
class Packed(Pattern):
    """A list of varying length that is an item of one: a few tensors hold all its items.

    A sequence cannot hold sequences. What the items have of one leaf is stacked where its sizes
    are known; otherwise it is flattened, one behind the other, with the sizes beside it.

    Attributes:
        like: shows its type.
        element: what every item is.
    """

    like: Value
    element: Pattern

    def tensors(self) -> list[TensorOf | Number]:
        """The tensors that hold the items; their number alone where they hold nothing."""
        found: list[TensorOf | Number] = []
        for leaf in leaves_of(self.element):
            assert isinstance(leaf, (TensorOf, Number))
            held = sequence_like(leaf, 0)
            if None not in held.dims:
                found.append(TensorOf(held.dtype, (None, *held.dims)))
            else:
                found.append(TensorOf(held.dtype, (None,)))
                found.append(TensorOf(torch.int64, (None, len(held.dims))))
        return found or [Number(int)]

    def holds(self, kind: type) -> bool:
        """Whether such a value is, or has in it, an object of a class, or a tensor."""
        return type(self.like) is kind or self.element.holds(kind)


def leaves_of(pattern: Pattern) -> list[Pattern]:
    """The tensors, numbers and sequences in a pattern, in order."""
    if isinstance(pattern, Parts):
        return [leaf for item in pattern.items for leaf in leaves_of(item)]
    if isinstance(pattern, ListOf):
        return pattern.columns()
    if isinstance(pattern, Packed):
        return list(pattern.tensors())
    return [] if isinstance(pattern, (Constant, Ran)) else [pattern]


def alternatives_of(pattern: Pattern) -> list[Pattern]:
    """The patterns of the alternatives of a choice; any other pattern is its only one."""
    if isinstance(pattern, Constant) and isinstance(pattern.value, Choice):
        return [Constant(value) for value in pattern.value.values]
    if isinstance(pattern, Parts) and isinstance(pattern.like, Choice):
        return pattern.items[len(pattern.items) // 2 :]
    return [pattern]


def is_choice(pattern: Pattern) -> bool:
    """Whether values of a pattern are one of several things."""
    if isinstance(pattern, Constant):
        return isinstance(pattern.value, Choice)
    return isinstance(pattern, Parts) and isinstance(pattern.like, Choice)


def same_alternative(a: Pattern, b: Pattern) -> bool:
    """Whether values of two patterns are one alternative of a choice (see `same_sort`)."""
    if isinstance(a, TensorOf) and isinstance(b, TensorOf):
        return a.dtype == b.dtype and len(a.dims) == len(b.dims)
    if isinstance(a, Constant) and isinstance(b, Constant):
        return same_sort(a.value, b.value)
    if isinstance(a, (Parts, Packed)) and isinstance(b, (Parts, Packed)):
        if isinstance(a, Packed) or isinstance(b, Packed):
            return same_kind(a.like, b.like)
        return same_sort(a.like, b.like)
    return isinstance(a, Number) and isinstance(b, Number)


def takes(pattern: Pattern, value: Value) -> bool:
    """Whether a value is of the sort of an alternative of a choice."""
    if isinstance(pattern, Itself):
        return value is pattern.value
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
    if isinstance(pattern, (ListOf, Packed)):
        return same_kind(pattern.like, value)
    return isinstance(pattern, Parts) and same_sort(pattern.like, value)


def place_of(alternatives: Sequence[Pattern], value: Value) -> int | None:
    """Which of the alternatives of a choice a value is; None for a new one."""
    places = [k for k, pattern in enumerate(alternatives) if takes(pattern, value)]
    itself = (k for k in places if isinstance(alternatives[k], Itself))
    return next(itself, places[0] if places else None)


def same_layout(a: Pattern, b: Pattern) -> bool:
    """Whether items of two patterns are held by tensors of the same meaning and rank."""
    if isinstance(a, Parts) and isinstance(b, Parts):
        keys = keys_of(a.like) == keys_of(b.like)
        alike = isinstance(a.like, Maybe) == isinstance(b.like, Maybe)
        if is_choice(a) or is_choice(b):
            pairs = zip(alternatives_of(a), alternatives_of(b), strict=False)
            alike = is_choice(a) and is_choice(b) and all(same_alternative(x, y) for x, y in pairs)
        return (
            keys
            and alike
            and len(a.items) == len(b.items)
            and all(map(same_layout, a.items, b.items))
        )
    if isinstance(a, Packed) and isinstance(b, Packed):
        held = [[len(sequence_like(x, 0).dims) for x in one.tensors()] for one in (a, b)]
        return held[0] == held[1] and same_layout(a.element, b.element)
    leaves = isinstance(a, (TensorOf, Number)), isinstance(b, (TensorOf, Number))
    return leaves[0] == leaves[1] and (leaves[0] or type(a) is type(b))


def parts_for(pattern: Parts, value: Value) -> list[Value]:
    """The items of a value in the order of a pattern for more values than it."""
    if isinstance(pattern.like, Maybe):
        return list(lifted(value, pattern.like.absent))
    if isinstance(pattern.like, Choice):
        return _placed(alternatives_of(pattern), value)
    keys = keys_of(pattern.like)
    return (parts_of(value) or []) if keys is None else aligned(value, keys)


def _placed(alternatives: Sequence[Pattern], value: Value) -> list[Value]:
    """The flags and alternatives of a value, in the order of a pattern that holds for it."""
    flags: list[Value] = [False for _ in alternatives]
    values: list[Value] = [HOLE for _ in alternatives]
    for flag, one in cases_of(value):
        k = place_of(alternatives, one)
        assert k is not None
        flags[k], values[k] = flag, one
    return [*flags, *values]


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
