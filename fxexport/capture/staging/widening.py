"""Widens what a loop-carried slot holds until one pattern holds for all iterations.

A pattern starts as the constant that the slot holds before the loop. Each time the body leaves
something else there, it is widened: a dimension, a number or a tensor becomes a variable of the
loop. Widening ends, since each step only turns something fixed into something free.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import cast

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.refusals import AliasRefused, is_out_of_date
from fxexport.capture.session.session import Poison, Session, sym_type
from fxexport.capture.staging.list_elements import Elements
from fxexport.capture.staging.patterns import (
    Constant,
    Itself,
    ListOf,
    Number,
    Parts,
    Pattern,
    Ran,
    TensorOf,
    alternatives_of,
    place_of,
)
from fxexport.capture.values import maybe as optional
from fxexport.capture.values.choice import MOST_ALTERNATIVES, Choice, cases_of
from fxexport.capture.values.containers import (
    is_mutable,
    keyed_like,
    keys_of,
    parts_of,
    same_kind,
)
from fxexport.capture.values.kinds import (
    Mismatch,
    describe,
    fits,
    leaf_kind,
    lengths_differ,
    same_constant,
)
from fxexport.capture.values.left_objects import LeftObjects
from fxexport.capture.values.made_anew import made_anew
from fxexport.capture.values.maybe import HOLE, Maybe
from fxexport.capture.values.uncertain_keys import aligned, joined_keys
from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation

__all__ = ["NeedsFirstIteration", "Widening"]


class NeedsFirstIteration(Exception):
    """The slot holds another kind of value before the first iteration than after it."""


def _is_list_like(pattern: Pattern, value: Value) -> bool:
    """Whether a pattern is that of lists, perhaps of another length, as a value is."""
    lists = isinstance(value, (list, deque)) and not isinstance(pattern, Itself)
    return lists and isinstance(pattern, Parts) and same_kind(pattern.like, value)


class Widening:
    """Compares what an iteration starts with and what it leaves."""

    def __init__(
        self, session: Session, location: SourceLocation | None = None, *, peels: bool = True
    ) -> None:
        """Begins with nothing seen.

        Args:
            session: the capture.
            location: the line of the loop.
            peels: whether the first iteration may be taken out of the loop; if not, what it starts
                with is one of several values.
        """
        self.session = session
        self._peels = peels
        self._location = location
        # The journal's number when the loop began, and whether objects stay what they are.
        self._since = session.journal.now
        self._apart = False
        self._slot_name = ""
        # What the tensors that the last iteration has left hold, by their identity: a tensor from
        # outside that the iteration has written in place has been restored.
        self.held: dict[int, torch.Tensor] = {}
        # What is in the objects that it has changed where they are; these have been restored too.
        self.left = LeftObjects()

    def widen(
        self, pattern: Pattern, start: Value, end: Value, name: str, *, contents: bool = False
    ) -> Pattern:
        """The pattern that holds for both; a poisoned constant where none does.

        Args:
            pattern: the pattern so far.
            start: the value at the start of the iteration (made from the pattern).
            end: the value at the end of the iteration.
            name: the slot's name, for messages.
            contents: whether it is what a container holds, which cannot be one of several.

        Raises:
            NeedsFirstIteration: only the value before the loop does not fit; peel an iteration.
        """
        self._slot_name = name
        self._apart = (self._location, name) in self.session.apart
        if name.startswith("_fx_"):
            # Variables of our own are read only where they were bound.
            start, end = (HOLE if value is UNSET else value for value in (start, end))
            if isinstance(pattern, Constant) and pattern.value is UNSET:
                pattern = Constant(HOLE)
        if contents and is_out_of_date(end):
            known = isinstance(pattern, Constant) and is_out_of_date(pattern.value)
            return pattern if known else Constant(end)
        try:
            widen = self._widen_as_one if contents else self._widen
            return widen(pattern, start, end)
        except Mismatch as reason:
            text = (
                f"{name!r} is not the same kind of value in every iteration of the loop: {reason}"
            )
            return Constant(Poison(name, text, user_location()))

    def _widen(self, pattern: Pattern, start: Value, end: Value) -> Pattern:
        try:
            return self._widen_as_one(pattern, start, end)
        except Mismatch as reason:
            # Where there is an alternative to staging, that is better than a choice.
            if reason.final or (self.session.trials and not isinstance(end, BaseException)):
                raise
            return self._widen_choice(pattern, start, end)

    def _widen_as_one(self, pattern: Pattern, start: Value, end: Value) -> Pattern:
        if end is start:
            return pattern
        if isinstance(end, Poison):
            return Constant(end)
        if end is HOLE:
            return pattern
        if isinstance(pattern, Constant) and pattern.value is HOLE:
            return self._first_pattern(pattern, start, end)
        absent = optional.absence_of(start, end)
        if not optional.is_certain(absent):
            return self._widen_optional(pattern, start, end, absent)
        if isinstance(start, Choice) or isinstance(end, Choice):
            return self._widen_choice(pattern, start, end)
        if isinstance(pattern, Constant):
            if self._is_itself(pattern.value) and self._apart:
                raise Mismatch("one object before an iteration, another one after it")
            return self._widen_constant(pattern, end)
        end = self.left.of(end)
        if isinstance(pattern, TensorOf):
            return self._widen_tensor(pattern, end)
        if isinstance(pattern, Number):
            return self._widen_number(pattern, end)
        if isinstance(pattern, ListOf):
            return self._widen_list(pattern, end)
        assert isinstance(pattern, Parts)
        if (
            isinstance(end, (list, tuple, deque))
            and same_kind(end, start)
            and lengths_differ(list(pattern.items), end)
        ):
            parts = pattern.items
            elements = self._elements_of(end)
            element = elements.joined(parts) if parts else elements.element_of(list(end))
            return self._widen_list(ListOf(pattern.like, element), end)
        if not same_kind(end, start):
            raise Mismatch(f"{describe(start)} before an iteration, {describe(end)} after it")
        return self._widen_parts(pattern, start, end)

    def _first_pattern(self, pattern: Constant, start: Value, end: Value) -> Pattern:
        """The pattern of what is there after an iteration, and is not before the loop."""
        if isinstance(end, Choice) and self.session.apart:
            return self._widen_choice(pattern, start, end)
        if self._apart and self._is_itself(end):
            return Itself(end)
        self._refuse_made_anew(end)
        return self._of_value(end)

    def _widen_parts(self, pattern: Parts, start: Value, end: Value) -> Pattern:
        keys = keys_of(start)
        if keys != keys_of(end) or isinstance(start, (set, frozenset)):
            return self._widen_keys(pattern, start, end)
        starts, ends = parts_of(start) or [], parts_of(end) or []
        if len(starts) != len(ends):
            raise Mismatch(f"{describe(start)} of {len(starts)} items, then of {len(ends)}")
        items = [self._widen(p, s, e) for p, s, e in zip(pattern.items, starts, ends, strict=True)]
        return Parts(pattern.like, items)

    def _widen_keys(self, pattern: Parts, start: Value, end: Value) -> Pattern:
        """A dict (or object) that may have another key (or attribute) after the iteration."""
        joined = joined_keys(start, end)
        if joined is None:
            raise Mismatch(f"{describe(start)}, then with its keys in another order")
        nothing = False if isinstance(start, (set, frozenset)) else UNSET
        old = dict(zip(keys_of(pattern.like) or [], pattern.items, strict=True))
        name, items = self._slot_name, []
        for key, before, after in zip(
            joined, aligned(start, joined), aligned(end, joined), strict=True
        ):
            self._slot_name = f"the key {key!r}" if isinstance(start, dict) else f"{name}.{key}"
            items.append(self._widen(old.get(key, Constant(nothing)), before, after))
        self._slot_name = name
        if isinstance(start, (set, frozenset)):
            return Parts(keyed_like(pattern.like, joined, [None for _ in joined]), items)
        return Parts(keyed_like(pattern.like, joined, aligned(pattern.like, joined)), items)

    def _widen_optional(self, pattern: Pattern, start: Value, end: Value, absent: Value) -> Pattern:
        """A value that some iterations start or end with, and others do not."""
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
        error = optional.error_for(absent, self._slot_name, (start, end))
        return Parts(Maybe(self.session, None, None, absent, error), [flags, values])

    def _widen_choice(self, pattern: Pattern, start: Value, end: Value) -> Pattern:
        """A value that is one of several things in some iterations."""
        bound = not isinstance(pattern, Constant) or pattern.value is not HOLE
        values = alternatives_of(pattern) if bound else []
        apart = bool(self.session.apart)
        if apart:
            values = [self._as_itself(known) for known in values]
        starts = [value for _, value in cases_of(start)]
        taken: set[int] = set()
        for _, value in cases_of(end):
            k = place_of(values, value)
            if k is None or (apart and self._is_itself(value)):
                k = self._other_place(values, value)
            if k in taken:
                raise self._two_alike(value)
            taken.add(len(values) if k is None else k)
            if k is None:
                self._refuse_made_anew(value, values)
                itself = apart and self._is_itself(value)
                values.append(Itself(value) if itself else self._of_value(value))
            elif not isinstance(values[k], Itself):
                known = starts[k] if k < len(starts) else value
                values[k] = self._widen_as_one(values[k], known, value)
        if len(values) > MOST_ALTERNATIVES:
            raise Mismatch(f"more than {MOST_ALTERNATIVES} things that it may be", final=True)
        flags: list[Pattern] = [Number(bool) for _ in values]
        like = Choice(self.session, [None for _ in values], [None for _ in values])
        return Parts(like, [*flags, *values])

    def _other_place(self, values: Sequence[Pattern], value: Value) -> int | None:
        """The place of an object that stays what it is, or of a list of another length."""
        if self._is_itself(value) and self.session.apart:
            same = (isinstance(known, Itself) and known.value is value for known in values)
        else:
            same = (bool(self.session.apart) and _is_list_like(known, value) for known in values)
        return next((k for k, it_is in enumerate(same) if it_is), None)

    def _two_alike(self, value: Value) -> Exception:
        """An iteration leaves one of two values, which are one alternative of the pattern."""
        text = f"{describe(value)} that is one of two in an iteration"
        place = (self._location, self._slot_name)
        if not self._is_itself(value) or place in self.session.apart:
            return Mismatch(text, final=True)
        return AliasRefused(text, frozenset([place]), self._location, "make a copy in the loop")

    def _as_itself(self, pattern: Pattern) -> Pattern:
        """The pattern of an alternative that stays the object that it is."""
        if isinstance(pattern, Constant) and self._is_itself(pattern.value):
            return Itself(pattern.value)
        return pattern

    def _is_itself(self, value: Value) -> bool:
        """Whether a value is an object or tensor from before the loop, which can change."""
        if isinstance(value, torch.Tensor):
            return self.session.tensors.born(value) <= self._since
        return is_mutable(value) and self.session.journal.born(value) <= self._since

    def _refuse_made_anew(self, value: Value, known: Sequence[Pattern] = ()) -> None:
        """Refuses what is another one in each iteration; `known` is what earlier ones left."""
        others = [one.value for one in known if isinstance(one, Constant)]
        what = made_anew(self.session, value, self._since, others)
        if what:
            raise Mismatch(f"{what} that is made anew in each iteration", final=True)

    def _of_value(self, value: Value) -> Pattern:
        """The pattern of a variable that holds such values."""
        return self._elements.of_value(value, self._is_object_itself)

    def _is_object_itself(self, value: Value) -> bool:
        """Whether a value is an object from before the loop: what is the same one stays so."""
        return is_mutable(value) and self._is_itself(value)

    def _widen_flag(self, pattern: Pattern, start: Value, end: Value) -> Pattern:
        if isinstance(pattern, Constant) and pattern.value is False and end is True:
            return Ran()
        if isinstance(pattern, Ran):
            return pattern if end is True else Number(bool)
        return self._widen(pattern, start, end)

    def _widen_constant(self, pattern: Constant, end: Value) -> Pattern:
        value = pattern.value
        if isinstance(value, Poison):
            return pattern
        kinds = leaf_kind(value), leaf_kind(end)
        if isinstance(value, torch.Tensor) and isinstance(end, torch.Tensor):
            if value.dim() != end.dim() or value.dtype != end.dtype:
                raise self._other_at_first(value, end)
            return self._widen_tensor(self._elements.of_tensor(value), end)
        if kinds[0] is not None and isinstance(end, torch.Tensor):
            if end.dim() == 0 and fits(sym_type(value), end.dtype):
                self.session.note(
                    "assumption",
                    "a number before the loop and a tensor after an iteration is a tensor in "
                    "the file",
                )
                return self._elements.of_tensor(end)
            raise self._other_at_first(value, end)
        if kinds[0] is not None and kinds[1] is not None:
            if self.session.same(value, end):
                return pattern
            return self._widen_number(Number(kinds[0]), end)
        return self._widen_object(pattern, value, end)

    def _other_at_first(self, value: Value, end: Value) -> Exception:
        """Only the first iteration may start with something else: then it is peeled off."""
        before = "a number" if leaf_kind(value) is not torch.Tensor else describe(value)
        text = f"{before} before the loop, {describe(end)} after an iteration"
        return NeedsFirstIteration(text) if self._peels else Mismatch(text)

    def _widen_object(self, pattern: Constant, value: Value, end: Value) -> Pattern:
        end = self.left.of(end)
        if isinstance(value, frozenset) and value == end:
            return pattern
        if same_kind(value, end) and lengths_differ(value, end):
            lists = (cast("Sequence[Value]", each) for each in (value, end))
            items = [item for each in lists for item in each]
            return ListOf(value, self._elements_of(end).element_of(items))
        if parts_of(value) is not None and same_kind(value, end):
            constants: list[Pattern] = [Constant(part) for part in parts_of(value) or []]
            return self._widen_parts(Parts(value, constants), value, end)
        if same_constant(value, end):
            return pattern
        raise Mismatch(f"{describe(value)} before an iteration, {describe(end)} after it")

    def _widen_tensor(self, pattern: TensorOf, end: Value) -> Pattern:
        if leaf_kind(end) in (int, float, bool):
            if not pattern.dims and fits(sym_type(end), pattern.dtype):
                return pattern
            raise Mismatch("a tensor before an iteration, a number after it")
        if not isinstance(end, torch.Tensor):
            raise Mismatch(f"a tensor before an iteration, {describe(end)} after it")
        if end.dim() != len(pattern.dims):
            raise Mismatch(f"a tensor of {len(pattern.dims)} dimensions, then of {end.dim()}")
        if end.dtype != pattern.dtype:
            raise Mismatch(f"a tensor of {pattern.dtype}, then of {end.dtype}")
        sizes = self._elements.sizes(end)
        dims = tuple(
            old if old is not None and self.session.same(old, new) else None
            for old, new in zip(pattern.dims, sizes, strict=True)
        )
        return TensorOf(pattern.dtype, dims)

    def _widen_number(self, pattern: Number, end: Value) -> Pattern:
        kind = sym_type(end)
        if kind is pattern.kind:
            return pattern
        if kind is not None:
            wider = float if float in (kind, pattern.kind) else int
            self.session.note(
                "assumption",
                f"a number that is {pattern.kind.__name__} in some iterations of the loop and "
                f"{kind.__name__} in others is a {wider.__name__} in the file",
            )
            return Number(wider, promoted=True)
        if isinstance(end, torch.Tensor) and end.dim() == 0 and fits(pattern.kind, end.dtype):
            return self._elements.of_tensor(end)
        raise Mismatch(f"a number before an iteration, {describe(end)} after it")

    @property
    def _elements(self) -> Elements:
        return Elements(self.session, self.held, self.left)

    def _elements_of(self, value: Value) -> Elements:
        """A tuple does not grow: items of several kinds are tuples of several kinds."""
        return Elements(self.session, self.held, self.left, mixed=not isinstance(value, tuple))

    # -- lists of varying length ------------------------------------------------------------------

    def _widen_list(self, pattern: ListOf, end: Value) -> Pattern:
        if not same_kind(end, pattern.like):
            raise Mismatch(
                f"{describe(pattern.like)} before an iteration, {describe(end)} after it"
            )
        items = list(cast("Sequence[Value]", end))
        elements = self._elements_of(end)
        return ListOf(pattern.like, elements.element_of(items, pattern.element))
