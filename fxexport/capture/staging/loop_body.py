"""One recording of a loop's body: an iteration, with the values it starts and ends with."""

from __future__ import annotations

import operator
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
from fxexport.capture.session.journal import Slot, SlotKey, Writes
from fxexport.capture.session.list_runs import Spread, only_run
from fxexport.capture.session.memory import item_changed
from fxexport.capture.session.refusals import Place, Poison, is_out_of_date
from fxexport.capture.session.session import Session
from fxexport.capture.session.sharing_notes import Lost
from fxexport.capture.session.transaction import Body
from fxexport.capture.staging.alternatives import fewer_alternatives, made_since
from fxexport.capture.staging.carried_sharing import (
    Share,
    hold_again,
    may_share,
    one_object,
    share,
    share_objects,
    shares,
    spoil_carried,
    stay_out,
)
from fxexport.capture.staging.conditions import condition_of
from fxexport.capture.staging.item_tensors import tensors_in
from fxexport.capture.staging.patterns import Constant, ListOf, Pattern, Ran, Variable, make
from fxexport.capture.staging.raised_paths import run_to_its_end
from fxexport.capture.staging.runs import shared_kinds
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.containers import (
    holds_choice,
    is_mutable,
    objects_in,
    parts_of,
    rebuild_like,
)
from fxexport.capture.values.left_objects import LeftObjects
from fxexport.capture.values.maybe import HOLE
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_of
from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation

__all__ = [
    "Iteration",
    "record_iteration",
    "varies",
]

# The kinds of slots that are a part of an object.
_OF_OBJECTS = ("container", "attribute")


@dataclass
class Iteration:
    """One recording of the body."""

    body: Body
    inputs: list[fx.Node]
    starts: list[Value]
    # where each value of `starts` is merged of those that it stands for
    places: list[Place]
    # objects from before the loop that only a variable of it holds
    alone: list[Value]
    # the journal's number when the loop began: what was made before has a lower one
    since: int
    ends: list[Value] = field(default_factory=list)
    condition: Condition = True
    new_slots: list[Slot] = field(default_factory=list)
    # what the tensors in `ends` hold when the iteration ends, by their identity
    held: dict[int, torch.Tensor] = field(default_factory=dict)
    # what is in the objects that the iteration has changed and leaves
    left: LeftObjects = field(default_factory=LeftObjects)
    # whether each of them is lost, and what it may share memory with
    shares: list[Share] = field(default_factory=list)
    # the classes of which items of each list of varying length may share an object
    shared: list[frozenset[type]] = field(default_factory=list)
    # lists whose items are no longer where the iteration has taken them to be
    moved: set[SlotKey] = field(default_factory=set)
    # relations of the inputs' dimensions without which there is no first iteration
    needed: list[compat.SizeFact] = field(default_factory=list)


@dataclass
class Before:
    """What is known of a loop before it is recorded.

    Attributes:
        location: its line.
        certain: whether there is a first iteration for certain.
        alone: objects that variables hold, and that nothing else refers to.
        since: the journal's number: what was made before has a lower one.
        moved: lists, by their slots, whose items are at other places after an iteration.
    """

    location: SourceLocation | None
    certain: bool
    alone: list[Value]
    since: int
    moved: set[SlotKey] = field(default_factory=set)


def record_iteration(
    session: Session,
    iterate: Callable[[torch.SymInt], None],
    going: Callable[[], Value],
    slots: Sequence[Slot],
    patterns: Sequence[Pattern],
    trip_count: Size | None,
    last: Iteration | None,
    known: Before,
) -> Iteration:
    """Runs the body once on values of the patterns, and takes its writes back.

    `last` is the recording before: an iteration may start with what it left.
    """
    recorder, tensors = session.recorder, session.tensors
    before = {slot.key: slot.get() for slot in slots}
    lost_before = {
        slot.key: [session.is_lost(tensor) for tensor in tensors_in(before[slot.key])]
        for slot in slots
    }
    # What is constant so far is as it is before the loop.
    is_first = known.certain and all(isinstance(pattern, Constant) for pattern in patterns)
    try:
        with session.body(perhaps=not is_first) as body:
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
            since = known.since
            places = [(known.location, slot.name) for slot in slots]
            for slot, pattern in zip(slots, patterns, strict=True):
                session.journal.touch(slot)
                start = make(session, pattern, carried)
                if isinstance(pattern, ListOf):
                    _begin_run(session, start, before[slot.key], slot.key in known.moved)
                if varies(slot, pattern, before[slot.key]):
                    place, old = (known.location, slot.name), before[slot.key]
                    alone = any(old is one for one in known.alone)
                    may_share(session, start, old, since, place, strict=True, alone=alone)
                    session.lose_as(tensors_in(start), _in_place(start, lost_before[slot.key]))
                    slot.set(start)
                starts.append(start)
            if last is not None:
                # What the iteration before may have written is lost in this one.
                session.remember(last.body.remembered)
                session.lose(last.body.remembered.lost)
                hold_again(session, starts, last)
                share(session, starts, last)
                share_objects(session, starts, last)
                spoil_carried(session, starts, last)
                stay_out(session, starts, last, [before[slot.key] for slot in slots])
            session.tries.none_raised()

            def run() -> Condition:
                count = len(session.tries.sites)
                iterate(index)
                more = condition_of(session, going())
                if len(session.tries.sites) > count and isinstance(more, torch.Tensor):
                    return cast("torch.SymBool", more.item())
                return more

            # The iteration may change an object that it starts with where it is.
            starts = [_as_it_is(session, start, since) for start in starts]
            found = Iteration(body, inputs, starts, places, known.alone, since)
            more = run_to_its_end(session, run, slots, False)
            found.condition = condition_of(session, more)
            found.ends = [fewer_alternatives(session, slot.get(), since) for slot in slots]
            _refuse_rewritten_items(session, patterns, found.ends, body.writes)
            session.settle()
            found.shared = _check_runs(session, patterns, starts, found.ends)
            found.moved = _moved(slots, patterns, starts, found.ends)
            found.held = {id(t): tensors.inner(t) for end in found.ends for t in tensors_in(end)}
            found.left = LeftObjects(found.ends, body.writes)
            keys = {slot.key for slot in slots}
            found.new_slots = [slot for slot in body.writes.slots() if slot.key not in keys]
            found.shares = [*shares(session, found.ends, since), *one_object(found.ends)]
    except Exception as error:
        note = note_of(error)
        if note is not None and note.raised:
            raise UnsupportedError(
                f"every iteration of this loop raises {type(error).__name__}: {words_of(error)}",
                code=Code.ALWAYS_RAISES,
                location=note.location,
            ) from error
        raise
    if is_first:
        found.needed = relations_among(session.env, session.example_sizes, body.learnt.values())
    return found


