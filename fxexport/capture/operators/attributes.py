"""What reads and writes of attributes become in rewritten code."""

from __future__ import annotations

import functools
from functools import cached_property
from types import FunctionType
from typing import Any

import torch

from fxexport.capture.numbers.methods import method_of
from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.conditionals import Conditionals
from fxexport.capture.operators.special_methods import attribute_function, special_method
from fxexport.capture.operators.variables import read
from fxexport.capture.session.journal import UNSET, AttributeSlot, put_attribute
from fxexport.capture.session.refusals import rank_taken
from fxexport.capture.session.session import Poison, Session, is_symbolic
from fxexport.capture.staging.alternatives import for_each, is_one_of_tensors
from fxexport.capture.staging.chosen_tensors import (
    call_on_each,
    method_of_each,
)
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.maybe import Maybe, force, narrowed
from fxexport.source.exceptions import errors_of_the_program

__all__ = ["Attributes"]

# Attributes of tensors that say their rank.
_RANK = ("dim", "ndim", "ndimension")


class Attributes:
    """The operators on attributes; functions of properties are called as any other is."""

    def __init__(self, session: Session, conditionals: Conditionals, calls: Calls) -> None:
        self._session = session
        self._conditionals = conditionals
        self._calls = calls

    def get_attr(self, owner: object, name: str) -> Any:
        """``owner.name``."""
        owner = narrowed(owner)
        if is_one_of_tensors(owner):
            return self._of_tensors(owner, name)
        return self._get_attr(owner, name)

    def _of_tensors(self, owner: Choice, name: str) -> Any:
        """An attribute of one of several tensors."""

        def found(one: object) -> Any:
            return self.get_attr(one, name)

        if callable(getattr(torch.Tensor, name, None)):
            return method_of_each(
                self._session, owner, name, lambda one: self._calls.call(found(one))
            )
        return call_on_each(self._session, owner, name, found)

    @for_each(0)
    def _get_attr(self, owner: object, name: str) -> Any:
        if type(owner) is Maybe:
            owner = force(owner, AttributeError)
        if is_symbolic(owner):
            return self._of_number(owner, name)
        taken = self._session.took_rank.get(owner) if isinstance(owner, torch.Tensor) else None
        if taken is not None and name in _RANK:
            raise rank_taken("what is asked for its rank here", [taken])
        known = attribute_function(owner, name)
        if isinstance(known, property):
            bound: Any = owner
            return self._calls.call(known.fget)(bound.__self__ if type(owner) is super else owner)
        if known is not None:
            return self._cached(known, owner, name)
        with errors_of_the_program():
            value = getattr(owner, name)
        if name == "__dict__":
            self._session.journal.made_with(owner, value)
        return read(value) if type(value) in (Maybe, Choice, Poison) else value

    def _of_number(self, owner: Any, name: str) -> Any:
        number = self._session.operand(owner)
        if name == "astype":  # as NumPy's numbers have it
            return lambda kind: self._calls.call(kind)(number)
        found, is_method = method_of(number, name)
        if found is None:
            with errors_of_the_program():
                return getattr(owner, name)
        called = functools.partial(self._calls.call(found), number)
        return called if is_method else called()

    def _cached(self, known: cached_property[Any], owner: object, name: str) -> Any:
        """A cached property, computed unless it has been already."""
        held = getattr(owner, "__dict__", {}).get(name, UNSET)
        if isinstance(held, Maybe) and held.absent is UNSET:
            compute = self._calls.call(known.func)
            value = self._conditionals.if_exp(
                held.present, lambda: held.value, lambda: compute(owner)
            )
        elif held is UNSET:
            value = self._calls.call(known.func)(owner)
        else:
            return held
        self._session.journal.touch(AttributeSlot(owner, name))
        vars(owner)[name] = value
        return value

    @for_each(1)
    def set_attr(self, value: object, owner: object, name: str) -> None:
        """``owner.name = value``."""
        owner = force(owner, AttributeError)
        session = self._session
        session.check_changeable(owner)
        session.aliases.about_to_write(owner)
        known = getattr(type(owner), name, None)
        if isinstance(known, property) and type(known.fset) is FunctionType:
            self._calls.call(known.fset)(owner, value)
            return
        own = special_method(owner, "__setattr__")
        if own is not None and own.__func__.__code__.co_filename != "<string>":
            self._calls.call(own)(name, value)
            return
        if isinstance(owner, torch.Tensor) and not hasattr(type(owner), name):
            session.tensors.tag(owner)
        session.journal.touch(AttributeSlot(owner, name))
        with errors_of_the_program():
            (put_attribute if isinstance(owner, torch.nn.Module) else setattr)(owner, name, value)

    @for_each(0)
    def del_attr(self, owner: object, name: str) -> None:
        """``del owner.name``."""
        owner = force(owner, AttributeError)
        self._session.check_changeable(owner)
        self._session.aliases.about_to_write(owner)
        self._session.journal.touch(AttributeSlot(owner, name))
        force(getattr(owner, name, None))
        delattr(owner, name)
