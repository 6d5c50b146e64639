"""What a loop-carried place holds from trip to trip: the part that stays and the part that varies.

A pattern starts as the constant that the place holds before the loop. Each time the body leaves
something else there, it is widened: a dimension, a number or a tensor becomes a variable of the
loop. Widening ends, since each step only turns something fixed into something free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture import optional
from fxexport.capture.containers import keyed_like, keys_of, parts_of, rebuild_like
from fxexport.capture.frames import user_location
from fxexport.capture.journal import UNSET
from fxexport.capture.keys import aligned, joined_keys
from fxexport.capture.merge import Mismatch, describe, fits, leaf_kind, same_constant
from fxexport.capture.optional import HOLE, Maybe
from fxexport.capture.session import Poison, Session, is_symbolic, sym_type

__all__ = [
    "Constant",
    "NeedsFirstTrip",
    "Number",
    "Parts",
    "Pattern",
    "Ran",
    "TensorOf",
    "Widening",
    "leaves_of",
]


class NeedsFirstTrip(Exception):
    """The place holds another kind of value before the first trip than after it."""


class Pattern:
    """Base of the patterns."""


@dataclass
class Constant(Pattern):
    """The same object on every trip."""

    value: Any


@dataclass
class TensorOf(Pattern):
    """A tensor; a dimension is None where it may differ from trip to trip."""

    dtype: torch.dtype
    dims: tuple[Any, ...]


@dataclass
class Number(Pattern):
    """A Python number of one type; `promoted` if some trips leave one of another type."""

    kind: type
    promoted: bool = False


@dataclass
class Ran(Pattern):
    """A flag that is false before the first trip and true after every trip."""


@dataclass
class Parts(Pattern):
    """A container of a fixed structure; `like` shows its type and keys."""

    like: Any
    items: list[Pattern]


def leaves_of(pattern: Pattern) -> list[Pattern]:
    """The tensors and numbers in a pattern, in order."""
    if isinstance(pattern, Parts):
        return [leaf for item in pattern.items for leaf in leaves_of(item)]
    return [] if isinstance(pattern, (Constant, Ran)) else [pattern]


class Widening:
    """Compares what a trip starts with and what it leaves."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._place = ""

    def widen(self, pattern: Pattern, start: Any, end: Any, name: str) -> Pattern:
        """The pattern that holds for both; a poisoned constant where none does.

        Args:
            pattern: the pattern so far.
            start: the value that the trip began with (made from the pattern).
            end: the value at the end of the trip.
            name: the place, for messages.

        Raises:
            NeedsFirstTrip: only the value before the loop does not fit; peel a trip.
        """
        self._place = name
        if name.startswith("_fx_"):
            # Variables of our own are read only where they were bound.
            start, end = (HOLE if value is UNSET else value for value in (start, end))
            if isinstance(pattern, Constant) and pattern.value is UNSET:
                pattern = Constant(HOLE)
        try:
            return self._widen(pattern, start, end)
        except Mismatch as reason:
            text = f"{name!r} is not the same kind of value on every trip of the loop: {reason}"
            return Constant(Poison(name, text, user_location()))

    def _widen(self, pattern: Pattern, start: Any, end: Any) -> Pattern:
        if end is start:
            return pattern
        if isinstance(end, Poison):
            return Constant(end)
        if end is HOLE:
            return pattern
        if isinstance(pattern, Constant) and pattern.value is HOLE:
            return self._shape_of(end)
        absent = optional.absence_of(start, end)
        if not optional.is_certain(absent):
            return self._widen_optional(pattern, start, end, absent)
        if isinstance(pattern, Constant):
            return self._widen_constant(pattern, end)
        if isinstance(pattern, TensorOf):
            return self._widen_tensor(pattern, end)
        if isinstance(pattern, Number):
            return self._widen_number(pattern, end)
        assert isinstance(pattern, Parts)
        if type(end) is not type(start):
            raise Mismatch(f"{describe(start)} before a trip, {describe(end)} after it")
        return self._widen_parts(pattern, start, end)

    def _widen_parts(self, pattern: Parts, start: Any, end: Any) -> Pattern:
        keys = keys_of(start)
        if keys != keys_of(end):
            return self._widen_keys(pattern, start, end)
        starts, ends = parts_of(start) or [], parts_of(end) or []
        if len(starts) != len(ends):
            raise Mismatch(f"{describe(start)} of {len(starts)} items, then of {len(ends)}")
        items = [self._widen(p, s, e) for p, s, e in zip(pattern.items, starts, ends, strict=True)]
        return Parts(pattern.like, items)

    def _widen_keys(self, pattern: Parts, start: Any, end: Any) -> Pattern:
        """A dict (or object) that may have another key (or attribute) after the trip."""
        joined = joined_keys(start, end)
        if joined is None:
            raise Mismatch(f"{describe(start)}, then with its keys in another order")
        old = dict(zip(keys_of(pattern.like) or [], pattern.items, strict=True))
        place, items = self._place, []
        for key, before, after in zip(
            joined, aligned(start, joined), aligned(end, joined), strict=True
        ):
            self._place = f"the key {key!r}" if isinstance(start, dict) else f"{place}.{key}"
            items.append(self._widen(old.get(key, Constant(UNSET)), before, after))
        self._place = place
        return Parts(keyed_like(pattern.like, joined, aligned(pattern.like, joined)), items)

    def _widen_optional(self, pattern: Pattern, start: Any, end: Any, absent: Any) -> Pattern:
        """What is there after some trips, or before some, and not after or before others."""
        (old_flag, old), (flag, value) = (optional.lifted(v, absent) for v in (start, end))
        if isinstance(pattern, Parts) and isinstance(pattern.like, Maybe):
            known = pattern.like.absent is absent
        else:
            known = False
        flags: Pattern
        if known:
            assert isinstance(pattern, Parts)
            flags, values = pattern.items
        else:
            flags = Constant(old_flag)
            values = Constant(old) if isinstance(pattern, Constant) else pattern
        flags = self._widen_flag(flags, old_flag, flag)
        values = self._widen(values, old, value)
        if isinstance(values, Constant) and isinstance(values.value, Poison):
            return values
        error = optional.error_for(absent, self._place, (start, end))
        return Parts(Maybe(self.session, None, None, absent, error), [flags, values])

    def _widen_flag(self, pattern: Pattern, start: Any, end: Any) -> Pattern:
        if isinstance(pattern, Constant) and pattern.value is False and end is True:
            return Ran()
        if isinstance(pattern, Ran):
            return pattern if end is True else Number(bool)
        return self._widen(pattern, start, end)

    def _widen_constant(self, pattern: Constant, end: Any) -> Pattern:
        value = pattern.value
        if isinstance(value, Poison):
            return pattern
        kinds = leaf_kind(value), leaf_kind(end)
        if kinds[0] is torch.Tensor and kinds[1] is torch.Tensor:
            if value.dim() != end.dim() or value.dtype != end.dtype:
                # Only the first trip may start with something else: then it is peeled off.
                raise NeedsFirstTrip(
                    f"{describe(value)} before the loop, {describe(end)} after a trip"
                )
            return self._widen_tensor(self._tensor_pattern(value), end)
        if kinds[0] is not None and kinds[1] is torch.Tensor:
            if end.dim() == 0 and fits(sym_type(value), end.dtype):
                return self._tensor_pattern(end)
            raise NeedsFirstTrip(f"a number before the loop, {describe(end)} after a trip")
        if kinds[0] is not None and kinds[1] is not None:
            if self.session.same(value, end):
                return pattern
            return self._widen_number(Number(kinds[0]), end)
        return self._widen_object(pattern, value, end)

    def _widen_object(self, pattern: Constant, value: Any, end: Any) -> Pattern:
        if parts_of(value) is not None and type(value) is type(end):
            constants: list[Pattern] = [Constant(part) for part in parts_of(value) or []]
            return self._widen_parts(Parts(value, constants), value, end)
        if same_constant(value, end) or (isinstance(value, (set, frozenset)) and value == end):
            return pattern
        raise Mismatch(f"{describe(value)} before a trip, {describe(end)} after it")

    def _widen_tensor(self, pattern: TensorOf, end: Any) -> Pattern:
        if leaf_kind(end) in (int, float, bool):
            if not pattern.dims and fits(sym_type(end), pattern.dtype):
                return pattern
            raise Mismatch("a tensor before a trip, a number after it")
        if not isinstance(end, torch.Tensor):
            raise Mismatch(f"a tensor before a trip, {describe(end)} after it")
        if end.dim() != len(pattern.dims):
            raise Mismatch(f"a tensor of {len(pattern.dims)} dimensions, then of {end.dim()}")
        if end.dtype != pattern.dtype:
            raise Mismatch(f"a tensor of {pattern.dtype}, then of {end.dtype}")
        sizes = self.session.tensors.inner(end).shape
        dims = tuple(
            old if old is not None and self.session.same(old, new) else None
            for old, new in zip(pattern.dims, sizes, strict=True)
        )
        return TensorOf(pattern.dtype, dims)

    def _widen_number(self, pattern: Number, end: Any) -> Pattern:
        kind = sym_type(end)
        if kind is pattern.kind:
            return pattern
        if kind is not None:
            wider = float if float in (kind, pattern.kind) else int
            self.session.note(
                "assumption",
                f"a number that is {pattern.kind.__name__} on some trips of the loop and "
                f"{kind.__name__} on others is a {wider.__name__} in the file",
            )
            return Number(wider, promoted=True)
        if isinstance(end, torch.Tensor) and end.dim() == 0 and fits(pattern.kind, end.dtype):
            return self._tensor_pattern(end)
        raise Mismatch(f"a number before a trip, {describe(end)} after it")

    def _tensor_pattern(self, tensor: torch.Tensor) -> TensorOf:
        sizes = self.session.tensors.inner(tensor).shape
        return TensorOf(tensor.dtype, tuple(s if self.session.in_scope(s) else None for s in sizes))

    def _shape_of(self, end: Any) -> Pattern:
        """The pattern of a variable that the loop binds first: any value fits before it."""
        if isinstance(end, torch.Tensor):
            return self._tensor_pattern(end)
        kind = leaf_kind(end)
        if kind is not None and not is_symbolic(end):
            return Constant(end)
        if kind is not None:
            return Number(kind)
        parts = parts_of(end)
        if parts is not None:
            return Parts(end, [self._shape_of(part) for part in parts])
        return Constant(end)


def make(session: Session, pattern: Pattern, leaf: Callable[[Any, Pattern], Any]) -> Any:
    """A value of a pattern; `leaf` is called with a fake tensor or Sym scalar for each variable."""
    if isinstance(pattern, Constant):
        return pattern.value
    if isinstance(pattern, Ran):
        return leaf(None, pattern)
    if isinstance(pattern, Parts):
        items = [make(session, item, leaf) for item in pattern.items]
        return session.journal.made(rebuild_like(pattern.like, items))
    if isinstance(pattern, Number):
        number = session.recorder.fresh_scalar(_SYM_OF[pattern.kind])
        if pattern.promoted:
            session.promote(number)
        return leaf(number, pattern)
    assert isinstance(pattern, TensorOf)
    sizes = [session.fresh_size() if dim is None else dim for dim in pattern.dims]
    with compat.only_mode(session.fake_mode):
        fake = torch.empty(sizes, dtype=pattern.dtype)
    return leaf(fake, pattern)


_SYM_OF = {int: torch.SymInt, float: torch.SymFloat, bool: torch.SymBool}
