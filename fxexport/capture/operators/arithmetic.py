"""What arithmetic becomes in rewritten code."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable
from enum import Flag
from typing import Any, cast

import numpy as np
import sympy
import torch

from fxexport.capture.operators import staged_functions
from fxexport.capture.operators.calls import Calls
from fxexport.capture.operators.iteration import Iteration
from fxexport.capture.operators.lookups import Lookups
from fxexport.capture.operators.special_methods import Operand, has_operators
from fxexport.capture.operators.writing import about_to_change
from fxexport.capture.recording.types import Number
from fxexport.capture.session.new_objects import noted_if_new
from fxexport.capture.session.session import Session, is_symbolic, sym_type
from fxexport.capture.staging.alternatives import for_each
from fxexport.capture.values.maybe import force
from fxexport.capture.values.set_methods import SetMethods, are_uncertain
from fxexport.capture.values.symbolic_text import joined_text
from fxexport.capture.values.uncertain_keys import settled
from fxexport.capture.values.uncertain_sets import Group
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph import scalars
from fxexport.source.exceptions import errors_of_the_program
from fxexport.source.frames import user_location

__all__ = ["AUGMENT", "BINARY", "BITWISE", "Arithmetic"]

_Binary = Callable[[Any, Any], object]
BITWISE: dict[str, _Binary] = {
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
}
BINARY: dict[str, _Binary] = {
    "Sub": operator.sub,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "MatMult": operator.matmul,
    "LShift": operator.lshift,
    "RShift": operator.rshift,
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

    def __init__(
        self, session: Session, calls: Calls, iteration: Iteration, lookups: Lookups
    ) -> None:
        self._session = session
        self._lookups = lookups
        self._calls = calls
        self._iteration = iteration
        self.sets = SetMethods(session, iteration.iterate)

    def number(self, value: object) -> Any:
        """An operand of arithmetic: a symbolic bool counts as 0 or 1."""
        if type(value) is torch.SymBool:
            return self.as_int(value)
        value = force(value)
        return Operand(self._calls.call, value) if has_operators(value) else value

    def as_int(self, flag: torch.SymBool) -> Any:
        """1 or 0."""
        if not flag.node.expr.has(sympy.Piecewise):
            return torch.sym_ite(flag, 1, 0)
        # PyTorch cannot work out a choice that hangs on a choice.
        number = self._session.recorder.scalar_op(scalars.to_int, flag)
        self._session.env.set_range(number.node.expr, 0, 1)
        return number

    def numbers(self, a: object, b: object) -> tuple[Any, Any]:
        """Two operands; beside a symbolic one, what is a kind of int or float is plainly one."""
        a, b = self.number(a), self.number(b)
        if is_symbolic(a) or is_symbolic(b):
            return _plain(a), _plain(b)
        return a, b

    def comparable(self, a: object, b: object) -> tuple[Any, Any]:
        """Two values of which one may be symbolic, with bools as the numbers that they are."""
        if is_symbolic(a) or is_symbolic(b):
            a, b = (int(v) if isinstance(v, bool) else _plain(self.number(v)) for v in (a, b))
        return a, b

    def binary(self, name: str, a: object, b: object) -> object:
        """``a - b``, ``a / b`` and the other operators that have no rule of their own."""
        if name == "Sub" and are_uncertain(a, b):
            return self.sets.combined(name, cast("Group", a), cast("Group", b))
        return self._binary(name, a, b)

    @for_each(1, 2, reads=True)
    def _binary(self, name: str, a: object, b: object) -> object:
        if name == "Sub" and are_uncertain(a, b):
            return self.binary(name, a, b)
        if name == "Mod" and isinstance(a, str):
            return self._lookups.percent(a, b)
        if name == "Mod" and isinstance(a, bytes):
            return _done(operator.mod, a, b)
        left, right = self.numbers(a, b)
        if name == "Pow" and isinstance(right, torch.SymInt) and sym_type(left) in (int, bool):
            return self._int_power(left, right)
        if name in ("LShift", "RShift") and isinstance(right, torch.SymInt):
            self._session.take_for_granted(
                right >= 0, "a number is shifted by 0 or more places", "ValueError"
            )
            return _shifted(name, left, right)
        self._keep_in_domain(name, left, right)
        return self._power(left, right) if name == "Pow" else _done(BINARY[name], left, right)

    def _keep_in_domain(self, name: str, left: Any, right: Any) -> None:
        """Where the program may catch what Python raises, it is asked for here."""
        session = self._session
        if name == "Pow" and (is_symbolic(left) or is_symbolic(right)):
            session.refuse_if_caught("ArithmeticError")
        if name not in ("Div", "FloorDiv", "Mod") or not is_symbolic(right):
            return
        if isinstance(left, torch.Tensor) or session.known(right != 0) is not None:
            return
        session.raises_where_caught(right != 0, "nothing is divided by 0", "ZeroDivisionError")

    def _power(self, base: Any, exponent: Any) -> Any:
        # PyTorch wants bases of 0 and more; which powers there are, `passes/value_guards.py` says.
        with self._session.env.untold():
            return _done(operator.pow, base, exponent)

    def _int_power(self, base: Any, exponent: torch.SymInt) -> object:
        """An int to the power of a symbolic one: the sign of that decides what it is in Python."""
        if self._session.known(exponent <= 0):
            made = self._power(torch.sym_float(base), exponent)
            if not self._session.known(exponent < 0):
                self._session.promote(made)  # of exponent 0 it is the int 1
            return made
        self._session.take_for_granted(
            exponent >= 0, "an exponent is not negative (the power would be no whole number)"
        )
        if not is_symbolic(base):
            return base**exponent
        return self._session.recorder.scalar_op(operator.pow, base, exponent)

    @for_each(1, reads=True)
    def unary(self, name: str, value: object) -> object:
        """``~value`` and ``+value``."""
        there = self.number(value)
        if not is_symbolic(there):
            return _done(operator.pos if name == "UAdd" else operator.invert, there)
        if name == "UAdd":
            return there
        if sym_type(there) is float:
            raise TypeError("bad operand type for unary ~: 'float'")
        return -there - 1

    def bitwise(self, name: str, a: object, b: object) -> object:
        """``a & b`` and kin; on two bools they are logic."""
        if are_uncertain(a, b):
            return self.sets.combined(name, cast("Group", a), cast("Group", b))
        return self._bitwise(name, a, b)

    @for_each(1, 2, goes_through=True, reads=True)
    def _bitwise(self, name: str, a: object, b: object) -> object:
        a, b = settled(force(a)), settled(force(b))
        bools = all(isinstance(value, (bool, torch.SymBool)) for value in (a, b))
        if bools and (is_symbolic(a) or is_symbolic(b)):
            if name == "BitXor":
                a, b = self.comparable(a, b)
                return a != b
            connect = scalars.and_ if name == "BitAnd" else scalars.or_
            sides = (cast("Number", a), cast("Number", b))
            return self._session.recorder.scalar_op(connect, *sides)
        for flags, other in ((a, b), (b, a)):
            if isinstance(flags, Flag) and is_symbolic(other):
                # Of a number below 0 Python takes the bits that the flags have.
                self._session.take_for_granted(
                    self.number(other) >= 0, "a number that is combined with flags is not negative"
                )
        left, right = self.numbers(a, b)
        return self._new(_done(BITWISE[name], left, right))

    @for_each(0, 1, reads=True)
    def add(self, a: object, b: object) -> Any:
        """``a + b``."""
        if isinstance(a, str) and isinstance(b, str):
            return joined_text([a, b])
        left, right = self.numbers(a, b)
        return self._new(_done(operator.add, left, right))

    @for_each(0, 1, reads=True)
    def multiply(self, a: object, b: object) -> object:
        """``a * b``; a list may be repeated a dynamic number of times."""
        a, b = force(a), force(b)
        items, times = (a, b) if isinstance(a, (list, tuple)) else (b, a)
        if isinstance(items, (list, tuple)) and isinstance(times, torch.SymInt):
            made = self._calls.call(staged_functions.repeated)(items, times)
            return made if isinstance(items, list) else tuple(made)
        left, right = self.numbers(a, b)
        return self._new(_done(operator.mul, left, right))

    @for_each(1, 2)
    def augment(self, name: str, old: object, value: object) -> object:
        """``old op= value``."""
        old, value = force(old), force(value)
        if are_uncertain(old, value):
            return self._augment_set(name, cast("Group", old), cast("Group", value))
        old, value = settled(old), settled(value)
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
        if isinstance(old, str) and name in ("Add", "Mod"):
            return self.add(old, value) if name == "Add" else self.binary(name, old, value)
        if name in BINARY and (is_symbolic(old) or is_symbolic(value)):
            return self.binary(name, old, value)
        left, right = self.numbers(old, value)
        return _done(AUGMENT[name], left, right)

    def _augment_set(self, name: str, old: Group, value: Group) -> Group:
        made = self.sets.combined(name, old, value)
        if not isinstance(old, set):
            return made
        about_to_change(self._session, old)
        self.sets.refill(old, made)
        return old

    def _new(self, value: Any) -> Any:
        return noted_if_new(self._session.journal, value)


def _shifted(name: str, number: Any, places: torch.SymInt) -> object:
    """``number << places`` or ``number >> places``."""
    try:
        return _done(BINARY[name], number, places)
    except (AttributeError, TypeError) as error:
        # Before 2.13 PyTorch asks whether the places are below 0, and cannot say.
        raise UnsupportedError(
            "a shift by a number that is known only when the model runs, with this PyTorch",
            code=Code.NO_ONNX_FORM,
            location=user_location(),
            hint="multiply by 2 ** n, divide by it with //, or install PyTorch 2.13 or newer",
        ) from error


def _done(function: Callable[..., Any], *operands: object) -> Any:
    """What Python gives for operands; its errors are the program's."""
    with errors_of_the_program():
        return function(*operands)


def _plain(value: Any) -> Any:
    """A number of a class of its own (an `IntEnum`, numpy's) as the int or float that it is."""
    if type(value) in (int, float, bool) or isinstance(value, torch.Tensor):
        return value
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    return value.item() if isinstance(value, np.generic) else value
