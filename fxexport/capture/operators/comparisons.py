"""What comparisons, identity tests and membership tests become in rewritten code."""

from __future__ import annotations

import functools
import operator
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from types import MethodType
from typing import Any, cast

import torch

from fxexport.capture.operators.arithmetic import Arithmetic
from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.conditionals import Conditionals
from fxexport.capture.operators.logic import Logic
from fxexport.capture.operators.lookups import Lookups
from fxexport.capture.operators.membership import Membership
from fxexport.capture.operators.special_methods import special_method
from fxexport.capture.session.journal import UNSET
from fxexport.capture.session.list_runs import is_open, length_of, refuse_open
from fxexport.capture.session.session import Poison, Session, is_symbolic, sym_type
from fxexport.capture.staging.alternatives import for_each
from fxexport.capture.values.identity import is_found_by_identity, refuse_merged
from fxexport.capture.values.maybe import Maybe, force, is_dynamic, narrowed
from fxexport.capture.values.set_methods import are_uncertain
from fxexport.capture.values.symbolic_text import OpenText, refuse_open_text
from fxexport.capture.values.uncertain_keys import settled
from fxexport.capture.values.uncertain_sets import Group
from fxexport.source.exceptions import errors_of_the_program

__all__ = ["Comparisons"]


class Comparisons:
    """The operators that compare two values.

    Args:
        session: the capture.
        conditionals: stage a comparison that depends on whether a value is there.
        calls: call the special methods of the program's classes.
        logic: connects the comparisons of items.
        arithmetic: makes numbers of what is compared.
        lookups: compare text that only the run knows.
    """

    def __init__(
        self,
        session: Session,
        conditionals: Conditionals,
        calls: Calls,
        logic: Logic,
        arithmetic: Arithmetic,
        lookups: Lookups,
    ) -> None:
        self._session = session
        self._conditionals = conditionals
        self._calls = calls
        self._logic = logic
        self._arithmetic = arithmetic
        self._lookups = lookups
        self.membership = Membership(session, calls, logic, self.eq, self.is_)
        self._by_symbol: dict[str, Callable[[Any, Any], object]] = {
            "<": functools.partial(self.order, "<"),
            "<=": functools.partial(self.order, "<="),
            ">": functools.partial(self.order, ">"),
            ">=": functools.partial(self.order, ">="),
            "==": self.eq,
            "!=": self.ne,
            "in": self.membership.contains,
            "not in": self.membership.lacks,
            "is": self.is_,
            "is not": self.is_not,
        }

    @for_each(0, 1, takes_none=True)
    def is_(self, a: object, b: object) -> object:
        """``a is b``."""
        a, b = (
            force(v) if isinstance(v, Maybe) and v.absent is UNSET else narrowed(v) for v in (a, b)
        )
        for value in (a, b):
            if isinstance(value, Poison):
                raise value.refuse()
        if a is b:
            return True
        for one, other in ((a, b), (b, a)):
            if isinstance(one, Maybe):
                if other is None:
                    return torch.sym_not(one.present)
                return self._logic.and_(
                    lambda: one.present,  # noqa: B023
                    lambda: self.is_(one.value, other),  # noqa: B023
                )
            if isinstance(one, torch.SymBool):
                return self.eq(one, other) if isinstance(other, (bool, torch.SymBool)) else False
            if is_symbolic(one):
                return self.eq(one, other) if sym_type(one) is sym_type(other) else False
        if a is not None and b is not None:
            refuse_merged(self._session, a, b)
        return a is b

    def is_not(self, a: object, b: object) -> object:
        """``a is not b``."""
        return self._logic.not_(self.is_(a, b))

    @for_each(0, 1, takes_none=True, goes_through=True, reads=True)
    def eq(self, a: object, b: object) -> object:
        """``a == b``; sequences with symbolic numbers are compared item by item."""
        if isinstance(a, Maybe) or isinstance(b, Maybe):
            return self._eq_where_present(a, b)
        if is_open(a) or is_open(b):
            return _eq_open(a, b)
        for one, other in ((a, b), (b, a)):
            own = special_method(one, "__eq__")
            if own is not None:
                result = self._own_eq(own, other)
                if result is not NotImplemented:
                    return result
        parts = _parts(a, b)
        if parts is not None:
            if len(parts[0]) != len(parts[1]):
                return False
            pairs = zip(*parts, strict=True)
            same = self.membership.same
            return self._logic.and_(*[lambda x=x, y=y: same(x, y) for x, y in pairs], lambda: True)
        for one, other in ((a, b), (b, a)):
            if isinstance(one, OpenText) and not isinstance(other, OpenText):
                return self._lookups.equal(one, other)
        for value in (a, b):
            refuse_open_text(value)
            settled(value)
        if a is not b and is_found_by_identity(a) and not isinstance(a, torch.Tensor):
            refuse_merged(self._session, a, b)
        a, b = self._arithmetic.comparable(a, b)
        return a == b

    def _own_eq(self, own: MethodType, other: object) -> object:
        """``__eq__`` of a class of the program; that of a dataclass compares field by field."""
        if own.__func__.__code__.co_filename != _GENERATED or not is_dataclass(own.__self__):
            return self._calls.call(own)(other)
        if type(other) is not type(own.__self__):
            return NotImplemented
        # Up to Python 3.12 fields are compared as the items of a tuple, later each with `==`.
        compare = self.membership.same if sys.version_info < (3, 13) else self.eq
        names = [field.name for field in fields(own.__self__) if field.compare]
        both = [(getattr(own.__self__, name), getattr(other, name)) for name in names]
        return self._logic.and_(*[lambda x=x, y=y: compare(x, y) for x, y in both], lambda: True)

    def _eq_where_present(self, a: object, b: object) -> object:
        maybe, other = (a, b) if isinstance(a, Maybe) else (b, a)
        assert isinstance(maybe, Maybe)
        if maybe.absent is UNSET or not isinstance(narrowed(maybe), Maybe):
            return self.eq(force(maybe) if maybe.absent is UNSET else narrowed(maybe), other)
        if other is None:
            return torch.sym_not(maybe.present)
        return self._conditionals.if_exp(
            maybe.present, lambda: self.eq(maybe.value, other), lambda: self.eq(None, other)
        )

    @for_each(0, 1, takes_none=True, goes_through=True, reads=True)
    def ne(self, a: object, b: object) -> object:
        """``a != b``."""
        if isinstance(a, Maybe) or isinstance(b, Maybe):
            return self._logic.not_(self._eq_where_present(a, b))
        for one, other in ((a, b), (b, a)):
            own = special_method(one, "__ne__")
            result = NotImplemented if own is None else self._calls.call(own)(other)
            if result is not NotImplemented:
                return result
            if own is None and special_method(one, "__eq__") is not None:
                return self._logic.not_(self.eq(a, b))
        if _parts(a, b) is not None or isinstance(a, OpenText) or isinstance(b, OpenText):
            return self._logic.not_(self.eq(a, b))
        for value in (a, b):
            refuse_open_text(value)
            settled(value)
        a, b = self._arithmetic.comparable(a, b)
        return a != b

    @for_each(1, 2, reads=True)
    def order(self, symbol: str, a: object, b: object) -> object:
        """``a < b`` and kin."""
        if are_uncertain(a, b):
            return self._arithmetic.sets.ordered(symbol, cast("Group", a), cast("Group", b))
        a, b = self._arithmetic.comparable(a, b)
        with errors_of_the_program():
            return _ORDER[symbol](a, b)

    def chain(
        self, symbols: tuple[str, ...], left: object, *thunks: Callable[[], object]
    ) -> object:
        """``a < b < c``: each operand once, and only as far as needed."""
        symbol, *more = symbols
        right = thunks[0]()
        value = self._by_symbol[symbol](left, right)
        if not more:
            return value
        return self._logic.and_(lambda: value, lambda: self.chain(tuple(more), right, *thunks[1:]))


