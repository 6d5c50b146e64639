"""What for statements become in rewritten code.

A loop that Python can run by itself is written out; one that depends on tensors or dynamic sizes
is staged, and so is a long one or one that a tensor may end, from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from fxexport.capture.operators.dynamic_iterables import (
    Dynamic,
    Exhausted,
    Filtered,
    Generated,
    drawn,
    draws_alone,
)
from fxexport.capture.operators.iteration import Iteration
from fxexport.capture.operators.logic import Logic
from fxexport.capture.operators.variables import flag_of, slots_of
from fxexport.capture.operators.while_statements import UNROLL_LIMIT, after
from fxexport.capture.recording.types import Condition, Size, Undecided
from fxexport.capture.session.journal import AttributeSlot, Slot
from fxexport.capture.session.session import Session, expression, is_symbolic
from fxexport.capture.sizes.proofs import proof
from fxexport.capture.staging.alternatives import each_alternative, is_one_of_several
from fxexport.capture.staging.branch import stage_branch
from fxexport.capture.staging.conditions import condition_of
from fxexport.capture.staging.loop import stage_loop
from fxexport.capture.staging.widening import NeedsFirstIteration
from fxexport.capture.values.uncertain_keys import is_iterator, with_and_without
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.decisions import Decides
from fxexport.source.decisions import Decision, Place
from fxexport.source.frames import user_location

__all__ = ["LoopStatements"]


_Thunk = Callable[[], Any]
_Body = Callable[[Any], None]


class LoopStatements:
    """The operators that repeat."""

    def __init__(self, session: Session, logic: Logic, iteration: Iteration) -> None:
        self._session = session
        self._logic = logic
        self._iteration = iteration

    def for_stmt(
        self,
        iterable: object,
        body: _Body,
        names: tuple[str, ...],
        globals_: tuple[str, ...],
        break_name: str | None,
        place: Place | None = None,
    ) -> None:
        """A for statement; see `WhileStatements.while_stmt`."""
        slots = slots_of((body,), names, globals_)
        decision = self._session.decisions.at(place, "for")
        self.repeat_for(iterable, body, slots, flag_of(body, break_name), decision)

    def repeat_for(
        self,
        iterable: object,
        body: _Body,
        slots: list[Slot],
        broken: Slot | None,
        decision: Decision | None = None,
    ) -> None:
        """A for loop; `broken` holds whether it has been left."""
        try:
            self.run_for(iterable, body, slots, broken, decision)
        except UnsupportedError as error:
            self._session.collect(error, slots)

    def run_for(
        self,
        iterable: object,
        body: _Body,
        slots: list[Slot],
        broken: Slot | None,
        decision: Decision | None = None,
    ) -> None:
        """A for loop whose refusals are raised at once: see `repeat_for`."""
        iterable = with_and_without(self._session, iterable)
        if is_one_of_several(iterable):
            each_alternative(
                self._session,
                iterable,
                lambda one: self.run_for(one, body, slots, broken, decision),
                slots,
            )
            return
        source = self._iteration.consumed(self._iteration.source_of(iterable))
        self._over(source, body, slots, broken, decision)

    def _over(
        self,
        source: Any,
        body: _Body,
        slots: list[Slot],
        broken: Slot | None,
        decision: Decision | None = None,
    ) -> None:
        """A for loop over what nobody else goes through."""
        if isinstance(source, Generated) and source.used is True:
            return  # Python finds no more items
        if isinstance(source, Generated) and source.is_new:
            self._for_generated(source, body, slots, broken)
        elif isinstance(source, Filtered):
            self._for_filtered(source, body, slots, broken)
        elif isinstance(source, Dynamic):
            with self._session.iterating(source.lists):
                self._for_dynamic(source, body, slots, broken, decision)
        else:
            self._python_for(source, body, slots, broken, decision)

    def _for_generated(
        self, source: Generated, body: _Body, slots: list[Slot], broken: Slot | None
    ) -> None:
        """``for … in generator``: the body is called where the generator yields."""

        def consumer(item: object) -> None:
            # Loops of the generator do not know the variables that the body binds.
            for slot in slots:
                self._session.journal.touch(slot)
            body(item)

        self._session.journal.touch(AttributeSlot(source, "used"))
        source.used = None  # some items are left: in the body, and after a break
        source.produce(consumer, lambda: False if broken is None else broken.get())
        if broken is None or broken.get() is False:
            source.used = True

    def _for_filtered(
        self, source: Filtered, body: _Body, slots: list[Slot], broken: Slot | None
    ) -> None:
        """``for … in filter(…)``: a loop with an if in it."""

        def where_it_holds(item: object) -> None:
            condition = condition_of(self._session, source.test(item))
            self._if(condition, lambda: body(source.make(item)), slots)

        self._over(source.items, where_it_holds, slots, broken)

    def _for_dynamic(
        self,
        iterable: Dynamic,
        body: _Body,
        slots: list[Slot],
        broken: Slot | None,
        decision: Decision | None,
    ) -> None:
        length = iterable.length
        if is_symbolic(length):
            none_at_all: Any = length < 1
            if self._session.known(none_at_all):
                reason = proof(self._session, none_at_all, True)
                self._session.note("folded", f"this loop makes no iteration: {reason}")
                return
            self._staged_for(iterable, length, 0, body, slots, broken, decision)
        else:
            self._python_for(
                range(length), lambda k: body(iterable.item(k)), slots, broken, may_stage=False
            )

    def _staged_for(
        self,
        source: Dynamic,
        length: Size,
        start: int,
        body: _Body,
        slots: list[Slot],
        broken: Slot | None,
        decision: Decision | None,
    ) -> None:
        session = self._session
        decides = after(decision, start)
        count = length - start if start else length

        def run_iteration(k: Size) -> None:
            body(source.item(k + start if start else k))

        def going() -> object:
            return True if broken is None else self._logic.not_(broken.get())

        first = condition_of(session, going())
        if first is False:
            return
        with session.transaction() as attempt:
            try:
                stage_loop(
                    session,
                    run_iteration,
                    going,
                    slots,
                    count,
                    first,
                    peels=start < 2,
                    decides=decides,
                )
                return
            except NeedsFirstIteration as error:
                attempt.roll_back()
                reason = str(error)

        def one_more() -> None:
            run_iteration(0)
            self._staged_for(source, length, start + 1, body, slots, broken, decision)

        some: Any = length > start
        if first is not True or self._is_asked(some):
            # Without the iteration, variables stay what they were: kinds of values may differ.
            more = condition_of(session, self._logic.and_(lambda: some, lambda: first))
            self._if(more, one_more, slots, decides)
            return
        known = session.known(some)
        if known is None:
            text = f"this loop makes at least {start + 1} iteration(s)"
            said = f"{text}: without them, a value stays what it was ({reason})"
            session.take_for_granted(some, text, said=said)
        if known is not False:
            one_more()

    def _is_asked(self, condition: bool | torch.SymBool) -> bool:
        """Whether a condition is about a dimension that the user asked to be dynamic."""
        symbols = expression(condition).free_symbols if is_symbolic(condition) else set()
        return bool(symbols & self._session.asked)

    def _if(
        self,
        condition: Condition,
        then: _Thunk,
        slots: list[Slot],
        decides: Decides | None = None,
    ) -> None:
        if isinstance(condition, bool):
            if condition:
                then()
        else:
            stage_branch(self._session, condition, then, lambda: None, slots, decides=decides)

    def _python_for(
        self,
        iterable: Iterable[Any],
        body: _Body,
        slots: list[Slot],
        broken: Slot | None,
        decision: Decision | None = None,
        may_stage: bool = True,
    ) -> None:
        """A loop over known items: written out, unless it is long or left early at run time.

        As in Python, whether it has been left is asked before an item is drawn.
        """
        session = self._session
        staged = iterable if may_stage and isinstance(iterable, range) else None
        iterations, long = 0, False
        with session.transaction(slots) as attempt:
            draw = iter(iterable).__next__
            while True:
                left = condition_of(session, broken.get()) if broken is not None else False
                if left is True:
                    break
                if staged is not None and 0 < iterations < len(staged) and attempt.recorded:
                    long = left is not False or len(staged) > UNROLL_LIMIT
                    if long:
                        attempt.roll_back()
                        break
                try:
                    if left is False:
                        body(drawn(draw))
                    else:
                        self._iteration_unless(left, body, iterable, draw, slots)
                except Exhausted:
                    break
                iterations += 1
        if long and staged is not None:
            self._long_for(staged, body, slots, broken, decision)
            return
        session.decisions.known(decision, True, by_run=False)
        if iterations > 1 and attempt.recorded:
            session.note("unrolled", f"this loop is written out: {iterations} iterations")

    def _iteration_unless(
        self,
        left: Undecided,
        body: _Body,
        iterable: Iterable[Any],
        draw: _Thunk,
        slots: list[Slot],
    ) -> None:
        """One iteration, which is made only if the loop has not been left.

        Raises:
            Exhausted: there are no more items.
        """
        session = self._session
        going = condition_of(session, self._logic.not_(left))
        if going is False:
            return
        if going is True:
            body(drawn(draw))
            return
        if not is_iterator(iterable):
            # Drawing an item changes nothing.
            item = drawn(draw)
            stage_branch(session, going, lambda: body(item), lambda: None, slots)
            return
        if not draws_alone(session, iterable):
            item = self._drawn_unasked(iterable, draw)
            stage_branch(session, going, lambda: body(item), lambda: None, slots)
            return
        ended = False

        def draw_and_run() -> None:
            nonlocal ended
            session.journal.advance(iterable)
            try:
                item = drawn(draw)
            except Exhausted:
                ended = True
                return
            body(item)

        with session.transaction(slots) as attempt:
            stage_branch(session, going, draw_and_run, lambda: None, slots)
            if ended:
                # Python finds that there is no item, which changes nothing.
                attempt.roll_back()
                raise Exhausted

    def _drawn_unasked(self, iterable: object, draw: _Thunk) -> Any:
        """The next item of an iterator with variables of its own, also where the loop is left.

        Raises:
            UnsupportedError: drawing it changes something outside, or its place is asked for later.
        """
        session = self._session
        with session.journal.scope() as writes:
            item = drawn(draw)
        if writes.old:
            raise UnsupportedError(
                "a loop that may have been left goes on with an iterator, and making its next "
                "item changes something",
                code=Code.USED_ITERATOR,
                location=user_location(),
                hint="loop over a list or a range, and change things in the loop's body",
            )
        # Where it stands afterwards depends on when the loop was left.
        session.journal.out_of_step(iterable)
        return item

    def _long_for(
        self,
        items: range,
        body: _Body,
        slots: list[Slot],
        broken: Slot | None,
        decision: Decision | None,
    ) -> None:
        """A loop of known length as a Loop; written out if it cannot be one."""
        source = Dynamic(len(items), lambda k: items.start + k * items.step, "range(...)")

        def going() -> object:
            return True if broken is None else self._logic.not_(broken.get())

        try:
            with self._session.trial():
                stage_loop(
                    self._session,
                    lambda k: body(source.item(k)),
                    going,
                    slots,
                    len(items),
                    condition_of(self._session, going()),
                    decides=after(decision, 0),
                )
        except (UnsupportedError, NeedsFirstIteration):
            self._python_for(items, body, slots, broken, may_stage=False)
