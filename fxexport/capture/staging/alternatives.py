"""Does something once for each value that a choice may be, in branches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

import torch

from fxexport.capture.recording.types import Undecided, Value
from fxexport.capture.session.journal import UNSET, Slot
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.session import Session
from fxexport.capture.staging.branch import stage_branch
from fxexport.capture.values.choice import Choice, cases_of
from fxexport.capture.values.maybe import Maybe, force, narrowed
from fxexport.capture.values.uncertain_keys import with_and_without
from fxexport.graph import scalars
from fxexport.source.exceptions import errors_of_the_program, note_of, note_raised

__all__ = ["LONGEST_CHAIN", "each_alternative", "for_each", "is_one_of_several"]


LONGEST_CHAIN = 8
"""Of more cases, which one it is is asked by halves."""


def is_one_of_several(value: Value) -> bool:
    """Whether a value is a choice, or one where it is there."""
    there = value.value if isinstance(value, Maybe) else value
    return isinstance(there, Choice)


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

    result = _in_branches(session, cases, used, slots)
    if isinstance(result, Poison):
        raise result.refuse()
    if len(outcomes) == len(cases) and all(isinstance(outcome, bool) for outcome in outcomes):
        return _told(session, [flag for flag, _ in cases], outcomes)
    return narrowed(result)


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
) -> Value:
    if len(cases) > LONGEST_CHAIN:
        return _in_halves(session, cases, use, slots)
    (flag, one), *others = cases
    known = session.known(flag)
    if known or not others:
        return use(one)
    if known is False:
        return _in_branches(session, others, use, slots)
    return stage_branch(
        session,
        cast("Undecided", flag),
        lambda: use(one),
        lambda: _in_branches(session, others, use, slots),
        slots,
    )


def _in_halves(
    session: Session,
    cases: Sequence[tuple[Value, Value]],
    use: Callable[[Value], Value],
    slots: Sequence[Slot],
) -> Value:
    """Asks first in which half of many cases it is: no runtime reads as many ifs in each other."""
    halves = [cases[: len(cases) // 2], cases[len(cases) // 2 :]]
    (left, _), *more = halves[0]
    for flag, _ in more:
        a, b = cast("torch.SymBool", left), cast("torch.SymBool", flag)
        left = session.recorder.scalar_op(scalars.or_, a, b)
    known = session.known(left)
    if known is not None:
        return _in_branches(session, halves[0 if known else 1], use, slots)
    for outcome, others in ((True, halves[1]), (False, halves[0])):
        session.facts.link(left, outcome, [(flag, False) for flag, _ in others])
    return stage_branch(
        session,
        cast("Undecided", left),
        lambda: _in_branches(session, halves[0], use, slots),
        lambda: _in_branches(session, halves[1], use, slots),
        slots,
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


def _ending_its_path(use: Callable[[Value], Value]) -> Callable[[Value], Value]:
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
    *places: int, takes_none: bool = False, goes_through: bool = False
) -> Callable[[_Operator], _Operator]:
    """Decorates an operator that takes one value where it is given one of several.

    Args:
        places: the positions of such operands, the first one is 0.
        takes_none: whether the operator itself knows what to do with what may be None.
        goes_through: whether the operator needs all keys of a dict.
    """
    asks = _is_choice if takes_none else is_one_of_several

    def decorate(operator: Any) -> Any:
        @functools.wraps(operator)
        def operate(self: _OfOperators, *args: Any) -> Any:
            if goes_through:
                args = tuple(
                    with_and_without(arg) if k in places else arg for k, arg in enumerate(args)
                )
            place = next((k for k in places if k < len(args) and asks(args[k])), None)
            if place is None:
                return operator(self, *args)
            before, after = args[:place], args[place + 1 :]
            use = _ending_its_path(lambda one: operate(self, *before, one, *after))
            return each_alternative(self._session, args[place], use)

        return operate

    return decorate


def _is_choice(value: object) -> bool:
    return isinstance(value, Choice)