def _as_it_is(session: Session, start: Value, since: int) -> Value:
    """What an iteration starts with, in objects of its own where those were made for it."""
    parts = parts_of(start)
    if parts is None or (is_mutable(start) and not made_since(session, start, since)):
        return start
    items = [_as_it_is(session, part, since) for part in parts]
    if isinstance(start, Choice):
        return Choice(session, items[: len(items) // 2], items[len(items) // 2 :])
    same = not is_mutable(start) and all(map(operator.is_, items, parts))
    return start if same else rebuild_like(start, items)


def varies(slot: Slot, pattern: Pattern, initial: Value) -> bool:
    """Whether a slot may hold something else than before the loop."""
    if not isinstance(pattern, Constant) or isinstance(pattern.value, Poison):
        return True
    if slot.is_contents and is_out_of_date(pattern.value):
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
                        code=Code.ITEM_CHANGES,
                        location=user_location(),
                        hint="put a copy of it into the list",
                    )
            for tensor in _tensors_of_item(item):
                base = session.tensors.base_of(tensor)
                if ("contents", id(base)) in scope.old:
                    raise UnsupportedError(
                        "a tensor that this loop writes to in place is put into a list of varying "
                        "length; all items would be that one tensor",
                        code=Code.ITEM_CHANGES,
                        location=user_location(),
                        hint="put a clone() of it into the list",
                    )


def _tensors_of_item(item: Value) -> Iterable[torch.Tensor]:
    if not isinstance(item, Spread):
        return tensors_in(item)
    return () if item.views is None else (cast("torch.Tensor", item.views.source),)


def _items(value: Value) -> list[Value]:
    return list(value) if isinstance(value, (list, tuple, deque)) else []


def _begin_run(session: Session, start: Value, initial: Value, moved: bool) -> None:
    """What is known of the items of a list before an iteration: as before the loop.

    `moved` says that they are at other places.
    """
    (run,) = cast("Sequence[Spread]", start)
    run.shared = shared_kinds(session, _items(initial))
    before = only_run(_items(initial))
    run.same_places = [] if before is None or moved else [before]


def _moved(
    slots: Sequence[Slot],
    patterns: Sequence[Pattern],
    starts: Sequence[Value],
    ends: Sequence[Value],
) -> set[SlotKey]:
    """Lists whose items the iteration takes to be where they were before the loop: they are not."""
    found: set[SlotKey] = set()
    for slot, pattern, start, end in zip(slots, patterns, starts, ends, strict=True):
        if not isinstance(pattern, ListOf):
            continue
        (run,) = cast("Sequence[Spread]", start)
        last = only_run(_items(end))
        if run.places_relied_on and (last is None or not last.keeps_places_of(run)):
            found.add(slot.key)
    return found


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
        back = last is None or not any(one is run for one in last.wholes())
        if (run.gone_relied_on and back) or not run.relied_on.isdisjoint(after - run.shared):
            raise item_changed("an object or tensor changes")
        found.append(run.shared | after)
    return found


def _in_place(start: Value, notes: list[Lost | None]) -> list[Lost | None]:
    """Notes about the tensors of a value, for those that begin an iteration in its place."""
    if not holds_choice(start):
        return notes
    worst = next((note for note in notes if note is not None), None)
    return [worst for _ in tensors_in(start)]
