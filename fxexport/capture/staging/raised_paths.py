"""Exceptions that a condition decides on, inside of what may catch them.

Python cannot be stopped where an exception may be raised and run on from there twice. It need not
be: where nothing is raised, it runs on as it is, into a body that is opened at that place; where
the exception is raised, what follows are handlers, `finally` blocks and `__exit__` methods alone.
These are the statement around the place, which is run again with a body that does nothing but
raise. So a *site* is opened in the middle of what runs (`raise_where`), and when the statement
that catches it ends (`run_statement`), the other way is recorded from the state of the site, and
both are merged as the paths of a branch. An exception that leaves a path of a branch or an
iteration of a loop is a value there, in a slot like any other; whoever has written the branch or
loop raises it where that value is there (`raise_left_over`).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType, MethodType
from typing import Any

import torch

from fxexport.capture.recording.types import Undecided, Value
from fxexport.capture.session.capture_errors import words_of
from fxexport.capture.session.implications import negated
from fxexport.capture.session.journal import CellSlot, Slot, contents_of
from fxexport.capture.session.session import Session
from fxexport.capture.session.tries import MOST_SITES, OpenTry, Site
from fxexport.capture.staging.join import Path, assume_outcome, join
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.maybe import HOLE, Maybe, narrowed
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_of
from fxexport.source.frames import user_location
from fxexport.source.location import SourceLocation

__all__ = [
    "assume_not_raised",
    "raise_left_over",
    "raise_where",
    "record_path",
    "run_statement",
    "run_to_its_end",
]

Run = Callable[[], Value]
# Runs a statement around another body.
Statement = Callable[[Run], Value]
Kind = type[BaseException]


def raise_where(
    session: Session,
    condition: bool | Undecided,
    outcome: bool,
    throw: Run,
    kinds: Sequence[Kind],
    location: SourceLocation | None = None,
) -> None:
    """Keeps both ways where a statement around the present line may catch an exception.

    Args:
        session: the capture.
        condition: what decides.
        outcome: the outcome of the condition with which the exception is raised.
        throw: raises it, from the present state.
        kinds: the classes that it may be of.
        location: the line; the present one by default.
    """
    known = session.known(condition) if not isinstance(condition, torch.Tensor) else None
    if known is not None or isinstance(condition, bool):
        if known is outcome:
            throw()
        return
    tries = session.tries
    caught_by = tries.catcher(kinds, location)
    if len(tries.sites) >= MOST_SITES:
        raise UnsupportedError(
            f"more than {MOST_SITES} lines of one `try` statement may raise, each as the input "
            "says",
            location=location or user_location(),
            hint="test the conditions with one if",
        )
    node = session.node_of(condition)
    at_stake = tries.at_stake()
    kept = [(slot, slot.get()) for slot in _variables_of(throw)]
    ended = contextlib.ExitStack()
    body = ended.enter_context(session.open_body())
    for slot in at_stake.slots:
        session.journal.touch(slot)
    body.writes.advanced.extend(at_stake.iterators)
    assume_outcome(session, condition, not outcome, "nothing is raised here")
    tries.sites.append(
        Site(
            condition,
            node,
            outcome,
            throw,
            body,
            ended,
            caught_by,
            at_stake.slots,
            kept,
            location or user_location(),
        )
    )


def _variables_of(run: object) -> Iterator[Slot]:
    """The variables that a function reads, and those that functions in them read."""
    queue: list[Any] = [run]
    seen: set[int] = set()
    while queue:
        one = queue.pop()
        if isinstance(one, functools.partial):
            queue += [one.func, *one.args, *one.keywords.values()]
        elif isinstance(one, MethodType):
            queue.append(one.__func__)
        elif isinstance(one, FunctionType):
            for name, cell in zip(one.__code__.co_freevars, one.__closure__ or (), strict=True):
                if id(cell) not in seen:
                    seen.add(id(cell))
                    queue.append(contents_of(cell))
                    yield CellSlot(cell, name)


# -- what is recorded in a body of its own ---------------------------------------------------------


def record_path(
    session: Session,
    run: Run,
    slots: Sequence[Slot],
    condition: Undecided,
    outcome: bool,
    *,
    leaves: bool = False,
) -> Path:
    """Runs one path into a frame of its own and takes its writes back.

    Args:
        session: the capture.
        run: runs the path.
        slots: variables that it may bind.
        condition: what decides whether it is taken.
        outcome: the outcome with which it is taken.
        leaves: whether an exception that it certainly ends with is a value.
    """
    with session.body() as body:
        path = Path(body)
        for slot in slots:
            session.journal.touch(slot)
        assume_outcome(session, condition, outcome, "path condition")
        try:
            path.result, path.raised = _run_inside(session, run, slots, HOLE)
            if leaves:
                _leave(session, path.raised)
        except UnsupportedError as error:
            path.result, path.refused = session.collect(error), True
        path.end()
    return path


def run_to_its_end(session: Session, run: Run, slots: Sequence[Slot], otherwise: Value) -> Value:
    """Runs what ends in the body that is open; an exception that leaves it is a value.

    Args:
        session: the capture.
        run: what is run.
        slots: variables that it may bind.
        otherwise: the result where there is an exception.
    """
    result, errors = _run_inside(session, run, slots, otherwise)
    if errors and not any(map(session.tries.may_catch, errors)):
        raise errors[0]
    _leave(session, errors)
    return result


def _run_inside(
    session: Session, run: Run, slots: Sequence[Slot], otherwise: Value
) -> tuple[Value, Sequence[BaseException]]:
    """What a path gives, and the exception that it certainly ends with, or all it may be."""
    tries = session.tries
    mark = len(tries.sites)
    error: BaseException | None = None
    try:
        with tries.around(OpenTry(slots=slots, again=True, body=True)):
            result = narrowed(run())
    except UnsupportedError:
        tries.abandon(mark)
        raise
    except Exception as raised:
        if not tries.ends_path(raised):
            tries.abandon(mark)
            raise
        result, error = otherwise, raised
    except BaseException:
        tries.abandon(mark)
        raise
    if len(tries.sites) == mark:
        return result, () if error is None else (error,)
    result = _settle(session, mark, len(tries.sites), None, result, error, otherwise)
    left = narrowed(tries.raised.get())
    every = left.values if isinstance(left, Choice) else [left]
    return result, [one for one in every if isinstance(one, BaseException)]


def _leave(session: Session, errors: Sequence[BaseException]) -> None:
    """Keeps an exception that ends a path, for what follows it, unless it is kept already."""
    slot = session.tries.raised
    if errors and slot.get() is None:
        note = note_of(errors[0])
        if note is None or not note.stated:
            session.journal.made(errors[0])  # Python has made it here
        session.journal.touch(slot)
        slot.set(errors[0])


# -- statements ------------------------------------------------------------------------------------


def run_statement(session: Session, statement: Statement, body: Run, around: OpenTry) -> Value:
    """Runs a statement that exceptions of its body pass, or that catches them.

    Args:
        session: the capture.
        statement: runs the statement with the body that it is given.
        body: its body.
        around: what is known of the statement.
    """
    tries = session.tries
    mark = split = len(tries.sites)

    def inside() -> Value:
        nonlocal split
        try:
            with tries.around(around):
                return body()
        finally:
            split = len(tries.sites)

    error: BaseException | None = None
    try:
        result = statement(inside)
    except Exception as raised:
        if len(tries.sites) == mark:
            raise
        passes = isinstance(raised, UnsupportedError) or not tries.ends_path(raised)
        if passes or _passes_all(tries.sites[mark:], around):
            if passes:
                tries.abandon(mark)
            else:
                _pass_through(session, mark, split, statement, around)
            raise
        result, error = HOLE, raised
    except BaseException:
        tries.abandon(mark)
        raise
    if len(tries.sites) == mark:
        return result
    if _passes_all(tries.sites[mark:], around):
        _pass_through(session, mark, split, statement, around)
        return result
    again = functools.partial(_again, session, statement, around)
    result = _settle(session, mark, split, again, result, error, HOLE)
    raise_left_over(session)
    return narrowed(result)


def _passes_all(sites: Sequence[Site], around: OpenTry) -> bool:
    """Whether a statement catches nothing of what may have been raised in its body."""
    return not any(site.caught_by is around for site in sites)


def _pass_through(
    session: Session, mark: int, split: int, statement: Statement, around: OpenTry
) -> None:
    """Leaves sites open: where they raise, the exception passes the statement."""
    for site in session.tries.sites[mark:split]:
        site.throw = functools.partial(_again, session, statement, around, site.throw)


def _again(session: Session, statement: Statement, around: OpenTry, throw: Run) -> Value:
    """Runs a statement with a body that raises."""
    return run_statement(session, statement, throw, around)


# -- merging ---------------------------------------------------------------------------------------


def _settle(
    session: Session,
    mark: int,
    split: int,
    again: Callable[[Run], Value] | None,
    result: Value,
    error: BaseException | None,
    otherwise: Value,
) -> Value:
    """Records what happens where an exception was raised, and merges it with where it was not.

    Args:
        session: the capture.
        mark: how many sites there were before.
        split: those beyond so many are not in the statement's body.
        again: runs the statement with another body; None where the sites are in a path.
        result: what was given where nothing is raised.
        error: the exception that was raised there in the end.
        otherwise: the result where an exception leaves.
    """
    tries = session.tries
    while len(tries.sites) > mark:
        site = tries.sites[-1]
        if error is not None:
            _leave(session, [error])
            result, error = otherwise, None
        calm = Path(site.body, narrowed(result))
        calm.end()
        ends = [slot.get() for slot, _ in site.kept]
        tries.sites.pop()
        site.ended.close()
        for slot, value in site.kept:
            slot.set(value)
        inside = again is not None and len(tries.sites) < split
        try:
            raising = _raising_path(session, site, again if inside else None)
            if raising.refused:
                result = raising.result
                continue
            if raising.result is HOLE:
                raising.result = otherwise
            paths = (raising, calm) if site.outcome else (calm, raising)
            merged = {key for path in paths for key in path.values}
            for (slot, _), value in zip(site.kept, ends, strict=True):
                if slot.key not in merged:
                    slot.set(value)
            result = join(session, site.condition, site.node, paths)
        except BaseException:
            tries.abandon(mark)
            raise
    return result


def _raising_path(session: Session, site: Site, again: Callable[[Run], Value] | None) -> Path:
    """What happens where the exception is raised."""

    def throw() -> Value:
        site.throw()
        raise UnsupportedError(
            "whether this raises is decided otherwise when it is run once more",
            location=site.location,
            hint="make it depend on tensors, numbers and the model alone",
        )

    def run() -> Value:
        return throw() if again is None else again(throw)

    return record_path(session, run, site.slots, site.condition, site.outcome, leaves=True)


def raise_left_over(session: Session) -> None:
    """Raises the exception that a branch, a loop or a statement has left, where it has left one."""
    slot = session.tries.raised
    held = slot.get()
    if held is None:
        return
    value = narrowed(held)
    session.journal.touch(slot)
    slot.set(None)
    if isinstance(value, Maybe):
        there = value.value
        _raise_if(session, value.present, there)
    elif value is not None:
        _raise(session, value)


def _raise_if(session: Session, condition: Value, exception: Value) -> None:
    every = exception.values if isinstance(exception, Choice) else [exception]
    if any(map(session.tries.may_catch, every)):
        location = _line_of(every[0])
        kinds = [type(one) for one in every]
        throw = functools.partial(_raise, session, exception)
        raise_where(session, condition, True, throw, kinds, location)
    else:
        assume_not_raised(session, condition, True, every[0], _line_of(every[0]))


def _raise(session: Session, exception: Value) -> Value:
    """Raises an exception, or that of several which it is."""
    exception = narrowed(exception)
    if not isinstance(exception, Choice):
        raise exception
    *others, last = zip(exception.flags, exception.values, strict=True)
    for flag, one in others:
        _raise_if(session, flag, one)
    raise last[1]


def _line_of(error: BaseException) -> SourceLocation | None:
    note = note_of(error)
    return note.location if note is not None else None


def assume_not_raised(
    session: Session,
    condition: Undecided,
    outcome: bool,
    error: BaseException,
    location: SourceLocation | None,
    line: SourceLocation | None = None,
) -> None:
    """Takes a condition for granted with which the program raises what nobody catches.

    Args:
        session: the capture.
        condition: the condition.
        outcome: its outcome with which the exception is raised.
        error: the exception.
        location: the line that raises it.
        line: the line of the condition, if that is another one.
    """
    text = f"{type(error).__name__}: {words_of(error)}"
    session.report.add(
        "assumption",
        f"the condition is {'false' if outcome else 'true'}; otherwise the model raises {text}",
        line or location,
    )
    for part, its_outcome in session.facts.split(condition, not outcome):
        needed = part if its_outcome else negated(part)
        session.guard(needed, text, location or line)
    assume_outcome(session, condition, not outcome, text)
