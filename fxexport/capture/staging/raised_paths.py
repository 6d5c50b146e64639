"""Records what happens where an exception is raised, and merges it with where it is not.

After a place where an exception may be raised (`raise_sites.py`) Python runs on where it is not,
into a body of its own. Where it is raised, what follows are handlers, `finally` blocks and
`__exit__` methods alone. These are the statements around the place, which are run again with a body
that does nothing but raise, from the state of the place; then both are merged as the paths of a
branch. That happens when the statement ends that catches the exception, or the path of a branch or
iteration of a loop that it leaves.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import cast

import torch

from fxexport.capture.recording.types import Undecided, Value
from fxexport.capture.session.capture_errors import line_of
from fxexport.capture.session.journal import Slot, Writes
from fxexport.capture.session.session import Session
from fxexport.capture.session.tries import OpenTry, Site, these
from fxexport.capture.staging.join import Path, assume_outcome, join
from fxexport.capture.staging.raise_sites import raise_left_over
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.maybe import HOLE, narrowed
from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, UnsupportedError
from fxexport.source.exceptions import note_of, note_raised

__all__ = ["record_path", "run_statement", "run_to_its_end", "run_with_default"]

Run = Callable[[], Value]
# Runs a statement around another body.
Statement = Callable[[Run], Value]


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
        session.journal.touch_all(slots)
        assume_outcome(session, condition, outcome, "path condition")
        try:
            path.result, path.raised = _run_inside(session, run, slots, HOLE)
            if leaves:
                _leave(session, path.raised)
                _forget_unchanged(session, body.writes)
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
    except Exception as raised:
        if not _ends_path(session, raised, mark):
            raise
        result, error = otherwise, _without_frames(raised)
    except BaseException:
        tries.abandon(mark)
        raise
    if len(tries.sites) == mark:
        return result, () if error is None else (error,)
    result = _settle(session, mark, len(tries.sites), None, result, error, otherwise)
    left = narrowed(tries.raised.get())
    every = left.values if isinstance(left, Choice) else [left]
    return result, [one for one in every if isinstance(one, BaseException)]


def _ends_path(session: Session, error: Exception, mark: int) -> bool:
    """Whether an exception is the program's; if not, sites beyond so many are given up."""
    ends = False
    try:
        ends = not isinstance(error, FxExportError) and session.tries.ends_path(error)
    finally:
        if not ends:
            session.tries.abandon(mark)
    return ends


def _without_frames(error: Exception) -> Exception:
    """An exception that is kept; its frames would keep alive what the program has dropped."""
    note = note_of(error)
    if note is None or note.location is None:
        note_raised(error, line_of(error), stated=note is not None and note.stated)
    held: BaseException | None = error
    while held is not None:
        held.with_traceback(None)  # also of one that takes no attributes
        held = held.__context__
    return error


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
        if not _ends_path(session, raised, mark):
            raise
        if _passes_all(tries.sites[mark:], around):
            _pass_through(session, mark, split, statement, around)
            raise
        result, error = HOLE, _without_frames(raised)
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


def run_with_default(session: Session, body: Run, kind: type[Exception], default: Value) -> Value:
    """What a function gives, or something else where it raises an exception of a class."""

    def statement(run: Run) -> Value:
        try:
            return run()
        except kind:
            return default

    return run_statement(session, statement, body, OpenTry(these(kind), again=True))


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
        _forget_unchanged(session, site.body.writes)
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
            result = join(session, site.condition, site.node, paths, source=site.source)
        except BaseException:
            tries.abandon(mark)
            raise
    return result


def _forget_unchanged(session: Session, writes: Writes) -> None:
    """Forgets what might have been written to and was not."""
    for key, (slot, old) in list(writes.old.items()):
        if _is_same(session, old, slot.get()):
            del writes.old[key]


def _is_same(session: Session, old: Value, new: Value) -> bool:
    """Whether a slot holds what it held."""
    if old is new:
        return True
    if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
        return session.tensors.inner(old) is session.tensors.inner(new)
    if type(old) is not type(new) or not isinstance(old, (list, dict, set)):
        return False
    if isinstance(old, dict) and isinstance(new, dict):
        return _is_same(session, [*old, *old.values()], [*new, *new.values()])
    items = list(old), list(cast("list[Value]", new))
    return len(items[0]) == len(items[1]) and all(map(operator.is_, *items))


def _raising_path(session: Session, site: Site, again: Callable[[Run], Value] | None) -> Path:
    """What happens where the exception is raised."""

    def throw() -> Value:
        site.throw()
        raise UnsupportedError(
            "whether this raises is decided otherwise when it is run once more",
            code=Code.EXCEPTION,
            location=site.location,
            hint="make it depend on tensors, numbers and the model alone",
        )

    def run() -> Value:
        return throw() if again is None else again(throw)

    return record_path(session, run, site.slots, site.condition, site.outcome, leaves=True)
