"""Stages a loop: the body is recorded until what it carries from trip to trip is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.branching import condition_of
from fxexport.capture.containers import is_mutable, keys_of, parts_of, same_kind
from fxexport.capture.elements import columns_of, hold, tensors_in
from fxexport.capture.frames import user_location
from fxexport.capture.journal import UNSET, Scope, Slot
from fxexport.capture.keys import aligned
from fxexport.capture.kinds import as_kind
from fxexport.capture.optional import HOLE, Maybe, lifted
from fxexport.capture.patterns import (
    Constant,
    ListOf,
    Number,
    Parts,
    Pattern,
    Ran,
    SequenceOf,
    TensorOf,
    leaves_of,
    make,
    sequence_like,
)
from fxexport.capture.proofs import trip_bound
from fxexport.capture.session import Poison, Session, number
from fxexport.capture.spread import Spread, length_of
from fxexport.capture.widening import Widening
from fxexport.capture.writer import Frame
from fxexport.errors import UnsupportedError
from fxexport.graph import scalars
from fxexport.graph.ops import loop
from fxexport.graph.sequences import sequence_of

__all__ = ["stage_loop"]

_ROUNDS = 12


@dataclass
class _Trip:
    """One recording of the body."""

    frame: Frame
    scope: Scope
    inputs: list[Any]
    starts: list[Any]
    ends: list[Any]
    condition: Any
    new_slots: list[Slot] = field(default_factory=list)
    # what the tensors in `ends` hold at the end of the trip, by their identity
    held: dict[int, torch.Tensor] = field(default_factory=dict)
    # what was perhaps written under another name by then, and what each end may share memory with
    lost: dict[int, Any] = field(default_factory=dict)
    shares: list[Any] = field(default_factory=list)
    # relations of the inputs' dimensions without which there is no first trip
    needed: list[Any] = field(default_factory=list)


def stage_loop(
    session: Session,
    trip: Callable[[Any], None],
    going: Callable[[], Any],
    slots: Sequence[Slot],
    trip_count: Any,
    first: Any = True,
) -> None:
    """Records a loop.

    Args:
        session: the capture.
        trip: runs the body once; called with the trip number.
        going: tells after a trip whether there is another one (any condition).
        slots: variables that the loop may bind.
        trip_count: upper bound on the trips (int or SymInt), None for none.
        first: whether there is a first trip (a condition that `condition_of` has seen).

    Raises:
        NeedsFirstTrip: the loop can only be staged after its first trip.
        UnsupportedError: something in the body cannot be carried.
    """
    place = user_location()
    slots = list(slots)
    patterns: list[Pattern] = [Constant(slot.get()) for slot in slots]
    widening = Widening(session)
    recorded: _Trip | None = None
    shares: list[Any] = []
    entry = dict(session.lost)
    findings = len(session.report.findings)
    moving: list[str] = []
    for _ in range(_ROUNDS):
        # What was said of an earlier recording need not hold for this one.
        del session.report.findings[findings:]
        recorded = _record(
            session, trip, going, slots, patterns, trip_count, recorded, entry, first is True
        )
        for fact in recorded.needed:
            session.env.learn(fact)
        if recorded.new_slots:
            slots.extend(recorded.new_slots)
            patterns.extend(Constant(slot.get()) for slot in recorded.new_slots)
            continue
        widening.held = recorded.held
        widened = [
            widening.widen(pattern, start, end, slot.name)
            for pattern, start, end, slot in zip(
                patterns, recorded.starts, recorded.ends, slots, strict=True
            )
        ]
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
            f"what this loop carries from trip to trip does not settle: {', '.join(moving)} is "
            "another kind of value each time that the body is read",
            location=place,
            hint="start the variable with a value of the kind, dtype and rank that it has later",
        )
    _write_node(session, recorded, slots, patterns, trip_count, first)
    session.report.add("loop", f"kept as a loop{trip_bound(session, trip_count)}", place)


def _refuse_unkept(slots: Sequence[Slot], patterns: Sequence[Pattern]) -> None:
    """A place other than a variable cannot be left without a value."""
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
    if isinstance(a, TensorOf) and isinstance(b, TensorOf):
        return [d is None for d in a.dims] == [d is None for d in b.dims]
    return isinstance(a, Number) and isinstance(b, Number) and a.kind is b.kind


def _record(
    session: Session,
    trip: Callable[[Any], None],
    going: Callable[[], Any],
    slots: Sequence[Slot],
    patterns: Sequence[Pattern],
    trip_count: Any,
    last: _Trip | None,
    entry: Mapping[int, Any],
    certain: bool,
) -> _Trip:
    """Runs the body once on values of the patterns, and takes its writes back.

    `last` is the recording before: what its trip has left is what a trip may begin with. `entry` is
    what was lost before the loop. `certain` is false where a condition decides on the first trip.
    """
    recorder, tensors = session.recorder, session.tensors
    facts = session.env.save_facts()
    # What the trip before may have written is lost to this one.
    session.lost = {**entry, **(last.lost if last is not None else {})}
    scope: Scope | None = None
    before = {slot.key: slot.get() for slot in slots}
    # What is constant so far is as it is before the loop.
    first_trip = certain and all(isinstance(pattern, Constant) for pattern in patterns)
    try:
        with (
            session.nested(),
            recorder.body() as frame,
            session.journal.scope() as scope,
            recorder.broadcasting.body(not first_trip),
        ):
            index = recorder.fresh_scalar(torch.SymInt)
            session.env.set_range(index.node.expr, 0, None)
            session.env.counters.add(index.node.expr)
            inputs = [recorder.add_input("trip", index)]
            if trip_count is not None:
                with compat.no_recording():
                    session.env.assume(index < trip_count, "trip number")

            def carried(value: Any, pattern: Pattern) -> Any:
                if isinstance(pattern, Ran):
                    return index > 0
                inputs.append(recorder.add_input("carried", value))
                return tensors.wrap(value) if isinstance(value, torch.Tensor) else value

            starts = []
            for slot, pattern in zip(slots, patterns, strict=True):
                session.journal.touch(slot)
                start = make(session, pattern, carried)
                if _varies(slot, pattern, before[slot.key]):
                    _may_share(session, start, before[slot.key], strict=True)
                    session.lose_as(tensors_in(start), tensors_in(before[slot.key]), entry)
                    slot.set(start)
                starts.append(start)
            if last is not None:
                _share(session, starts, last)
            trip(index)
            condition = condition_of(session, going())
            ends = [slot.get() for slot in slots]
            _refuse_rewritten_items(session, patterns, ends, scope)
            held = {id(t): tensors.inner(t) for end in ends for t in tensors_in(end)}
            known = {slot.key for slot in slots}
            new_slots = [slot for slot in scope.slots() if slot.key not in known]
            shares = _shares(session, ends, scope.serial)
        learnt = session.env.facts_since(facts)
        session.hold_to_example(learnt.values(), reached=False)
        lost = dict(session.lost)
        found = _Trip(frame, scope, inputs, starts, ends, condition, new_slots, held, lost, shares)
        if first_trip:
            found.needed = session.relations_among(learnt.values())
        return found
    except Exception as error:
        if getattr(error, "fx_raised", False):
            raise UnsupportedError(
                f"every trip of this loop raises {type(error).__name__}: {error}",
                location=getattr(error, "fx_location", None),
            ) from error
        raise
    finally:
        session.lost = dict(entry)
        if scope is not None:
            scope.undo()
        session.env.restore_facts(facts)


def _varies(slot: Slot, pattern: Pattern, initial: Any) -> bool:
    """Whether a place may hold something else than before the loop."""
    if not isinstance(pattern, Constant) or isinstance(pattern.value, Poison):
        return True
    places = ("cell", "global", "attribute")
    return slot.key[0] in places and pattern.value is not initial and pattern.value is not HOLE


def _refuse_rewritten_items(
    session: Session, patterns: Sequence[Pattern], ends: Sequence[Any], scope: Scope
) -> None:
    """A tensor that each trip writes to and puts into a list is one tensor in PyTorch."""
    for pattern, end in zip(patterns, ends, strict=True):
        if not isinstance(pattern, ListOf):
            continue
        for item in end:
            for tensor in () if isinstance(item, Spread) else tensors_in(item):
                base = session.tensors.base_of(tensor)
                if ("contents", id(base)) in scope.old:
                    raise UnsupportedError(
                        "a tensor that this loop writes to in place is put into a list of varying "
                        "length; all items would be that one tensor",
                        location=user_location(),
                        hint="put a clone() of it into the list",
                    )


def _shares(session: Session, ends: Sequence[Any], since: int) -> list[Any]:
    """What the tensors at the end of a trip may share memory with, and whether they are lost."""
    return [
        (
            bool(session.is_lost(tensor)),
            {
                id(source)
                for source in session.outer_sources(session.tensors.base_of(tensor), since)
            },
        )
        for end in ends
        for tensor in tensors_in(end)
        if isinstance(tensor, compat.FunctionalTensor)
    ]


def _share(session: Session, values: Sequence[Any], trip: _Trip) -> None:
    """What a trip leaves under two names may be one tensor, or a view of one from outside."""
    pairs = [
        pair
        for value, end in zip(values, trip.ends, strict=False)
        for pair in zip(tensors_in(value), tensors_in(end), strict=False)
    ]
    session.share_as(
        [new for new, _ in pairs], [old for _, old in pairs], trip.scope.serial, trip.lost
    )


def _may_share(session: Session, start: Any, initial: Any, strict: bool = False) -> None:
    """On the first trip a carried tensor is the one from before the loop, by whatever name."""
    if isinstance(start, torch.Tensor):
        session.merged_from(start, initial)
        return
    if start is initial or start is HOLE or initial is HOLE:
        return
    if isinstance(start, Maybe):
        _may_share(session, start.value, lifted(initial, start.absent)[1], strict)
        return
    if not same_kind(start, initial):
        return
    if is_mutable(start):
        session.aliases.note(start, [initial], strict)
    keys = keys_of(start)
    if keys is None:
        pairs = zip(parts_of(start) or [], parts_of(initial) or [], strict=False)
    else:
        pairs = zip(aligned(start, keys), aligned(initial, keys), strict=True)
    for part, old in pairs:
        _may_share(session, part, old, strict)


def _write_node(
    session: Session,
    recorded: _Trip,
    slots: Sequence[Slot],
    patterns: Sequence[Pattern],
    trip_count: Any,
    first: Any,
) -> None:
    """Writes the loop node and gives every place its value after the loop."""
    recorder, tensors = session.recorder, session.tensors
    initial: list[Any] = []
    final: list[Any] = []
    for slot, pattern, start, end in zip(
        slots, patterns, recorded.starts, recorded.ends, strict=True
    ):
        initial.extend(_nodes(session, pattern, slot.get()))
        with recorder.reopened(recorded.frame):
            final.extend(_nodes(session, pattern, end, recorded.held))
        if isinstance(pattern, ListOf):
            every = recorded.condition is True and first is True
            trips = trip_count if every else None
            pattern.length = _length_after(session, slot.get(), start, end, trips)
    with recorder.reopened(recorded.frame):
        condition = session.node_of(recorded.condition)
    values: list[Any] = []

    def result(value: Any, pattern: Pattern) -> Any:
        if isinstance(pattern, Ran):
            return _has_run(session, first, trip_count)
        values.append(value)
        return tensors.wrap(value) if isinstance(value, torch.Tensor) else value

    finals = [make(session, pattern, result) for pattern in patterns]
    captured = list(recorded.frame.captures)
    body = recorder.finish(recorded.frame, recorded.inputs, [condition, *final], captured)
    node = recorder.emit(
        loop,
        recorder.node_of(trip_count),
        session.node_of(first),
        recorder.add_body(body, "body"),
        tuple(initial),
        tuple(captured),
        val=tuple(values),
    )
    recorder.bind(tuple(values), node)
    _share(session, finals, recorded)
    session.lost = {**recorded.lost, **session.lost}
    for slot, pattern, value, end in zip(slots, patterns, finals, recorded.ends, strict=True):
        if isinstance(pattern, ListOf):
            hold(session, [*_items(slot.get()), *end], value[0])
        if _varies(slot, pattern, slot.get()):
            _may_share(session, value, slot.get())
            _may_share(session, value, end)
            session.journal.touch(slot)
            slot.set(value)


def _has_run(session: Session, first: Any, trip_count: Any) -> Any:
    """Whether a loop makes a trip."""
    some = trip_count is None or trip_count > 0
    if isinstance(first, bool):
        return first and some
    truth = session.facts.truth_of(first, session.in_scope)
    if isinstance(some, bool):
        return some and truth
    return session.recorder.scalar_op(scalars.and_, truth, some)


def _items(value: Any) -> list[Any]:
    return [] if value is UNSET or value is HOLE else list(value)


def _length_after(session: Session, initial: Any, start: Any, end: Any, trips: Any) -> Any:
    """The length of a list that grows alike in all trips; None where it is not known.

    Args:
        session: the capture.
        initial: the list before the loop.
        start: the list before a trip: one run of items.
        end: the list after that trip.
        trips: number of trips, None where the loop may be left early.
    """
    if trips is None or not isinstance(start[0], Spread):
        return None
    growth = number(length_of(end) - start[0].length)
    if not session.in_scope(growth):
        return None
    made = trips if session.known(trips >= 0) else torch.sym_max(trips, 0)
    return number(length_of(_items(initial)) + growth * made)


def _nodes(
    session: Session, pattern: Pattern, value: Any, held: Mapping[int, torch.Tensor] | None = None
) -> list[Any]:
    """The nodes of the present frame for the variables of a pattern in a value.

    `held` has what tensors held when the value was left, where that is no longer what they hold.
    """
    if isinstance(pattern, (Constant, Ran)):
        return []
    if isinstance(pattern, ListOf):
        return _list_nodes(session, pattern, _items(value))
    if value is UNSET and not (isinstance(pattern, Parts) and isinstance(pattern.like, Maybe)):
        value = HOLE
    if value is HOLE:
        return [_filler(session, leaf) for leaf in leaves_of(pattern)]
    if isinstance(pattern, Parts):
        parts = _parts_for(pattern, value)
        return [
            node
            for item, part in zip(pattern.items, parts, strict=True)
            for node in _nodes(session, item, part, held)
        ]
    if isinstance(pattern, Number):
        return [session.node_of(as_kind(value, pattern.kind))]
    assert isinstance(pattern, TensorOf)
    if not isinstance(value, torch.Tensor):
        value = torch.scalar_tensor(value, dtype=pattern.dtype)
    if held is not None and id(value) in held:
        return [session.recorder.node_of(held[id(value)])]
    return [session.node_of(value)]


def _parts_for(pattern: Parts, value: Any) -> list[Any]:
    """The items of a value in the order of a pattern for more values than it."""
    if isinstance(pattern.like, Maybe):
        return list(lifted(value, pattern.like.absent))
    keys = keys_of(pattern.like)
    return (parts_of(value) or []) if keys is None else aligned(value, keys)


def _list_nodes(session: Session, pattern: ListOf, items: list[Any]) -> list[Any]:
    columns = columns_of(session, items, pattern.element)
    return [session.node_of(column) for column in columns] or [session.node_of(length_of(items))]


def _filler(session: Session, pattern: Pattern) -> Any:
    """What a variable holds that no trip reads before it is bound."""
    if isinstance(pattern, Number):
        return pattern.kind(0)
    if isinstance(pattern, SequenceOf):
        dtype = sequence_like(pattern.item, 0).dtype
        return session.recorder.emit(sequence_of, dtype, val=sequence_like(pattern.item, 0))
    assert isinstance(pattern, TensorOf)
    sizes = [0 if dim is None else session.never_negative(dim) for dim in pattern.dims]
    return session.node_of(torch.zeros(sizes, dtype=pattern.dtype))
