"""Where an exception may be raised, inside of what may catch it: both ways are kept.

Python cannot be stopped where an exception may be raised and run on from there twice. It need not
be: where nothing is raised, it runs on as it is, into a body that is opened at that place (a
*site*); the other way is recorded when the statement that catches the exception ends, see
`raised_paths.py`. An exception that leaves a path of a branch or an iteration of a loop is a value
there, in a slot like any other; whoever has written the branch or loop raises it where that value
is there (`raise_left_over`).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType, MethodType
from typing import Any, cast

import torch

from fxexport.capture.recording.types import Undecided, Value
from fxexport.capture.session.capture_errors import words_of
from fxexport.capture.session.implications import negated
from fxexport.capture.session.journal import CellSlot, Slot, contents_of
from fxexport.capture.session.session import Session
from fxexport.capture.session.tries import MOST_SITES, Site
from fxexport.capture.staging.join import assume_outcome
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.maybe import Maybe, narrowed
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.exceptions import note_of
from fxexport.source.frames import user_frames, user_location
from fxexport.source.location import SourceLocation

__all__ = ["assume_not_raised", "raise_left_over", "raise_where"]

Run = Callable[[], Value]
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
            code=Code.EXCEPTION,
            location=location or user_location(),
            hint="test the conditions with one if",
        )
    node = session.node_of(condition)
    slots, iterators = tries.at_stake()
    kept = [(slot, slot.get()) for slot in _variables_of(throw)]
    ended = contextlib.ExitStack()
    body = ended.enter_context(session.open_body())
    session.journal.touch_all(slots)
    body.writes.advanced.extend(iterators)
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
            slots,
            kept,
            location or user_location(),
            user_frames(),
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


def _raise_if(session: Session, flag: Value, exception: Value) -> None:
    condition = cast("Undecided", flag)
    held = exception.values if isinstance(exception, Choice) else [exception]
    every = cast("list[BaseException]", held)
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
        raise cast("BaseException", exception)
    *others, last = zip(exception.flags, exception.values, strict=True)
    for flag, one in others:
        _raise_if(session, flag, one)
    raise cast("BaseException", last[1])


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