_ORDER: dict[str, Callable[[Any, Any], object]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# The file of functions that `dataclasses` writes.
_GENERATED = "<string>"


def _parts(a: Any, b: Any) -> tuple[Sequence[Any], Sequence[Any]] | None:
    """What two lists, tuples or dicts are compared by, where something dynamic is in them.

    None for anything else: Python compares that by itself.
    """
    if isinstance(a, dict) and isinstance(b, dict):
        for value in (a, b):
            settled(value)
        keys = list(a)
        if isinstance(a, OrderedDict) and isinstance(b, OrderedDict) and keys != list(b):
            return None
        if a.keys() != b.keys():
            return None
        values = list(a.values()), [b[key] for key in keys]
        return values if any(map(_is_compared, values)) else None
    if not isinstance(a, (tuple, list)) or not isinstance(b, (tuple, list)):
        return None
    sizes = isinstance(a, torch.Size) or isinstance(b, torch.Size)
    if not sizes and isinstance(a, tuple) != isinstance(b, tuple):
        return None
    return (a, b) if _is_compared(a) or _is_compared(b) else None


def _is_compared(values: Sequence[Any]) -> bool:
    """Whether something in there takes more than Python's own comparison."""
    return any(
        _is_compared(list(value.values()) if isinstance(value, dict) else value)
        if isinstance(value, (tuple, list, dict))
        else is_dynamic(value) or special_method(value, "__eq__") is not None
        for value in values
    )


def _eq_open(a: Any, b: Any) -> object:
    """Lists of which one has a dynamic length; compared with an empty one only."""
    if type(a) is not type(b):
        return False
    if len(a) == 0 or len(b) == 0:
        return length_of(a) == length_of(b)
    raise refuse_open("compared with another")
