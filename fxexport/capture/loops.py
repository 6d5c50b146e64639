"""What while and for statements become in rewritten code.

A loop that Python can run by itself is written out; one that depends on tensors or dynamic sizes
is staged, and so is a long one or one that a tensor may end, from its beginning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch

from fxexport.capture import prelude
from fxexport.capture.branching import condition_of, stage_branch
from fxexport.capture.frames import user_location
from fxexport.capture.iteration import Dynamic, rows
from fxexport.capture.journal import AttributeSlot, ContainerSlot, Slot
from fxexport.capture.lists import OpenLists
from fxexport.capture.logic import Logic
from fxexport.capture.looping import stage_loop
from fxexport.capture.optional import force
from fxexport.capture.proofs import proof
from fxexport.capture.session import Poison, Session, is_symbolic
from fxexport.capture.spread import is_open
from fxexport.capture.variables import flag_of, slots_of
from fxexport.capture.widening import NeedsFirstTrip
from fxexport.errors import UnsupportedError

__all__ = ["Loops"]

# A loop of known length is written out up to here; a longer one is tried as a Loop first.
UNROLL_LIMIT = 16
# A loop that Python alone decides stops somewhere; one that does not is a mistake.
TRIP_LIMIT = 20_000


class Loops(Logic):
    """The operators that repeat."""

    lists: OpenLists

    def while_stmt(
        self,
        test: Callable[[], Any],
        body: Callable[[], Any],
        names: tuple[str, ...],
        globals_: tuple[str, ...],
        break_name: str | None,
    ) -> None:
        """A while statement; `break_name` is the variable that a break sets."""
        slots = slots_of((test, body), names, globals_)
        broken = flag_of(body, break_name)

        def going() -> Any:
            if broken is None:
                return test()
            return self.and_(lambda: self.not_(broken.get()), test)

        self.repeat_while(going, body, slots)

    def repeat_while(
        self, going: Callable[[], Any], body: Callable[[], Any], slots: list[Slot]
    ) -> None:
        """A while loop; `slots` are the variables that it may bind."""
        try:
            self._while(going, body, slots, may_stage=True)
        except UnsupportedError as error:
            self.session.collect(error, slots)

    def _while(
        self, going: Callable[[], Any], body: Callable[[], Any], slots: list[Slot], may_stage: bool
    ) -> None:
        """Python's while as long as the condition is known; from the start as a Loop otherwise."""
        session = self.session
        start = _Checkpoint(session, slots)
        trips = 0
        with session.journal.scope() as scope:
            start.scope = scope
            while (condition := condition_of(session, going())) is not False:
                symbolic = not isinstance(condition, bool)
                if trips and may_stage and (symbolic or trips >= UNROLL_LIMIT) and start.recorded():
                    start.back()
                    break
                if symbolic:
                    self._staged_while(condition, body, going, slots)
                    return
                body()
                trips += 1
                if trips > TRIP_LIMIT:
                    raise UnsupportedError(
                        f"this loop made {TRIP_LIMIT} trips at export without an end in sight",
                        location=user_location(),
                    )
            else:
                if trips > 1 and start.recorded():
                    session.note("unrolled", f"this loop is written out: {trips} trips")
                return
        try:
            with session.trial():
                stage_loop(
                    session, lambda _: body(), going, slots, None, condition_of(session, going())
                )
        except (UnsupportedError, NeedsFirstTrip):
            start.back()
            self._while(going, body, slots, may_stage=False)

    def _staged_while(
        self, condition: Any, body: Callable[[], Any], going: Callable[[], Any], slots: list[Slot]
    ) -> None:
        try:
            stage_loop(self.session, lambda _: body(), going, slots, None, condition)
        except NeedsFirstTrip as reason:
            self._peeled_while(condition, body, going, slots, reason)

    def _peeled_while(
        self, condition: Any, body: Any, going: Any, slots: list[Slot], error: NeedsFirstTrip
    ) -> None:
        """The first trip in a branch of its own, then the loop inside that branch."""

        def once() -> None:
            body()
            stage_loop(
                self.session,
                lambda _: body(),
                going,
                slots,
                None,
                condition_of(self.session, going()),
            )

        try:
            stage_branch(self.session, condition, once, lambda: None, slots)
        except NeedsFirstTrip as again:
            raise UnsupportedError(
                f"a value changes its kind in this loop: {again}", location=user_location()
            ) from error

    def for_stmt(
        self,
        iterable: Any,
        body: Callable[[Any], Any],
        names: tuple[str, ...],
        globals_: tuple[str, ...],
        break_name: str | None,
    ) -> None:
        """A for statement; `break_name` is the variable that a break sets."""
        slots = slots_of((body,), names, globals_)
        self.repeat_for(iterable, body, slots, flag_of(body, break_name))

    def repeat_for(
        self, iterable: Any, body: Callable[[Any], Any], slots: list[Slot], broken: Slot | None
    ) -> None:
        """A for loop; `broken` holds whether it has been left."""
        try:
            self._for(iterable, body, slots, broken)
        except UnsupportedError as error:
            self.session.collect(error, slots)

    def _for(self, iterable: Any, body: Any, slots: list[Slot], broken: Slot | None) -> None:
        iterable = self.consumed(self.source_of(iterable))
        if isinstance(iterable, Dynamic):
            with self.session.iterating(iterable.lists):
                self._for_dynamic(iterable, body, slots, broken)
        else:
            self._python_for(iterable, body, slots, broken)

    def source_of(self, iterable: Any) -> Any:
        """What an iterable is looped over as: a Dynamic, or something that Python can loop over."""
        iterable = self.whole(iterable)
        if isinstance(iterable, Poison):
            raise iterable.refuse()
        if isinstance(iterable, torch.Tensor):
            return rows(iterable)
        return self.lists.dynamic(iterable) if is_open(iterable) else iterable

    def consumed(self, source: Any) -> Any:
        """A source of items that is gone through from here on; an iterator can be only once."""
        if isinstance(source, Dynamic):
            source.refuse_if_gone()
            if source.once:
                self.session.journal.touch(AttributeSlot(source, "used"))
                source.used = True
        return source

    def is_staged(self, source: Any) -> bool:
        """Whether a loop over this source has a number of trips known only at run time."""
        return isinstance(source, Dynamic) and is_symbolic(source.length)

    def _for_dynamic(
        self, iterable: Dynamic, body: Any, slots: list[Slot], broken: Slot | None
    ) -> None:
        length = iterable.length
        if is_symbolic(length):
            none_at_all = length < 1
            if self.session.known(none_at_all):
                reason = proof(self.session, none_at_all, True)
                self.session.note("folded", f"this loop makes no trip: {reason}")
                return
            self._staged_for(iterable, length, 0, body, slots, broken)
        else:
            items = (iterable.item(k) for k in range(length))
            self._python_for(items, body, slots, broken)

    def _staged_for(
        self,
        source: Dynamic,
        length: Any,
        start: int,
        body: Any,
        slots: list[Slot],
        broken: Slot | None,
    ) -> None:
        session = self.session
        count = length - start if start else length

        def trip(k: Any) -> None:
            body(source.item(k + start if start else k))

        def going() -> Any:
            return True if broken is None else self.not_(broken.get())

        first = condition_of(session, going())
        if first is False:
            return
        facts, forget = session.env.save_facts(), session.recorder.savepoint()
        try:
            stage_loop(session, trip, going, slots, count, first)
        except NeedsFirstTrip as reason:
            forget()
            session.env.restore_facts(facts)
            if start >= 2:
                raise UnsupportedError(
                    f"a value changes its kind in this loop: {reason}", location=user_location()
                ) from None
            known = session.known(length > start)
            if known is False:
                return
            if known is None:
                session.env.assume(length > start, "the loop makes a trip")
                session.note(
                    "assumption",
                    f"this loop makes at least {start + 1} trip(s): without one, "
                    f"a value stays what it was ({reason})",
                )
                session.require(length > start)
            trip(0)
            self._staged_for(source, length, start + 1, body, slots, broken)

    def _python_for(
        self,
        iterable: Any,
        body: Any,
        slots: list[Slot],
        broken: Slot | None,
        may_stage: bool = True,
    ) -> None:
        """A loop over known items: written out, unless it is long or left early at run time."""
        session = self.session
        may_stage = may_stage and isinstance(iterable, range)
        start = _Checkpoint(session, slots)
        trips = 0
        with session.journal.scope() as scope:
            start.scope = scope
            for item in iterable:
                left = condition_of(session, broken.get()) if broken is not None else False
                if left is True:
                    break
                long = may_stage and (left is not False or len(iterable) > UNROLL_LIMIT)
                if trips and long and start.recorded():
                    start.back()
                    break
                if left is False:
                    body(item)
                else:
                    self._trip_unless(left, body, item, slots)
                trips += 1
            else:
                may_stage = False
        if may_stage and left is not True:
            self._long_for(iterable, start, body, slots, broken)
        elif trips > 1 and start.recorded():
            session.note("unrolled", f"this loop is written out: {trips} trips")

    def _trip_unless(self, left: Any, body: Any, item: Any, slots: list[Slot]) -> None:
        """One trip that is made only if the loop has not been left."""
        going = condition_of(self.session, self.not_(left))
        if isinstance(going, bool):
            if going:
                body(item)
            return
        stage_branch(self.session, going, lambda: body(item), lambda: None, slots)

    def _long_for(
        self, items: range, start: _Checkpoint, body: Any, slots: list[Slot], broken: Slot | None
    ) -> None:
        """A loop of known length as a Loop; written out if it cannot be one."""
        source = Dynamic(len(items), lambda k: items.start + k * items.step, "range(...)")

        def going() -> Any:
            return True if broken is None else self.not_(broken.get())

        try:
            with self.session.trial():
                stage_loop(
                    self.session,
                    lambda k: body(source.item(k)),
                    going,
                    slots,
                    len(items),
                    condition_of(self.session, going()),
                )
        except (UnsupportedError, NeedsFirstTrip):
            start.back()
            self._python_for(items, body, slots, broken, may_stage=False)

    def touch(self, container: Any) -> None:
        """To be called before a container may change."""
        if isinstance(container, (list, dict, set, deque)):
            self.session.check_changeable(container)
            self.session.aliases.about_to_write(container)
            self.session.journal.touch(ContainerSlot(container))

    def generator(self, iterable: Any, element: Callable[..., Any], several: bool) -> Any:
        """A generator expression over one iterable."""
        source = self.source_of(iterable)
        make = (lambda item: element(*self.iterate(item))) if several else element
        if isinstance(source, Dynamic):
            self.consumed(source)
            made = Dynamic(
                source.length,
                lambda k: make(source.item(k)),
                "a generator",
                source.lists,
                once=True,
            )
            return self.session.journal.made(made)
        return (make(item) for item in source)

    def iterate(self, iterable: Any) -> Any:
        """What Python iterates over by itself."""
        source = self.source_of(iterable)
        if isinstance(source, Dynamic) and not is_symbolic(source.length):
            self.consumed(source)
            return (source.item(k) for k in range(source.length))
        return iter(source)

    def unpack(self, value: Any, before: int, after: int | None = None) -> Any:
        """The right side of an unpacking.

        Args:
            value: what is unpacked.
            before: number of names, before a starred one if there is one.
            after: number of names after the starred one; None if there is none.
        """
        value = self.whole(value)
        if isinstance(value, (list, tuple)) and not is_open(value):
            return value
        source = self.source_of(value)
        if not self.is_staged(source):
            return self.iterate(source) if isinstance(source, (Dynamic, tuple)) else value
        self.consumed(source)
        least = before + (after or 0)
        length = source.length
        self.lists.take_for_granted(
            length == least if after is None else length >= least, f"there are {least} to unpack"
        )
        if after is None:
            return [source.item(k) for k in range(before)]
        rest = self.call(prelude.slice_of)(value, before, length - after)
        tail = [source.item(length - after + k) for k in range(after)]
        return [*(source.item(k) for k in range(before)), *rest, *tail]

    def listed(self, iterable: Any) -> list[Any]:
        """``list(iterable)``; what has a dynamic length becomes an open list."""
        iterable = self.whole(iterable)
        source = rows(iterable) if isinstance(iterable, torch.Tensor) else iterable
        if self.is_staged(source):
            made: list[Any] = self.call(prelude.collected)(source)
            return made
        if isinstance(source, (list, tuple, deque)):
            return list(source)
        return list(self.iterate(source))

    def starred(self, value: Any) -> Any:
        """``*value`` in a call or a display."""
        return self.listed(value)

    def multiply(self, a: Any, b: Any) -> Any:
        """``a * b``; a list may be repeated a dynamic number of times."""
        a, b = force(a), force(b)
        items, times = (a, b) if isinstance(a, (list, tuple)) else (b, a)
        if isinstance(items, (list, tuple)) and isinstance(times, torch.SymInt):
            made = self.call(prelude.repeated)(items, times)
            return made if isinstance(items, list) else tuple(made)
        return self._new(self.number(a) * self.number(b))

    def add(self, a: Any, b: Any) -> Any:
        """``a + b``."""
        return self._new(self.number(a) + self.number(b))

    def _new(self, value: Any) -> Any:
        return self.session.journal.made(value) if type(value) is list else value


class _Checkpoint:
    """Where a loop began, to go back there and record it another way."""

    def __init__(self, session: Session, slots: list[Slot]) -> None:
        self._session = session
        self._slots = slots
        self._frame = session.recorder.frame
        self._nodes = len(self._frame.graph.nodes)
        self._facts = session.env.save_facts()
        self._forget = session.recorder.savepoint()
        self._findings = len(session.report.findings)
        self._lost = dict(session.lost)
        self.scope: Any = None
        self._initial = [slot.get() for slot in slots]

    def recorded(self) -> bool:
        """Whether the loop has recorded anything."""
        return len(self._frame.graph.nodes) > self._nodes

    def back(self) -> None:
        """Forgets all that the loop has done."""
        self.scope.undo()
        for slot, value in zip(self._slots, self._initial, strict=True):
            slot.set(value)
        self._session.env.restore_facts(self._facts)
        self._session.lost = self._lost
        self._forget()
        del self._session.report.findings[self._findings :]
