"""What is known of a number by the operation that makes it and by its operands."""

from __future__ import annotations

import abc
import contextlib
import enum
import operator
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import sympy
import torch
from torch import fx
from torch.utils._sympy.functions import FloorDiv, PythonMod

from fxexport._torch_compat import bounds_within
from fxexport.graph.scalars import maximum, minimum, select, to_int

__all__ = [
    "Arithmetic",
    "NoBound",
    "Operation",
    "least_of_operation",
    "operation_of",
    "upper_of_operation",
]

Answer = TypeVar("Answer")
Operand = TypeVar("Operand")


class NoBound(Exception):
    """Nothing that is known bounds a size or number.

    Attributes:
        node: what it is about; None where that is the node that was asked for.
    """

    def __init__(self, why: str = "a size has no known limit", node: fx.Node | None = None) -> None:
        super().__init__(why)
        self.node = node


class Arithmetic(abc.ABC, Generic[Answer]):
    """How one kind of upper bound is computed from others.

    An answer says that a number is at most something. All numbers are whole.
    """

    @abc.abstractmethod
    def constant(self, number: int) -> Answer:
        """A number that is always the same."""

    @abc.abstractmethod
    def total(self, parts: Sequence[Answer]) -> Answer:
        """A bound of a sum, by bounds of its summands."""

    @abc.abstractmethod
    def product(self, parts: Sequence[Answer]) -> Answer:
        """A bound of a product, by bounds of its factors; none of these is below 0."""

    @abc.abstractmethod
    def maximum(self, parts: Sequence[Answer]) -> Answer:
        """A bound of the largest of some numbers."""

    @abc.abstractmethod
    def minimum(self, found: Sequence[Answer], complete: bool) -> Answer:
        """A bound of a number that has several, or of the smallest of some numbers.

        Args:
            found: the bounds.
            complete: whether it is the smallest of just these numbers.

        Raises:
            NoBound: there are none.
        """

    @abc.abstractmethod
    def divided(self, bound: Answer, by: int) -> Answer:
        """A bound of what is divided by a positive number and rounded down."""

    def one_of(self, parts: Sequence[Answer]) -> Answer:
        """A bound of one of some numbers."""
        return self.maximum(parts)

    def at_most(self, bound: Answer) -> Answer:
        """The same bound of a number that need not be the bound itself."""
        return bound

    def exact_product(self, parts: Sequence[Answer]) -> Answer | None:
        """A product of whatever sign; None unless the answers are the very numbers."""
        return None


class Operation(enum.Enum):
    """What makes a whole number of others."""

    ADD = enum.auto()
    SUBTRACT = enum.auto()
    NEGATE = enum.auto()
    MULTIPLY = enum.auto()
    FLOOR_DIVIDE = enum.auto()
    MODULO = enum.auto()  # with the sign of the right side, as Python's
    MAXIMUM = enum.auto()
    MINIMUM = enum.auto()
    ONE_OF = enum.auto()  # its operands without the condition
    SAME = enum.auto()


_OF_EXPRESSIONS = {
    "Add": Operation.ADD,
    "Mul": Operation.MULTIPLY,
    "FloorDiv": Operation.FLOOR_DIVIDE,
    "CleanDiv": Operation.FLOOR_DIVIDE,
    "Mod": Operation.MODULO,
    "PythonMod": Operation.MODULO,
    "Max": Operation.MAXIMUM,
    "Min": Operation.MINIMUM,
}
_OF_NODES: dict[object, Operation] = {
    operator.add: Operation.ADD,
    operator.sub: Operation.SUBTRACT,
    operator.neg: Operation.NEGATE,
    operator.mul: Operation.MULTIPLY,
    operator.floordiv: Operation.FLOOR_DIVIDE,
    operator.mod: Operation.MODULO,
    maximum: Operation.MAXIMUM,
    minimum: Operation.MINIMUM,
    select: Operation.ONE_OF,
}


def operation_of(made: fx.Node | sympy.Expr) -> tuple[Operation, list[object]] | None:
    """The operation on whole numbers that a node or expression is, and its operands."""
    if not isinstance(made, fx.Node):
        operation = _OF_EXPRESSIONS.get(made.func.__name__)
        return None if operation is None else (operation, list(made.args))
    if made.op != "call_function":
        return None
    if made.target is to_int:
        (given,) = made.args
        val = given.meta.get("val") if isinstance(given, fx.Node) else given
        whole = isinstance(val, (int, torch.SymInt, torch.SymBool))
        return (Operation.SAME, [given]) if whole else None
    operation = _OF_NODES.get(made.target)
    if operation is None:
        return None
    return operation, list(made.args[1:] if operation is Operation.ONE_OF else made.args)


