"""What all items of a list of varying length have in common."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.list_runs import Spread, is_open
from fxexport.capture.session.session import Poison, Session
from fxexport.capture.staging.patterns import (
    Constant,
    ListOf,
    Number,
    Packed,
    Parts,
    Pattern,
    Ran,
    TensorOf,
    alternatives_of,
    is_choice,
    same_alternative,
)
from fxexport.capture.values import maybe as optional
from fxexport.capture.values.choice import MOST_ALTERNATIVES, Choice
from fxexport.capture.values.containers import (
    holds_choice,
    keyed_like,
    keys_of,
    parts_of,
    same_kind,
)
from fxexport.capture.values.kinds import Mismatch, describe, fits, leaf_kind, same_constant
from fxexport.capture.values.left_objects import LeftObjects
from fxexport.capture.values.maybe import HOLE, Maybe
from fxexport.capture.values.uncertain_keys import aligned, joined_keys

__all__ = ["Elements"]


class Elements:
    """Finds the pattern of values, and one pattern for several.

    Args:
        session: the capture.
        held: what tensors held, by identity, where that is no longer what they hold.
        left: what is in objects, where that has been taken back.
        mixed: whether the items of a list may be of several kinds.
    """

    def __init__(
        self,
        session: Session,
        held: Mapping[int, torch.Tensor] | None = None,
        left: LeftObjects | None = None,
        *,
        mixed: bool = True,
    ) -> None:
        self._session = session
        self._left = left or LeftObjects()
        # Where there is an alternative to staging, that is better than a choice.
        self._mixed = mixed and not session.trials
        self._held = held or {}
        self._name = "an item"

    def element_of(self, items: Sequence[Value], element: Pattern | None = None) -> Pattern:
        """What every item of a list is; a Spread among them counts for its items.

        Args:
            items: the items; there is one at least, or `element` is given.
            element: a pattern that the result must hold for as well.

        Raises:
            Mismatch: there is no such pattern.
        """
        for item in items:
            here = (
                self._known_here(item.element) if isinstance(item, Spread) else self._of_item(item)
            )
            element = here if element is None else self._joined(element, here)
        assert element is not None
        return element

    def joined(self, patterns: Sequence[Pattern]) -> Pattern:
        """The pattern of items that each fit one of these; symbols unknown here are dropped."""
        first, *rest = (self._as_item(pattern) for pattern in patterns)
        result = self._known_here(first)
        for other in rest:
            result = self._joined(result, other)
        return result

    # -- the pattern of one value ------------------------------------------------------------------

    def of_value(self, value: Value, stays: Callable[[Value], bool] = lambda _: False) -> Pattern:
        """The pattern of a variable that holds such values.

        Args:
            value: one of them.
            stays: tells of an object whether it is that very object in all of them.
        """
        if stays(value):
            return Constant(value)
        if isinstance(value, torch.Tensor):
            return self.of_tensor(value)
        kind = leaf_kind(value)
        if kind is not None:
            return Number(kind)
        if is_open(value):
            return ListOf(value, self.element_of(list(value)))
        value = self._left.of(value)
        parts = parts_of(value)
        if parts is not None:
            return Parts(value, [self.of_value(part, stays) for part in parts])
        return Constant(value)

    def of_tensor(self, tensor: torch.Tensor) -> TensorOf:
        """The pattern of a tensor: its sizes, as far as they are known here."""
        sizes = self.sizes(tensor)
        dims = (size if self._session.in_scope(size) else None for size in sizes)
        return TensorOf(tensor.dtype, tuple(dims))

    def sizes(self, tensor: torch.Tensor) -> torch.Size:
        """The sizes of a tensor."""
        if self._session.tensors.is_tagged(tensor):
            raise Mismatch("a tensor with attributes of its own", final=True)
        held = self._held.get(id(tensor))
        return (self._session.tensors.inner(tensor) if held is None else held).shape

    def _of_item(self, item: Value) -> Pattern:
        if holds_choice(item) and not self._mixed:
            raise Mismatch("an item is one of several values")
        return _packed(self.of_value(item))

    def _as_item(self, pattern: Pattern) -> Pattern:
        """The pattern of a variable as one of items, which no iteration number is known for."""
        if isinstance(pattern, Constant):
            return self._of_item(pattern.value)
        if isinstance(pattern, Ran):
            return Number(bool)
        if isinstance(pattern, Parts):
            return Parts(pattern.like, [self._as_item(item) for item in pattern.items])
        return _packed(pattern)

    def _known_here(self, pattern: Pattern) -> Pattern:
        if isinstance(pattern, TensorOf):
            dims = (
                dim if dim is None or self._session.in_scope(dim) else None for dim in pattern.dims
            )
            return TensorOf(pattern.dtype, tuple(dims))
        if isinstance(pattern, Parts):
            return Parts(pattern.like, [self._known_here(item) for item in pattern.items])
        if isinstance(pattern, Packed):
            return Packed(pattern.like, self._known_here(pattern.element))
        return pattern

    # -- one pattern for two -----------------------------------------------------------------------

    def _joined(self, a: Pattern, b: Pattern) -> Pattern:
        if is_choice(a) or is_choice(b):
            return self._joined_choice(a, b)
        try:
            return self._joined_as_one(a, b)
        except Mismatch as reason:
            if reason.final or not self._mixed:
                raise
            return self._joined_choice(a, b)

    def _joined_choice(self, a: Pattern, b: Pattern) -> Pattern:
        """Items of several sorts: each has a flag for each sort, and fillers for the others."""
        absent = _absence_of(a, b)
        if not optional.is_certain(absent):
            return self._joined_optional(a, b, absent)
        for one, other in ((a, b), (b, a)):
            if isinstance(one, Constant) and one.value is HOLE:
                return other
        values = list(alternatives_of(a))
        for pattern in alternatives_of(b):
            k = next((k for k, one in enumerate(values) if same_alternative(one, pattern)), None)
            if k is None:
                values.append(pattern)
            else:
                values[k] = self._joined_as_one(values[k], pattern)
        if len(values) > MOST_ALTERNATIVES:
            text = f"more than {MOST_ALTERNATIVES} sorts of items in one list"
            raise Mismatch(text, final=True)
        if len(values) == 1:
            return values[0]
        flags: list[Pattern] = [Number(bool) for _ in values]
        like = Choice(self._session, [None for _ in values], [None for _ in values])
        return Parts(like, [*flags, *values])

    def _joined_as_one(self, a: Pattern, b: Pattern) -> Pattern:
        if isinstance(a, Constant) and isinstance(b, Constant) and same_constant(a.value, b.value):
            return a
        for one, other in ((a, b), (b, a)):
            if isinstance(one, Constant) and one.value is HOLE:
                return other
            if isinstance(one, Constant) and isinstance(one.value, Poison):
                raise Mismatch(one.value.reason)
        absent = _absence_of(a, b)
        if not optional.is_certain(absent):
            return self._joined_optional(a, b, absent)
        if isinstance(a, TensorOf) and isinstance(b, TensorOf):
            return self._joined_tensors(a, b)
        if isinstance(a, Number) and isinstance(b, Number):
            return self._joined_numbers(a, b)
        if isinstance(a, (Parts, Packed)) and isinstance(b, (Parts, Packed)):
            return self._joined_parts(a, b)
        for tensor, number in ((a, b), (b, a)):
            if not isinstance(tensor, TensorOf) or not isinstance(number, Number):
                continue
            if not tensor.dims and fits(number.kind, tensor.dtype):
                return tensor
        raise Mismatch(f"{_described(a)} and {_described(b)} in one list")

    def _joined_optional(self, a: Pattern, b: Pattern, absent: Value) -> Pattern:
        """Items of which some may be None, or lack a key or an attribute."""
        values = self._joined(_present(a, absent), _present(b, absent))
        likes = [one.like for one in (a, b) if isinstance(one, Parts)]
        error = optional.error_for(absent, self._name, tuple(likes))
        maybe = Maybe(self._session, None, None, absent, error)
        return Parts(maybe, [Number(bool), values])

    def _joined_tensors(self, a: TensorOf, b: TensorOf) -> TensorOf:
        if a.dtype != b.dtype or len(a.dims) != len(b.dims):
            raise Mismatch(f"{_described(a)} and {_described(b)} in one list")
        dims = (
            x if x is not None and y is not None and self._session.same(x, y) else None
            for x, y in zip(a.dims, b.dims, strict=True)
        )
        return TensorOf(a.dtype, tuple(dims))

    def _joined_numbers(self, a: Number, b: Number) -> Number:
        if a.kind is b.kind:
            return Number(a.kind, promoted=a.promoted or b.promoted)
        wider = float if float in (a.kind, b.kind) else int
        self._session.note(
            "assumption",
            f"a number that is {a.kind.__name__} in some items of a list and {b.kind.__name__} in "
            f"others is a {wider.__name__} in the file",
        )
        return Number(wider, promoted=True)

    def _joined_parts(self, a: Parts | Packed, b: Parts | Packed) -> Pattern:
        if not same_kind(a.like, b.like):
            raise Mismatch(f"{describe(a.like)} and {describe(b.like)} in one list")
        if isinstance(a, Parts) and isinstance(b, Parts):
            if keys_of(a.like) is not None:
                return self._joined_keys(a, b)
            if len(a.items) == len(b.items):
                items = [self._joined(x, y) for x, y in zip(a.items, b.items, strict=True)]
                return Parts(a.like, items)
            if not isinstance(a.like, (list, tuple, deque)) or hasattr(a.like, "_fields"):
                raise Mismatch(f"two {type(a.like).__name__}s of different length in one list")
        elements = [
            element
            for one in (a, b)
            for element in ([one.element] if isinstance(one, Packed) else one.items)
        ]
        # Of fixed lengths, each is an alternative of its own where the items are of several kinds.
        fixed = isinstance(a, Parts) and isinstance(b, Parts)
        join = self._joined_as_one if fixed else self._joined
        element = elements[0]
        for other in elements[1:]:
            element = join(element, other)
        return Packed(a.like, element)

    def _joined_keys(self, a: Parts, b: Parts) -> Parts:
        """Dicts or objects; a key that only some have may be missing in each."""
        keys = joined_keys(a.like, b.like)
        if keys is None:
            raise Mismatch(f"{describe(a.like)} and one with its keys in another order in one list")
        missing = Constant(UNSET)
        found = [dict(zip(keys_of(one.like) or [], one.items, strict=True)) for one in (a, b)]
        items, name = [], self._name
        for key in keys:
            kind = type(a.like).__name__
            self._name = f"the key {key!r}" if isinstance(a.like, dict) else f"{kind}.{key}"
            items.append(self._joined(*(one.get(key, missing) for one in found)))
        self._name = name
        if keys == keys_of(a.like):
            return Parts(a.like, items)
        parts = [
            here if there is UNSET else there
            for there, here in zip(aligned(a.like, keys), aligned(b.like, keys), strict=True)
        ]
        return Parts(keyed_like(a.like, keys, parts), items)


def _packed(pattern: Pattern) -> Pattern:
    """A pattern of values as one of items: lists in it are packed into tensors."""
    if isinstance(pattern, ListOf):
        return Packed(pattern.like, pattern.element)
    if isinstance(pattern, Parts):
        return Parts(pattern.like, [_packed(item) for item in pattern.items])
    return pattern


def _absence_of(*patterns: Pattern) -> Value:
    """What items of these patterns may be instead of a value; see `maybe.absence_of`."""
    return optional.absence_of(
        *(
            one.value if isinstance(one, Constant) else getattr(one, "like", HOLE)
            for one in patterns
        )
    )


def _present(pattern: Pattern, absent: Value) -> Pattern:
    """What items are where they are there."""
    if isinstance(pattern, Constant) and pattern.value is absent:
        return Constant(HOLE)
    maybe = isinstance(pattern, Parts) and isinstance(pattern.like, Maybe)
    if isinstance(pattern, Parts) and maybe and getattr(pattern.like, "absent") is absent:  # noqa: B009
        return pattern.items[1]
    return pattern


def _described(pattern: Pattern) -> str:
    if isinstance(pattern, TensorOf):
        return f"a {pattern.dtype} tensor of {len(pattern.dims)} dimensions"
    if isinstance(pattern, Number):
        return f"a number ({pattern.kind.__name__})"
    return describe(pattern.value if isinstance(pattern, Constant) else getattr(pattern, "like"))  # noqa: B009
