"""Writes a recorded loop into the graph, and gives every slot its value after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import fx

from fxexport.capture.recording.types import Condition, Operand, Size, Value, number
from fxexport.capture.session.journal import UNSET, Slot
from fxexport.capture.session.list_runs import Spread, length_of, only_run
from fxexport.capture.session.session import Session
from fxexport.capture.staging.carried_sharing import (
    may_share,
    share,
    share_objects,
    spoil_carried,
)
from fxexport.capture.staging.loop_body import Iteration, varies
from fxexport.capture.staging.patterns import (
    Constant,
    ListOf,
    Number,
    Parts,
    Pattern,
    Ran,
    SequenceOf,
    TensorOf,
    Variable,
    leaves_of,
    make,
    parts_for,
    sequence_like,
)
from fxexport.capture.staging.runs import hold
from fxexport.capture.staging.sequence_items import columns_of
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.kinds import as_kind
from fxexport.capture.values.maybe import HOLE, Maybe
from fxexport.graph import scalars
from fxexport.graph.ops import loop
from fxexport.graph.sequences import sequence_of

__all__ = ["write_loop"]


def write_loop(
    session: Session,
    recorded: Iteration,
    slots: Sequence[Slot],
    patterns: Sequence[Pattern],
    trip_count: Size | None,
    first: Condition,
) -> fx.Node:
    """Writes the loop node and gives every slot its value after the loop."""
    recorder, tensors = session.recorder, session.tensors
    frame, remembered = recorded.body.frame, recorded.body.remembered
    session.remember(remembered)
    initial: list[Operand] = []
    final: list[Operand] = []
    for slot, pattern, start, end in zip(
        slots, patterns, recorded.starts, recorded.ends, strict=True
    ):
        initial.extend(_nodes(session, pattern, slot.get()))
        with recorder.reopened(frame):
            final.extend(_nodes(session, pattern, end, recorded))
        if isinstance(pattern, ListOf):
            every = recorded.condition is True and first is True
            count = trip_count if every else None
            left = recorded.left.of(end)
            pattern.length = _length_after(session, slot.get(), start, left, count)
    with recorder.reopened(frame):
        condition = session.node_of(recorded.condition)
    values: list[Variable] = []

    def result(value: Variable, pattern: Pattern) -> Value:
        if isinstance(pattern, Ran):
            return _has_run(session, first, trip_count)
        values.append(value)
        return tensors.wrap(value) if isinstance(value, torch.Tensor) else value

    finals = [make(session, pattern, result) for pattern in patterns]
    captured = list(frame.captures)
    body = recorder.finish(frame, recorded.inputs, [condition, *final], captured)
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
    for slot, pattern, value, start, end, shared in zip(
        slots, patterns, finals, recorded.starts, recorded.ends, recorded.shared, strict=True
    ):
        if isinstance(pattern, ListOf):
            items = _items(recorded.left.of(end))
            run, before, after = map(only_run, (_items(value), _items(slot.get()), items))
            assert run is not None
            hold(session, [*_items(slot.get()), *items], run)
            run.shared = shared
            begun = only_run(_items(start))
            assert begun is not None
            if before is not None and after is not None and after.keeps_places_of(begun):
                run.same_places = [before]
    share(session, finals, recorded)
    session.lose(remembered.lost)
    spoil_carried(session, finals, recorded)
    share_objects(session, finals, recorded)
    since = recorded.since
    for slot, pattern, value, end, place in zip(
        slots, patterns, finals, recorded.ends, recorded.places, strict=True
    ):
        if varies(slot, pattern, slot.get()):
            old = slot.get()
            alone = any(old is one for one in recorded.alone)
            may_share(session, value, old, since, place, alone=alone)
            may_share(session, value, end, since, place, left=recorded.left)
            session.journal.touch(slot)
            slot.set(value)
    return node


def _has_run(session: Session, first: Condition, trip_count: Size | None) -> Condition:
    """Whether a loop has an iteration at all."""
    some = trip_count is None or trip_count > 0
    if isinstance(first, bool):
        return first and some
    truth = session.facts.truth_of(first, session.in_scope)
    if isinstance(some, bool):
        return some and truth
    return cast("torch.SymBool", session.recorder.scalar_op(scalars.and_, truth, some))


def _items(value: Value) -> list[Value]:
    if value is UNSET or value is HOLE:
        return []
    return list(cast("Iterable[Value]", value))


def _length_after(
    session: Session, initial: Value, start: Value, end: Value, count: Size | None
) -> Size | None:
    """The length of a list that grows alike in all iterations; None where it is not known.

    Args:
        session: the capture.
        initial: the list before the loop.
        start: the list before an iteration: one run of items.
        end: the list after that iteration.
        count: the trip count, None where the loop may be left early.
    """
    run = _items(start)[0]
    if count is None or not isinstance(run, Spread):
        return None
    growth = number(length_of(_items(end)) - run.length)
    if not session.in_scope(growth):
        return None
    made = count if session.known(count >= 0) else torch.sym_max(count, 0)
    return number(length_of(_items(initial)) + growth * made)


def _nodes(
    session: Session, pattern: Pattern, value: Value, leaving: Iteration | None = None
) -> list[Operand]:
    """The nodes of the present frame for the variables of a pattern in a value.

    `leaving` is the iteration that has left it, if one has.
    """
    if isinstance(pattern, (Constant, Ran)):
        return []
    if leaving is not None and not _is_one_of(pattern):
        value = leaving.left.of(value)
    if isinstance(pattern, ListOf):
        return _list_nodes(session, pattern, _items(value))
    if value is UNSET and not (isinstance(pattern, Parts) and isinstance(pattern.like, Maybe)):
        value = HOLE
    if value is HOLE:
        return [_filler(session, leaf) for leaf in leaves_of(pattern)]
    if isinstance(pattern, Parts):
        parts = parts_for(pattern, value)
        return [
            node
            for item, part in zip(pattern.items, parts, strict=True)
            for node in _nodes(session, item, part, leaving)
        ]
    if isinstance(pattern, Number):
        return [session.node_of(as_kind(value, pattern.kind))]
    assert isinstance(pattern, TensorOf)
    if not isinstance(value, torch.Tensor):
        value = torch.scalar_tensor(cast("int", value), dtype=pattern.dtype)
    if leaving is not None and id(value) in leaving.held:
        return [session.recorder.node_of(leaving.held[id(value)])]
    return [session.node_of(value)]


def _is_one_of(pattern: Pattern) -> bool:
    """Whether values of a pattern are one of several things, which object it is among them."""
    return isinstance(pattern, Parts) and isinstance(pattern.like, (Maybe, Choice))


def _list_nodes(session: Session, pattern: ListOf, items: list[Value]) -> list[Operand]:
    columns = columns_of(session, items, pattern.element)
    return [session.node_of(column) for column in columns] or [session.node_of(length_of(items))]


def _filler(session: Session, pattern: Pattern) -> Operand:
    """The first value of a variable that no iteration reads before it is bound."""
    if isinstance(pattern, Number):
        return pattern.kind(0)
    if isinstance(pattern, SequenceOf):
        dtype = sequence_like(pattern.item, 0).dtype
        return session.recorder.emit(sequence_of, dtype, val=sequence_like(pattern.item, 0))
    assert isinstance(pattern, TensorOf)
    sizes = [0 if dim is None else session.never_negative(dim) for dim in pattern.dims]
    return session.node_of(torch.zeros(sizes, dtype=pattern.dtype))