def upper_of_operation(
    arithmetic: Arithmetic[Answer],
    operation: Operation,
    operands: Sequence[Operand],
    upper: Callable[[Operand], Answer],
    least: Callable[[Operand], int | None],
) -> Answer:
    """An upper bound of what an operation makes.

    Args:
        arithmetic: how bounds are computed from others.
        operation: the operation.
        operands: nodes, expressions or numbers.
        upper: an upper bound of an operand.
        least: a lower bound of an operand; None where there is none.

    Raises:
        NoBound: there is none.
    """
    if operation is Operation.SAME:
        return upper(operands[0])
    if operation is Operation.ADD:
        return arithmetic.total([upper(operand) for operand in operands])
    if operation is Operation.SUBTRACT:
        left, right = operands
        return arithmetic.total([upper(left), _times(arithmetic, -1, [right], upper, least)])
    if operation is Operation.NEGATE:
        return _times(arithmetic, -1, operands, upper, least)
    if operation is Operation.MULTIPLY:
        numbers = [int(o) for o in operands if _is_number(o)]  # type: ignore[call-overload]
        rest = [operand for operand in operands if not _is_number(operand)]
        factor = 1
        for number in numbers:
            factor *= number
        return _times(arithmetic, factor, rest, upper, least)
    if operation is Operation.MAXIMUM:
        return arithmetic.maximum([upper(operand) for operand in operands])
    if operation is Operation.ONE_OF:
        return arithmetic.one_of([upper(operand) for operand in operands])
    if operation is Operation.MINIMUM:
        found = []
        for operand in operands:
            with contextlib.suppress(NoBound):
                found.append(upper(operand))
        return arithmetic.minimum(found, complete=len(found) == len(operands))
    number, by = operands
    if operation is Operation.FLOOR_DIVIDE and _is_number(by) and by > 0:  # type: ignore[operator]
        return arithmetic.divided(upper(number), int(by))  # type: ignore[call-overload]
    if operation is Operation.MODULO:
        at_least = least(by)
        if at_least is not None and at_least >= 0:  # by 0 nothing is divided
            return arithmetic.at_most(arithmetic.total([upper(by), arithmetic.constant(-1)]))
    raise NoBound("a size is computed in a way that has no known limit")


def _times(
    arithmetic: Arithmetic[Answer],
    factor: int,
    rest: Sequence[Operand],
    upper: Callable[[Operand], Answer],
    least: Callable[[Operand], int | None],
) -> Answer:
    """A number times some others: of these, the bounds tell only where none is below 0."""
    with contextlib.suppress(NoBound):
        parts = [arithmetic.constant(factor), *map(upper, rest)]
        exact = arithmetic.exact_product(parts)
        if exact is not None:
            return exact
    smallest = factor
    for operand in rest:
        at_least = least(operand)
        if at_least is None or at_least < 0:
            raise NoBound
        smallest *= at_least
    if factor < 0:
        return arithmetic.at_most(arithmetic.constant(smallest))
    return arithmetic.product([arithmetic.constant(factor), *map(upper, rest)])


_SYMBOLIC: dict[Operation, Callable[..., sympy.Expr]] = {
    Operation.SAME: lambda a: a,
    Operation.ADD: sympy.Add,
    Operation.SUBTRACT: operator.sub,
    Operation.NEGATE: operator.neg,
    Operation.MULTIPLY: sympy.Mul,
    Operation.FLOOR_DIVIDE: FloorDiv,
    Operation.MODULO: PythonMod,
    Operation.MAXIMUM: sympy.Max,
    Operation.MINIMUM: sympy.Min,
    Operation.ONE_OF: sympy.Min,
}


def least_of_operation(
    operation: Operation, operands: Sequence[Operand], least: Callable[[Operand], int | None]
) -> int | None:
    """A lower bound of what an operation makes; None where there is none.

    Args:
        operation: the operation.
        operands: nodes, expressions or numbers.
        least: a lower bound of an operand; None where there is none.
    """
    symbols, ranges = [], {}
    for k, operand in enumerate(operands):
        if _is_number(operand):
            symbols.append(sympy.Integer(operand))
            continue
        symbols.append(sympy.Symbol(f"operand{k}", integer=True))
        ranges[symbols[-1]] = (least(operand), None)
    found = bounds_within(_SYMBOLIC[operation](*symbols), ranges)[0]
    return None if found is None else int(found)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, sympy.Integer))
