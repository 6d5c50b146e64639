"""What an iteration leaves that is one object or tensor in Python, and several values here."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, cast

import torch

from fxexport.capture.recording.types import Value
from fxexport.capture.session.identities import meet
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.list_runs import Spread, is_open, only_run
from fxexport.capture.session.refusals import Place
from fxexport.capture.session.session import Session
from fxexport.capture.session.transaction import Body
from fxexport.capture.staging.alternatives import made_since
from fxexport.capture.staging.item_tensors import is_spoilt, tensors_in
from fxexport.capture.staging.runs import hold
from fxexport.capture.values.choice import Choice, cases_of
from fxexport.capture.values.containers import (
    has_identity,
    holds_choice,
    is_mutable,
    keys_of,
    objects_in,
    parts_of,
    same_kind,
)
from fxexport.capture.values.kinds import same_sort
from fxexport.capture.values.left_objects import LeftObjects
from fxexport.capture.values.maybe import HOLE, Maybe, lifted
from fxexport.capture.values.uncertain_keys import aligned
from fxexport.source.frames import user_location

__all__ = [
    "Share",
    "hold_again",
    "may_share",
    "one_object",
    "share",
    "share_objects",
    "shares",
    "spoil_carried",
    "stay_out",
]

# Whether a tensor is lost at the end of an iteration (see `Lost`), and the identities of what it
# may share memory with.
Share = tuple[bool, set[int]]


class Left(Protocol):
    """A recorded iteration.

    Attributes:
        body: its graph, and what it has noted.
        starts: what it starts with.
        ends: what it leaves.
        left: what is in the objects among these that it has changed.
        places: where each of these is merged.
        alone: objects from before the loop that only a variable of it holds.
        since: the journal's number when the loop began: what was made before has a lower one.
    """

    body: Body
    starts: list[Value]
    ends: list[Value]
    left: LeftObjects
    places: list[Place]
    alone: list[Value]
    since: int


def shares(session: Session, ends: Sequence[Value], since: int) -> list[Share]:
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
    ]


def share(session: Session, values: Sequence[Value], iteration: Left) -> None:
    """Notes that values left by an iteration may be one tensor, or views of one from outside."""
    since = iteration.since
    pairs = [
        (new, old, place)
        for value, end, place in zip(values, iteration.ends, iteration.places, strict=False)
        for new, old in _tensor_pairs(session, value, end, iteration)
        if made_since(session, new, since)  # what is constant so far stands for itself
    ]
    session.share_as(
        [new for new, _, _ in pairs],
        [old for _, old, _ in pairs],
        since,
        iteration.body.remembered.lost,
        [place for _, _, place in pairs],
    )
    for new, old, _ in pairs:
        session.held_like(new, old)
    for one, other, place in _alike(session, pairs):
        session.merged_from(cast("torch.Tensor", one), other, place=place)


def share_objects(session: Session, values: Sequence[Value], iteration: Left) -> None:
    """Notes which of the objects that stand for those left by an iteration may be one object."""
    since = iteration.since
    pairs = [
        (new, old, place)
        for value, end, place in zip(values, iteration.ends, iteration.places, strict=False)
        for new, old in _object_pairs(session, value, end, iteration)
        if made_since(session, new, since)
    ]
    for new, old, place in pairs:
        session.held_like(new, old)
        older = session.aliases.older(old, since)
        seen = [one for one in older if not any(one is it for it in iteration.alone)]
        session.aliases.note(new, seen, True, place, old)
    for new, other, place in _alike(session, pairs):
        session.aliases.note(new, [other], True, place)


def _alike(
    session: Session, pairs: Sequence[tuple[Value, Value, Place]]
) -> Iterator[tuple[Value, Value, Place]]:
    """Values that may be one with another one, by what each stands for; both ways round."""
    found = [(new, session.may_be(old), place) for new, old, place in pairs]
    for (new, its, place), (other, others, its_place) in itertools.combinations(found, 2):
        if new is not other and meet(its, others):
            yield new, other, place
            yield other, new, its_place


def hold_again(session: Session, values: Sequence[Value], iteration: Left) -> None:
    """Lists that are carried hold what they held at the end of an iteration."""
    for value, end in zip(values, iteration.ends, strict=False):
        run = only_run(list(cast("Sequence[Value]", value))) if is_open(value) else None
        if run is not None and isinstance(end, (list, tuple, deque)):
            hold(session, list(end), run)


def stay_out(
    session: Session, values: Sequence[Value], iteration: Left, initials: Sequence[Value]
) -> None:
    """What an iteration takes out of a list is not in what the next one starts with.

    Nor is what earlier ones have taken out, where all that they do to it is to take items out.

    Args:
        session: the capture.
        values: what the next iteration starts with.
        iteration: the iteration.
        initials: what the loop starts with.
    """
    lists = zip(values, iteration.starts, iteration.ends, strict=False)
    for value, start, end in lists:
        run, began, left = map(_run_in, (value, start, end))
        if run is None or began is None or left is None:
            continue
        taken = session.taken_out(left, began)
        if taken:
            gone = [*began.gone, *taken]
            run.gone = [*gone, *_only_for(session, values, iteration, initials, gone)]


def _run_in(value: Value) -> Spread | None:
    return only_run(list(cast("Sequence[Value]", value))) if is_open(value) else None


def _only_for(
    session: Session,
    values: Sequence[Value],
    iteration: Left,
    initials: Sequence[Value],
    gone: Sequence[Value],
) -> Iterator[Value]:
    """Objects and tensors that stand for what is gone, and nothing else."""
    ids = set(map(id, gone))
    base_of = session.tensors.base_of
    stands_for: dict[int, tuple[Value, list[Value]]] = {}
    for value, end, initial in zip(values, iteration.ends, initials, strict=False):
        if initial is not UNSET and initial is not HOLE and initial is not None:
            continue
        tensors = _tensor_pairs(session, value, end, iteration)
        pairs = [(base_of(one), base_of(old)) for one, old in tensors]
        for one, old in (*_object_pairs(session, value, end, iteration), *pairs):
            stands_for.setdefault(id(one), (one, []))[1].append(old)
    for one, olds in stands_for.values():
        if all(id(old) in ids for old in olds):
            yield one


def _object_pairs(
    session: Session, value: Value, end: Value, iteration: Left
) -> Iterator[tuple[Value, Value]]:
    """The objects of a carried value, each beside what it stands for."""
    if value is end or value is HOLE or end is HOLE:
        return
    if isinstance(value, Maybe):
        yield from _object_pairs(session, value.value, lifted(end, value.absent)[1], iteration)
        return
    if isinstance(value, Choice) or isinstance(end, Choice):
        for one, old in _alternatives_beside(session, value, end, iteration.since):
            yield from _object_pairs(session, one, old, iteration)
        return
    if not same_kind(value, end):
        return
    if is_mutable(value):
        yield value, end
    end = iteration.left.of(end)
    if is_open(value) or is_open(end):
        return
    keys = keys_of(value)
    if keys is None:
        pairs = zip(parts_of(value) or [], parts_of(end) or [], strict=False)
    else:
        pairs = zip(aligned(value, keys), aligned(end, keys), strict=True)
    for one, old in pairs:
        yield from _object_pairs(session, one, old, iteration)


def one_object(ends: Sequence[Value]) -> list[Share]:
    """Which objects that an iteration leaves are one: the place of the first one, for each."""
    first: dict[int, int] = {}
    found: list[Share] = []
    for k, thing in enumerate(one for end in ends for one in objects_in(end)):
        found.append((False, {first.setdefault(id(thing), k)}))
    return found


def _tensor_pairs(
    session: Session, value: Value, end: Value, iteration: Left
) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """The tensors of a carried value, each beside what it stands for; more where that varies."""
    left = iteration.left
    if not holds_choice(value) and not holds_choice(end):
        yield from zip(tensors_in(value), tensors_in(end, left.parts_of), strict=False)
        return
    if isinstance(value, Choice) or isinstance(end, Choice):
        for one, old in _alternatives_beside(session, value, end, iteration.since):
            yield from _tensor_pairs(session, one, old, iteration)
        return
    parts = parts_of(value), left.parts_of(end)
    if parts[0] is None or parts[1] is None or len(parts[0]) != len(parts[1]):
        yield from itertools.product(tensors_in(value), list(tensors_in(end, left.parts_of)))
        return
    for one, old in zip(parts[0], parts[1], strict=True):
        yield from _tensor_pairs(session, one, old, iteration)


def _alternatives_beside(
    session: Session, value: Value, end: Value, since: int
) -> Iterable[tuple[Value, Value]]:
    """The alternatives of a carried value, each beside those of another one that it stands for.

    One that is an object from before the loop is that object, and stands for nothing.
    """
    own = [one for _, one in cases_of(value)]
    new = [one for one in own if made_since(session, one, since)]
    for _, old in cases_of(end):
        if not any(old is one for one in own):
            yield from ((one, old) for one in new if same_sort(one, old) or same_kind(one, old))


def spoil_carried(session: Session, values: Sequence[Value], iteration: Left) -> None:
    """Lists that are out of date at the end of an iteration are so where they are carried to."""
    spoilt = iteration.body.remembered.spoilt()
    for value, end in zip(values, iteration.ends, strict=False) if spoilt else ():
        _spoil_runs(session, value, end, spoilt, iteration.left)


def _spoil_runs(
    session: Session, value: Value, end: Value, spoilt: set[int], left: LeftObjects
) -> None:
    if is_open(value) and isinstance(end, (list, tuple, deque)) and is_spoilt(end, spoilt):
        for run in value:
            if isinstance(run, Spread):
                session.spoil(run, user_location())
        return
    for part, old in zip(parts_of(value) or [], left.parts_of(end) or [], strict=False):
        _spoil_runs(session, part, old, spoilt, left)


def may_share(
    session: Session,
    start: Value,
    initial: Value,
    since: int,
    place: Place,
    *,
    strict: bool = False,
    alone: bool = False,
    left: LeftObjects | None = None,
) -> None:
    """Notes that in the first iteration a carried tensor is the one from before the loop.

    Args:
        session: the capture.
        start: a carried value.
        initial: the value before the loop.
        since: the journal's number when the iteration began.
        place: where it is merged.
        strict: whether others hold `initial` in any case.
        alone: whether nothing else refers to `initial`, so that nothing shows which object it is.
        left: what is in objects of `initial`, where that has been taken back.
    """
    if isinstance(start, torch.Tensor):
        session.merged_from(start, initial, place=place)
        if isinstance(initial, torch.Tensor) and start is not initial:
            session.held_as(start, initial)
        return
    if start is initial or start is HOLE or initial is HOLE:
        return
    if isinstance(start, Maybe):
        there = lifted(initial, start.absent)[1]
        may_share(session, start.value, there, since, place, strict=strict, left=left)
        return
    if isinstance(start, Choice):
        for one, old in _alternatives_beside(session, start, initial, since):
            may_share(session, one, old, since, place, strict=strict, left=left)
        return
    if not same_kind(start, initial):
        return
    if has_identity(start) and not alone:
        session.aliases.note(start, [initial], strict, place)
    if is_mutable(start) and not alone:
        session.frozen_as(start, initial)
    if left is not None:
        initial = left.of(initial)
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
        may_share(session, part, old, since, place, strict=strict, left=left)
