"""Does something once for each value that a choice may be, in branches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

from fxexport.capture.recording.types import Undecided, Value
from fxexport.capture.session.journal import UNSET, Slot
from fxexport.capture.session.refusals import Poison
from fxexport.capture.session.session import Session
from fxexport.capture.staging.branch import stage_branch
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.maybe import Maybe, force, narrowed
from fxexport.capture.values.uncertain_keys import with_and_without
from fxexport.source.exceptions import errors_of_the_program, note_of, note_raised

__all__ = ["each_alternative", "for_each", "is_one_of_several"]


def is_one_of_several(value: Value) -> bool:
    """Whether a value is a choice, or one where it is there."""
    return isinstance(value, Choice) or (isinstance(value, Maybe) and has_alternatives(value))


def has_alternatives(maybe: Maybe) -> bool:
    """Whether what may be absent is one of several values otherwise."""
    return isinstance(maybe.value, Choice)


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
    if isinstance(value, Maybe) and has_alternatives(value):
        if value.absent is UNSET:
            return each_alternative(session, force(value), use, slots)
        condition, first, rest = value.present, value.value, value.absent
    elif isinstance(value, Choice):
        condition, first, rest = value.flags[0], value.values[0], value.without_first()
    else:
        return use(value)
    result = stage_branch(
        session,
        cast("Undecided", condition),
        lambda: each_alternative(session, first, use, slots),
        lambda: each_alternative(session, rest, use, slots),
        slots,
    )
    if isinstance(result, Poison):
        raise result.refuse()
    return narrowed(result)


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
