"""Calls of PyTorch's functions that may raise for sizes, inside of what may catch it.

What such a call needs of sizes is a condition of the program there: both ways are kept. The call is
recorded once to see what it needs, and taken back; where the condition holds it is recorded again.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

import sympy
import torch

from fxexport.capture.kernels.kernel_errors import kinds_raised_by
from fxexport.capture.kernels.real_calls import raised_for_real, symbols_in
from fxexport.capture.recording.types import Function, OpArgs, OpKwargs, Value
from fxexport.capture.session.capture_errors import unsaid
from fxexport.capture.session.session import Session
from fxexport.capture.sizes.some_sizes import some_sizes
from fxexport.capture.staging.raise_sites import raise_where
from fxexport.source.exceptions import note_raised

__all__ = ["call_where_caught"]


# More facts than this that one call needs are not told apart.
_MOST_NEEDS = 4


@dataclass(frozen=True)
class _Need:
    """What a call needs of sizes, and what PyTorch raises where it does not hold."""

    fact: sympy.Basic
    error: Exception


def call_where_caught(
    session: Session, function: Function, args: OpArgs, kwargs: OpKwargs, make: Callable[[], Value]
) -> Value:
    """The result of a call; what it raises for sizes is raised where its condition does not hold.

    Args:
        session: the capture.
        function: the function that the program has called.
        args: its arguments.
        kwargs: those by name.
        make: makes the call.
    """
    tries = session.tries
    if not tries.handling or not any(map(tries.may_catch, kinds_raised_by(None))):
        return make()
    needed: list[sympy.Basic] = []
    with session.transaction() as trial, tries.noting_needs(needed):
        result = make()
        if not needed:
            return result
        trial.roll_back()
    needs = _needs(session, dict.fromkeys(needed), function, args, kwargs)
    kinds = {type(need.error) for need in needs}
    caught = set(filter(tries.may_catch, kinds))
    if not kinds or (caught and caught != kinds):
        return make()
    for need in needs if caught else ():
        condition = cast("torch.SymBool", session.recorder.scalar_of(need.fact))
        throw = functools.partial(_throw, type(need.error), getattr(function, "__name__", "it"))
        raise_where(session, condition, False, throw, (type(need.error),))
    with tries.raising_only(*kinds):
        return make()


def _throw(kind: type[Exception], name: str) -> None:
    # The same text each time that a body is recorded.
    raise note_raised(kind(unsaid(f"expected sizes that {name} takes")))


def _needs(
    session: Session,
    facts: Iterable[sympy.Basic],
    function: Function,
    args: OpArgs,
    kwargs: OpKwargs,
) -> list[_Need]:
    """What a call needs, in order, where it is certain what PyTorch raises for each.

    Where it is not, the call is recorded as any other, and refused if a `try` may catch it.
    """
    symbols = symbols_in(args, kwargs)
    left = list(facts)
    if symbols is None or len(left) > _MOST_NEEDS:
        return []
    asked = {symbol for fact in left for symbol in fact.free_symbols}
    if not all(map(session.recorder.knows, asked)):
        return []
    symbols |= asked
    found: list[_Need] = []
    while left:
        fact = left.pop(0)
        before = [need.fact for need in found]
        errors = []
        for others in itertools.product((True, False), repeat=len(left)):
            beside = [o if holds else sympy.Not(o) for o, holds in zip(left, others, strict=True)]
            sizes = some_sizes(session.env, symbols, (*before, sympy.Not(fact), *beside))
            if sizes is not None:
                errors.append(raised_for_real(function, args, kwargs, sizes))
        if len(set(map(type, errors))) != 1 or errors[0] is None:
            return []
        found.append(_Need(fact, errors[0]))
    return found
