"""Does something once for each value that a choice may be, in branches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeGuard, TypeVar, cast

import torch

from fxexport.capture.recording.types import Undecided, Value
from fxexport.capture.session.journal import UNSET, Slot
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.session import Session
from fxexport.capture.staging.branch import stage_branch
from fxexport.capture.values.choice import Choice, cases_of
from fxexport.capture.values.containers import is_mutable, of_one_form, same_kind
from fxexport.capture.values.maybe import Maybe, force, narrowed
from fxexport.capture.values.uncertain_keys import with_and_without
from fxexport.graph import scalars
from fxexport.source.exceptions import errors_of_the_program, note_of, note_raised

__all__ = [
    "LONGEST_CHAIN",
    "each_alternative",
    "ending_its_path",
    "fewer_alternatives",
    "for_each",
    "is_one_of_several",
    "is_one_of_tensors",
    "made_since",
    "merged_copy",
]


LONGEST_CHAIN = 8
"""Of more cases, which one it is is asked by halves."""


def is_one_of_several(value: Value) -> bool:
    """Whether a value is a choice, or one where it is there."""
    there = value.value if isinstance(value, Maybe) else value
    return isinstance(there, Choice)


def is_one_of_tensors(value: object) -> TypeGuard[Choice]:
    """Whether a value is one of several tensors of one rank and dtype."""
    return isinstance(value, Choice) and all(
        of_one_form(value.values[0], other) for other in value.values
    )


def each_alternative(
    session: Session, value: Value, use: Callable[[Value], Value], slots: Sequence[Slot] = ()
) -> Value:
    """What `use` gives for the alternative that a value is when the model runs.

    Args:
        session: the capture.
        value: a choice, or any other value.
        use: is called with each alternative that the present path leaves, in a branch where it is
            the one.
        slots: variables that `use` may bind.

    Returns:
        The merged results.
    """
    value = narrowed(value)
    if isinstance(value, Maybe) and value.absent is UNSET:
        value = narrowed(force(value))
    cases = _cases(value)
    if len(cases) == 1:
        return use(value)
    outcomes: list[Value] = []

    def used(one: Value) -> Value:
        outcomes.append(use(one))
        return outcomes[-1]

    # Where objects stay what they are, those that they lead to do.
    result = _in_branches(session, cases, used, slots, apart=bool(session.apart))
    if isinstance(result, Poison):
        raise result.refuse()
    if len(outcomes) == len(cases) and all(isinstance(outcome, bool) for outcome in outcomes):
        return _told(session, [flag for flag, _ in cases], outcomes)
    return narrowed(result)


def merged_copy(session: Session, value: Value) -> Value:
    """What the alternatives of a choice hold now, merged into one value where that can be."""
    value = narrowed(value)
    if not isinstance(value, Choice):
        return value
    result = _in_branches(session, cases_of(value), lambda one: one, (), copies=True)
    if isinstance(result, Poison):
        raise result.refuse()
    return result


def fewer_alternatives(session: Session, value: Value, since: int) -> Value:
    """A choice in which alternatives of one kind that were made since are merged.

    Args:
        session: the capture.
        value: a choice, or any other value.
        since: the journal's number.
    """
    if isinstance(value, Maybe):
        return value.like(value.present, fewer_alternatives(session, value.value, since))
    if not isinstance(value, Choice):
        return value
    flags: list[Value] = []
    values: list[Value] = []
    for flag, one in cases_of(value):
        k = next((k for k, mate in enumerate(values) if _are_new(session, one, mate, since)), None)
        if k is None:
            flags.append(flag)
            values.append(one)
            continue
        mate = values[k]
        condition = cast("torch.SymBool", flag)
        values[k] = stage_branch(session, condition, lambda: one, lambda: mate, copies=True)  # noqa: B023
        known = cast("torch.SymBool", flags[k])
        flags[k] = session.recorder.scalar_op(scalars.or_, known, condition)
    return value.like([*flags, *values]) if len(values) < len(value.values) else value


def _are_new(session: Session, one: Value, other: Value, since: int) -> bool:
    """Whether two values are tensors or objects of one kind, both made since."""
    alike = of_one_form(one, other) or (is_mutable(one) and same_kind(one, other))
    return alike and made_since(session, one, since) and made_since(session, other, since)


def made_since(session: Session, value: Value, since: int) -> bool:
    """Whether a value is an object or tensor that was made when the journal had a number, or later.

    Of a number, or another constant, nothing can tell.
    """
    if isinstance(value, torch.Tensor):
        return session.tensors.born(value) >= since
    return not is_mutable(value) or session.journal.born(value) >= since


def _cases(value: Value) -> list[tuple[Value, Value]]:
    """The alternatives of a value, None among them, each with the flag that says that it is it."""
    if isinstance(value, Maybe) and isinstance(value.value, Choice):
        # Where there is no value, no flag of an alternative is true.
        absent = torch.sym_not(cast("torch.SymBool", value.present))
        return [(absent, value.absent), *cases_of(value.value)]
    return cases_of(value)


def _in_branches(
    session: Session,
    cases: Sequence[tuple[Value, Value]],
    use: Callable[[Value], Value],
    slots: Sequence[Slot],
    *,
    apart: bool = False,
    copies: bool = False,
) -> Value:
    if len(cases) > LONGEST_CHAIN:
        return _in_halves(session, cases, use, slots, apart=apart, copies=copies)
    (flag, one), *others = cases
    known = session.known(flag)
    if known or not others:
        return use(one)
    if known is False:
        return _in_branches(session, others, use, slots, apart=apart, copies=copies)
    return stage_branch(
        session,
        cast("Undecided", flag),
        lambda: use(one),
        lambda: _in_branches(session, others, use, slots, apart=apart, copies=copies),
        slots,
        apart=apart,
        copies=copies,
    )


def _in_halves(
    session: Session,
    cases: Sequence[tuple[Value, Value]],
    use: Callable[[Value], Value],
    slots: Sequence[Slot],
    *,
    apart: bool,
    copies: bool,
) -> Value:
    """Asks first in which half of many cases it is: no runtime reads as many ifs in each other."""

    def within(half: Sequence[tuple[Value, Value]]) -> Value:
        return _in_branches(session, half, use, slots, apart=apart, copies=copies)

    halves = [cases[: len(cases) // 2], cases[len(cases) // 2 :]]
    (left, _), *more = halves[0]
    for flag, _ in more:
        a, b = cast("torch.SymBool", left), cast("torch.SymBool", flag)
        left = session.recorder.scalar_op(scalars.or_, a, b)
    known = session.known(left)
    if known is not None:
        return within(halves[0 if known else 1])
    for outcome, others in ((True, halves[1]), (False, halves[0])):
        session.facts.link(left, outcome, [(flag, False) for flag, _ in others])
    return stage_branch(
        session,
        cast("Undecided", left),
        lambda: within(halves[0]),
        lambda: within(halves[1]),
        slots,
        apart=apart,
        copies=copies,
    )


def _told(session: Session, flags: Sequence[Value], outcomes: Sequence[Value]) -> Value:
    """What is true of some alternatives, as a condition on which of them it is."""
    sides = {
        outcome: [flag for flag, its in zip(flags, outcomes, strict=True) if its is outcome]
        for outcome in (True, False)
    }
    if not sides[True] or not sides[False]:
        return bool(sides[True])
    whole = sides[True][0]
    for flag in sides[True][1:]:
        a, b = cast("torch.SymBool", whole), cast("torch.SymBool", flag)
        whole = session.recorder.scalar_op(scalars.or_, a, b)
    for outcome, others in ((True, sides[False]), (False, sides[True])):
        session.facts.link(whole, outcome, [(flag, False) for flag in others])
    return whole


def ending_its_path(use: Callable[[Value], Value]) -> Callable[[Value], Value]:
    """`use`, where a path ends if Python cannot do that with an alternative."""

    def used(value: Value) -> Value:
        try:
            with errors_of_the_program():
                return use(value)
        except Exception as error:
            note = note_of(error)
            if note is None or note.raised:
                raise
            raise note_raised(error, note.location) from None

    return used


class _OfOperators(Protocol):
    """A part of the operators."""

    @property
    def _session(self) -> Session: ...


_Operator = TypeVar("_Operator", bound=Callable[..., Any])


def for_each(
    *places: int, takes_none: bool = False, goes_through: bool = False, reads: bool = False
) -> Callable[[_Operator], _Operator]:
    """Decorates an operator that takes one value where it is given one of several.

    Args:
        places: the positions of such operands, the first one is 0.
        takes_none: whether the operator itself knows what to do with what may be None.
        goes_through: whether the operator needs all keys of a dict.
        reads: whether the operator asks what tensors hold, and no more: of several tensors of one
            rank and dtype it is given what the one holds.
    """
    asks = _is_choice if takes_none else is_one_of_several

    def decorate(operator: Any) -> Any:
        @functools.wraps(operator)
        def operate(self: _OfOperators, *args: Any) -> Any:
            if goes_through:
                args = tuple(
                    with_and_without(self._session, arg) if k in places else arg
                    for k, arg in enumerate(args)
                )
            if reads:
                args = tuple(
                    merged_copy(self._session, arg)
                    if k in places and is_one_of_tensors(arg)
                    else arg
                    for k, arg in enumerate(args)
                )
            place = next((k for k in places if k < len(args) and asks(args[k])), None)
            if place is None:
                return operator(self, *args)
            before, after = args[:place], args[place + 1 :]
            use = ending_its_path(lambda one: operate(self, *before, one, *after))
            return each_alternative(self._session, args[place], use)

        return operate

    return decorate


def _is_choice(value: object) -> bool:
    return isinstance(value, Choice)
