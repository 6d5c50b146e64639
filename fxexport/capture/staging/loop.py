"""Stages a loop: the body is recorded until what it carries between iterations is known."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import torch

from fxexport.capture.recording.types import Condition, Size, Value
from fxexport.capture.session.journal import Slot
from fxexport.capture.session.list_runs import is_open
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.session import Session
from fxexport.capture.sizes.proofs import iteration_bound
from fxexport.capture.staging.carried_sharing import Share
from fxexport.capture.staging.list_elements import Elements
from fxexport.capture.staging.loop_body import Before, Iteration, record_iteration
from fxexport.capture.staging.loop_node import write_loop
from fxexport.capture.staging.patterns import (
    Constant,
    ListOf,
    Number,
    Packed,
    Parts,
    Pattern,
    Ran,
    TensorOf,
)
from fxexport.capture.staging.raise_sites import raise_left_over
from fxexport.capture.staging.widening import NeedsFirstIteration, Widening
from fxexport.capture.values.kinds import Mismatch
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.decisions import DECIDES, Decides
from fxexport.graph.marks import BOUND
from fxexport.source.frames import user_location

__all__ = ["stage_loop"]

_ROUNDS = 12


def stage_loop(
    session: Session,
    iterate: Callable[[torch.SymInt], None],
    going: Callable[[], Value],
    slots: Sequence[Slot],
    trip_count: Size | None,
    first: Condition = True,
    *,
    peels: bool = True,
    decides: Decides | None = None,
) -> None:
    """Records a loop.

    Args:
        session: the capture.
        iterate: runs the body once; called with the number of the iteration, from 0.
        going: tells after an iteration whether there is another one (any condition).
        slots: variables that the loop may bind.
        trip_count: upper bound on the iterations (int or SymInt); None if there is no bound.
        first: whether there is a first iteration (a result of `condition_of`).
        peels: whether the caller can take the first iteration out of the loop.
        decides: the loop of the program that it stands for, where it does.

    Raises:
        NeedsFirstIteration: the loop can only be staged after its first iteration.
        UnsupportedError: something in the body cannot be carried.
    """
    location = user_location()
    slots = list(slots)
    alone = [slot.get() for slot in slots if session.aliases.is_held_once(slot.get())]
    patterns: list[Pattern] = [Constant(slot.get()) for slot in slots]
    widening = Widening(session, location, peels=peels)
    before = Before(location, first is True, alone, session.journal.now + 1)
    recorded: Iteration | None = None
    # The one before: with other slots, but the same patterns, the first iteration comes again.
    last: Iteration | None = None
    shares: list[Share] = []
    moving: list[str] = []
    for _ in range(_ROUNDS):
        if recorded is not None:
            # Findings about an earlier recording need not hold for this one.
            recorded.body.unsay()
        recorded = record_iteration(
            session,
            iterate,
            going,
            slots,
            patterns,
            trip_count,
            last,
            before,
        )
        for fact in recorded.needed:
            session.env.learn(fact)
        session.spoil_made(recorded.body.remembered, recorded.body.writes.serial)
        if not recorded.moved <= before.moved:
            before.moved |= recorded.moved
            continue
        if recorded.new_slots:
            slots.extend(recorded.new_slots)
            patterns.extend(_first_pattern(session, slot.get()) for slot in recorded.new_slots)
            last = None
            continue
        last = recorded
        widening.held, widening.left = recorded.held, recorded.left
        try:
            widened = [
                widening.widen(pattern, start, end, slot.name, contents=slot.is_contents)
                for pattern, start, end, slot in zip(
                    patterns, recorded.starts, recorded.ends, slots, strict=True
                )
            ]
        except NeedsFirstIteration:
            recorded.body.unsay()
            raise
        _refuse_unkept(slots, widened)
        if _equal(widened, patterns) and recorded.shares == shares:
            break
        shares = recorded.shares
        moving = [
            repr(slot.name)
            for slot, new, old in zip(slots, widened, patterns, strict=True)
            if not _equal_pattern(new, old)
        ] or ["what shares memory"]
        patterns = widened
    else:
        raise UnsupportedError(
            f"what this loop carries between iterations does not settle: {', '.join(moving)} is "
            "another kind of value each time that the body is read",
            code=Code.LOOP_DOES_NOT_SETTLE,
            location=location,
            hint="start the variable with a value of the kind, dtype and rank that it has later",
        )
    node = write_loop(session, recorded, slots, patterns, trip_count, first)
    BOUND.put(node, iteration_bound(session, trip_count))
    if decides is not None:
        DECIDES.put(node, decides)
    raise_left_over(session)


def _first_pattern(session: Session, value: Value) -> Pattern:
    """The pattern of a slot that a recording has found: a list of varying length varies."""
    if is_open(value):
        with contextlib.suppress(Mismatch):
            return ListOf(value, Elements(session).element_of(list(value)))
    return Constant(value)


def _refuse_unkept(slots: Sequence[Slot], patterns: Sequence[Pattern]) -> None:
    """Refuses slots without a value, unless they are variables: a variable may be unbound."""
    for slot, pattern in zip(slots, patterns, strict=True):
        if not isinstance(pattern, Constant) or not isinstance(pattern.value, Poison):
            continue
        if slot.key[0] != "cell":
            raise pattern.value.refuse()


def _equal(a: Sequence[Pattern], b: Sequence[Pattern]) -> bool:
    return all(_equal_pattern(x, y) for x, y in zip(a, b, strict=True))


def _equal_pattern(a: Pattern, b: Pattern) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, Constant) and isinstance(b, Constant):
        return a.value is b.value or (isinstance(a.value, Poison) and isinstance(b.value, Poison))
    if isinstance(a, Parts) and isinstance(b, Parts):
        return len(a.items) == len(b.items) and _equal(a.items, b.items)
    if isinstance(a, Ran):
        return True
    if isinstance(a, ListOf) and isinstance(b, ListOf):
        return _equal_pattern(a.element, b.element)
    if isinstance(a, Packed) and isinstance(b, Packed):
        return _equal_pattern(a.element, b.element)
    if isinstance(a, TensorOf) and isinstance(b, TensorOf):
        return [d is None for d in a.dims] == [d is None for d in b.dims]
    return isinstance(a, Number) and isinstance(b, Number) and a.kind is b.kind
