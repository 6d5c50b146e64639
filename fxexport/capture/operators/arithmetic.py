"""What arithmetic becomes in rewritten code."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import torch

from fxexport.capture.operators import staged_functions
from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.iteration import Iteration
from fxexport.capture.operators.special_methods import Operand, has_operators
from fxexport.capture.operators.writing import about_to_change
from fxexport.capture.recording.types import Number
from fxexport.capture.session.session import Session, is_symbolic
from fxexport.capture.staging.alternatives import for_each
from fxexport.capture.values.maybe import force
from fxexport.capture.values.symbolic_text import joined_text
from fxexport.capture.values.uncertain_keys import settled
from fxexport.graph import scalars

__all__ = ["AUGMENT", "BITWISE", "Arithmetic"]

_Binary = Callable[[Any, Any], object]
BITWISE: dict[str, _Binary] = {
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
}
AUGMENT: dict[str, _Binary] = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv,
    "Mod": operator.imod,
    "Pow": operator.ipow,
    "MatMult": operator.imatmul,
    "BitAnd": operator.iand,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "LShift": operator.ilshift,
    "RShift": operator.irshift,
}


class Arithmetic:
    """The operators on numbers, and on lists that are added and multiplied."""

    def __init__(self, session: Session, calls: Calls, iteration: Iteration) -> None:
        self._session = session
        self._calls = calls
        self._iteration = iteration

    def number(self, value: object) -> Any:
        """An operand of arithmetic: a symbolic bool counts as 0 or 1."""
        if type(value) is torch.SymBool:
            return torch.sym_ite(value, 1, 0)
        value = force(value)
        return Operand(self._calls.call, value) if has_operators(value) else value

    def comparable(self, a: object, b: object) -> tuple[Any, Any]:
        """Two values of which one may be symbolic, with bools as the numbers that they are."""
        if is_symbolic(a) or is_symbolic(b):
            a, b = (int(v) if isinstance(v, bool) else self.number(v) for v in (a, b))
        return a, b

    @for_each(1, 2, goes_through=True)
    def bitwise(self, name: str, a: object, b: object) -> object:
        """``a & b`` and kin; on two bools they are logic."""
        a, b = settled(force(a)), settled(force(b))
        bools = all(isinstance(value, (bool, torch.SymBool)) for value in (a, b))
        if bools and (is_symbolic(a) or is_symbolic(b)):
            if name == "BitXor":
                a, b = self.comparable(a, b)
                return a != b
            connect = scalars.and_ if name == "BitAnd" else scalars.or_
            sides = (cast("Number", a), cast("Number", b))
            return self._session.recorder.scalar_op(connect, *sides)
        return BITWISE[name](self.number(a), self.number(b))

    @for_each(0, 1)
    def add(self, a: object, b: object) -> Any:
        """``a + b``."""
        if isinstance(a, str) and isinstance(b, str):
            return joined_text([a, b])
        return self._new(self.number(a) + self.number(b))

    @for_each(0, 1)
    def multiply(self, a: object, b: object) -> object:
        """``a * b``; a list may be repeated a dynamic number of times."""
        a, b = force(a), force(b)
        items, times = (a, b) if isinstance(a, (list, tuple)) else (b, a)
        if isinstance(items, (list, tuple)) and isinstance(times, torch.SymInt):
            made = self._calls.call(staged_functions.repeated)(items, times)
            return made if isinstance(items, list) else tuple(made)
        return self._new(self.number(a) * self.number(b))

    @for_each(1, 2)
    def augment(self, name: str, old: object, value: object) -> object:
        """``old op= value``."""
        old, value = settled(force(old)), settled(force(value))
        about_to_change(self._session, old)
        if name == "Add" and isinstance(old, (list, deque)):
            plain: Any = list.append if isinstance(old, list) else deque.append
            self._iteration.pour(value, plain.__get__(old))
            return old
        if name == "Mult" and isinstance(old, list):
            # The list itself is changed, also for its other names.
            old[:] = cast("list[object]", self.multiply(old, value))
            return old
        if name == "Mult" and isinstance(old, tuple):
            return self.multiply(old, value)
        if name in BITWISE and isinstance(old, (bool, torch.SymBool)):
            return self.bitwise(name, old, value)
        return AUGMENT[name](self.number(old), self.number(value))

    def _new(self, value: object) -> Any:
        return self._session.journal.made(value) if type(value) is list else value
