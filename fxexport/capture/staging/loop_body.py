"""One recording of a loop's body: an iteration, with the values it starts and ends with."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import fx

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Condition, GraphValue, Size, Value
from fxexport.capture.session.capture_errors import words_of
from fxexport.capture.session.example_sizes import relations_among
from fxexport.capture.session.journal import Slot, Writes
from fxexport.capture.session.list_runs import Spread, is_open, only_run
from fxexport.capture.session.memory import item_changed
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.session import Session
from fxexport.capture.session.sharing_notes import Lost
from fxexport.capture.session.transaction import Body
from fxexport.capture.staging.conditions import condition_of
from fxexport.capture.staging.item_tensors import is_spoilt, objects_in, tensors_in
from fxexport.capture.staging.patterns import Constant, ListOf, Pattern, Ran, Variable, make
from fxexport.capture.staging.raised_paths import run_to_its_end
from fxexport.capture.staging.runs import hold, shared_kinds
from fxexport.capture.values.choice import Choice, cases_of
from fxexport.capture.values.containers import (
    has_identity,
    holds_choice,
    is_mutable,
    keys_of,
    parts_of,
    same_kind,
)
from fxexport.capture.values.kinds import same_sort
from fxexport.capture.values.maybe import HOLE, Maybe, lifted
from fxexport.capture.values.uncertain_keys import aligned
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_of
from fxexport.source.frames import user_location

__all__ = [
    "Iteration",
    "Share",
    "may_share",
    "record_iteration",
    "share",
    "spoil_carried",
    "varies",
]

# The kinds of slots that are a part of an object.
_OF_OBJECTS = ("container", "attribute")

# Whether a tensor is lost at the end of an iteration (see `Lost`), and the identities of what it
# may share memory with.
Share = tuple[bool, set[int]]


@dataclass
class Iteration:
    """One recording of the body."""

    body: Body
    inputs: list[fx.Node]
    starts: list[Value]
    ends: list[Value] = field(default_factory=list)
    condition: Condition = True
    new_slots: list[Slot] = field(default_factory=list)
    # what the tensors in `ends` hold when the iteration ends, by their identity
    held: dict[int, torch.Tensor] = field(default_factory=dict)
    # whether each of them is lost, and what it may share memory with
    shares: list[Share] = field(default_factory=list)
    # the classes of which items of each list of varying length may share an object
    shared: list[frozenset[type]] = field(default_factory=list)
    # relations of the inputs' dimensions without which there is no first iteration
    needed: list[compat.SizeFact] = field(default_factory=list)


def record_iteration(
    session: Session,
    iterate: Callable[[torch.SymInt], None],
    going: Callable[[], Value],
    slots: Sequence[Slot],
    patterns: Sequence[Pattern],
    trip_count: Size | None,
    last: Iteration | None,
    certain: bool,
) -> Iteration:
    """Runs the body once on values of the patterns, and takes its writes back.

    `last` is the recording before: an iteration may start with what it left. `certain` is false
    where a condition decides whether there is a first iteration.
    """
    recorder, tensors = session.recorder, session.tensors
    before = {slot.key: slot.get() for slot in slots}
    lost_before = {
        slot.key: [session.is_lost(tensor) for tensor in tensors_in(before[slot.key])]
        for slot in slots
    }
    # What is constant so far is as it is before the loop.
    is_first = certain and all(isinstance(pattern, Constant) for pattern in patterns)
    try:
        with session.body(perhaps=not is_first) as body:
            if last is not None:
                # What the iteration before may have written is lost in this one.
                session.remember(last.body.remembered)
                session.lose(last.body.remembered.lost)
            index = recorder.fresh_scalar(torch.SymInt)
            session.env.set_range(index.node.expr, 0, None)
            session.env.counters.add(index.node.expr)
            inputs = [recorder.add_input("trip", index)]
            if trip_count is not None:
                with compat.no_recording():
                    session.env.assume(index < trip_count, "iteration number")

            def carried(value: Variable, pattern: Pattern) -> Value:
                if isinstance(pattern, Ran):
                    return index > 0
                inputs.append(recorder.add_input("carried", cast("GraphValue", value)))
                return tensors.wrap(value) if isinstance(value, torch.Tensor) else value

            starts = []
            for slot, pattern in zip(slots, patterns, strict=True):
                session.journal.touch(slot)
                start = make(session, pattern, carried)
                if isinstance(pattern, ListOf):
                    _begin_run(session, start, before[slot.key])
                if varies(slot, pattern, before[slot.key]):
                    may_share(session, start, before[slot.key], strict=True)
                    session.lose_as(tensors_in(start), _in_place(start, lost_before[slot.key]))
                    slot.set(start)
                starts.append(start)
            if last is not None:
                share(session, starts, last)
                spoil_carried(session, starts, last)
            session.tries.none_raised()

            def run() -> Condition:
                count = len(session.tries.sites)
                iterate(index)
                more = condition_of(session, going())
                if len(session.tries.sites) > count and isinstance(more, torch.Tensor):
                    return cast("torch.SymBool", more.item())
                return more

            found = Iteration(body, inputs, starts)
            more = run_to_its_end(session, run, slots, False)
            found.condition = condition_of(session, more)
            found.ends = [slot.get() for slot in slots]
            _refuse_rewritten_items(session, patterns, found.ends, body.writes)
            session.settle()
            found.shared = _check_runs(session, patterns, starts, found.ends)
            found.held = {id(t): tensors.inner(t) for end in found.ends for t in tensors_in(end)}
            known = {slot.key for slot in slots}
            found.new_slots = [slot for slot in body.writes.slots() if slot.key not in known]
            found.shares = _shares(session, found.ends, body.writes.serial)
    except Exception as error:
        note = note_of(error)
        if note is not None and note.raised:
            raise UnsupportedError(
                f"every iteration of this loop raises {type(error).__name__}: {words_of(error)}",
                location=note.location,
            ) from error
        raise
    if is_first:
        found.needed = relations_among(session.env, session.example_sizes, body.learnt.values())
    return found


def varies(slot: Slot, pattern: Pattern, initial: Value) -> bool:
    """Whether a slot may hold something else than before the loop."""
    if not isinstance(pattern, Constant) or isinstance(pattern.value, Poison):
        return True
    single = ("cell", "global", "attribute")
    return slot.key[0] in single and pattern.value is not initial and pattern.value is not HOLE


def _refuse_rewritten_items(
    session: Session, patterns: Sequence[Pattern], ends: Sequence[Value], scope: Writes
) -> None:
    """Refuses a tensor that each iteration writes to and puts into a list: PyTorch has only one."""
    for pattern, end in zip(patterns, ends, strict=True):
        if not isinstance(pattern, ListOf):
            continue
        for item in cast("Sequence[Value]", end):
            changed = {slot.key[1] for slot in scope.slots() if slot.key[0] in _OF_OBJECTS}
            for value in objects_in(item) if changed else ():
                if id(value) in changed:
                    raise UnsupportedError(
                        f"a {type(value).__name__} that this loop changes is put into a list of "
                        "varying length; all items would be that one object",
                        location=user_location(),
                        hint="put a copy of it into the list",
                    )
            for tensor in _tensors_of_item(item):
                base = session.tensors.base_of(tensor)
                if ("contents", id(base)) in scope.old:
                    raise UnsupportedError(
                        "a tensor that this loop writes to in place is put into a list of varying "
                        "length; all items would be that one tensor",
                        location=user_location(),
                        hint="put a clone() of it into the list",
                    )


def _tensors_of_item(item: Value) -> Iterable[torch.Tensor]:
    if not isinstance(item, Spread):
        return tensors_in(item)
    return () if item.views is None else (cast("torch.Tensor", item.views.source),)


def _items(value: Value) -> list[Value]:
    return list(value) if isinstance(value, (list, tuple, deque)) else []


def _begin_run(session: Session, start: Value, initial: Value) -> None:
    """What is known of the items of a list before an iteration: as before the loop."""
    (run,) = cast("Sequence[Spread]", start)
    run.shared = shared_kinds(session, _items(initial))
    before = only_run(_items(initial))
    run.same_places = [] if before is None else [before]


def _check_runs(
    session: Session, patterns: Sequence[Pattern], starts: Sequence[Value], ends: Sequence[Value]
) -> list[frozenset[type]]:
    """The classes of which items of each list may share an object after an iteration, or before.

    Raises:
        UnsupportedError: the iteration takes for granted that it leaves a list otherwise.
    """
    found: list[frozenset[type]] = []
    for pattern, start, end in zip(patterns, starts, ends, strict=True):
        if not isinstance(pattern, ListOf):
            found.append(frozenset())
            continue
        (run,) = cast("Sequence[Spread]", start)
        after = shared_kinds(session, _items(end))
        last = only_run(_items(end))
        moved = last is None or not last.keeps_places_of(run)
        if (run.places_relied_on and moved) or not run.relied_on.isdisjoint(after - run.shared):
            raise item_changed("an object or tensor changes")
        found.append(run.shared | after)
    return found


def _shares(session: Session, ends: Sequence[Value], since: int) -> list[Share]:
    """Which tensors are lost at the end of an iteration, and what each may share memory with."""
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


def share(session: Session, values: Sequence[Value], iteration: Iteration) -> None:
    """Notes that values left by an iteration may be one tensor, or views of one from outside."""
    pairs = [
        pair
        for value, end in zip(values, iteration.ends, strict=False)
        for pair in _tensor_pairs(value, end)
    ]
    session.share_as(
        [new for new, _ in pairs],
        [old for _, old in pairs],
        iteration.body.writes.serial,
        iteration.body.remembered.lost,
    )


def _tensor_pairs(value: Value, end: Value) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """The tensors of a carried value, each beside what it stands for; more where that varies."""
    if holds_choice(value) or holds_choice(end):
        return itertools.product(tensors_in(value), list(tensors_in(end)))
    return zip(tensors_in(value), tensors_in(end), strict=False)


def _in_place(start: Value, notes: list[Lost | None]) -> list[Lost | None]:
    """Notes about the tensors of a value, for those that begin an iteration in its place."""
    if not holds_choice(start):
        return notes
    worst = next((note for note in notes if note is not None), None)
    return [worst for _ in tensors_in(start)]


def spoil_carried(session: Session, values: Sequence[Value], iteration: Iteration) -> None:
    """Lists that are out of date at the end of an iteration are so where they are carried to."""
    spoilt = iteration.body.remembered.spoilt()
    for value, end in zip(values, iteration.ends, strict=False) if spoilt else ():
        _spoil_runs(session, value, end, spoilt)


def _spoil_runs(session: Session, value: Value, end: Value, spoilt: set[int]) -> None:
    if is_open(value) and isinstance(end, (list, tuple, deque)) and is_spoilt(end, spoilt):
        for run in value:
            if isinstance(run, Spread):
                session.spoil(run, user_location())
        return
    for part, old in zip(parts_of(value) or [], parts_of(end) or [], strict=False):
        _spoil_runs(session, part, old, spoilt)


def may_share(session: Session, start: Value, initial: Value, strict: bool = False) -> None:
    """Notes that in the first iteration a carried tensor is the one from before the loop."""
    if isinstance(start, torch.Tensor):
        session.merged_from(start, initial)
        if isinstance(initial, torch.Tensor) and start is not initial:
            session.held_as(start, initial)
        return
    if start is initial or start is HOLE or initial is HOLE:
        return
    if isinstance(start, Maybe):
        may_share(session, start.value, lifted(initial, start.absent)[1], strict)
        return
    if isinstance(start, Choice):
        for one in start.values:
            for _, old in cases_of(initial):
                if same_sort(one, old):
                    may_share(session, one, old, strict)
        return
    if not same_kind(start, initial):
        return
    if has_identity(start):
        session.aliases.note(start, [initial], strict)
    if is_mutable(start):
        session.frozen_as(start, initial)
    if is_open(start):
        for run in start:
            if isinstance(run, Spread):
                hold(session, list(cast("Sequence[Value]", initial)), run)
        return
    keys = keys_of(start)
    if keys is None:
        pairs = zip(parts_of(start) or [], parts_of(initial) or [], strict=False)
    else:
        pairs = zip(aligned(start, keys), aligned(initial, keys), strict=True)
    for part, old in pairs:
        may_share(session, part, old, strict)
