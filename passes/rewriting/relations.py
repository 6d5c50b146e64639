"""Relations between sizes, which a graph holds as Python texts, as nodes and as what they ask."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from fxexport.passes.rewriting.intervals import interval_of
from torch import fx

from fxexport._torch_compat import fresh_size
from fxexport.graph.arguments import node_of, tensor_of
from fxexport.graph.contracts import SizeNeed
from fxexport.graph.editing import call
from fxexport.graph.scalars import (
    absolute,
    and_,
    ceil,
    floor,
    maximum,
    minimum,
    not_,
    or_,
    result_type,
    round_half_even,
    select,
    to_float,
    to_int,
)
from fxexport.profiles.relations import BINARY, COMPARED

__all__ = ["NoForm", "SimpleNeed", "simple_need", "write_relation"]


class NoForm(Exception):
    """A relation that cannot be written with the graph's functions on numbers."""


@dataclass(frozen=True)
class SimpleNeed:
    """What a relation asks of one size: that it is divided, in a range, or equal to another."""

    multiple: int = 1
    low: int = 0
    high: int | None = None
    equal: bool = False

    def added_to(self, need: SizeNeed, other: int) -> SizeNeed:
        """Both needs of one size, with the position of the size that it is equal to."""
        multiple, low, high, same = need
        highs = [bound for bound in (high, self.high) if bound is not None]
        return (
            math.lcm(multiple, self.multiple),
            max(low, self.low),
            min(highs) if highs else None,
            other if self.equal else same,
        )


def simple_need(expression: str) -> SimpleNeed | None:
    """What a relation asks, if it is one of the simple ones.

    Args:
        expression: Python over ``d0``, ``d1``, ...
    """
    match ast.parse(expression, mode="eval").body:
        case ast.Compare(
            left=ast.BinOp(left=ast.Name(), op=ast.Mod(), right=ast.Constant(value=int(factor))),
            ops=[ast.Eq()],
            comparators=[ast.Constant(value=0)],
        ) if factor > 0:
            return SimpleNeed(multiple=factor)
        case ast.Compare(left=ast.Name(), ops=[op], comparators=[ast.Constant(value=int(bound))]):
            return _bound(type(op), bound)
        case ast.Compare(left=ast.Constant(value=int(bound)), ops=[op], comparators=[ast.Name()]):
            return _bound(_TURNED.get(type(op), ast.Is), bound)
        case ast.Compare(left=ast.Name(), ops=[ast.Eq()], comparators=[ast.Name()]):
            return SimpleNeed(equal=True)
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return _clamped(left, right) or _clamped(right, left)
    interval = interval_of(expression)
    return None if interval is None else SimpleNeed(low=interval[0], high=interval[1])


def _clamped(size: ast.expr, call: ast.expr) -> SimpleNeed | None:
    """What it means that a size is ``min(size, 64)`` or ``max(1, size)``."""
    match size, call:
        case ast.Name(), ast.Call(func=ast.Name(id="min" | "max" as name), args=[*args]):
            bounds = [arg.value for arg in args if isinstance(arg, ast.Constant)]
            others = [arg for arg in args if not isinstance(arg, ast.Constant)]
            if list(map(ast.unparse, others)) == [ast.unparse(size)] and len(bounds) == 1:
                (bound,) = bounds
                op = ast.LtE if name == "min" else ast.GtE
                return _bound(op, bound) if isinstance(bound, int) else None
    return None


_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
}  # fmt: skip


def _bound(op: type[ast.cmpop], bound: int) -> SimpleNeed | None:
    """What ``size op bound`` asks."""
    if op is ast.NotEq and bound == 0:  # sizes are never below it
        return SimpleNeed(low=1)
    if op is ast.GtE or op is ast.Gt:
        return SimpleNeed(low=bound + (op is ast.Gt))
    if op is ast.LtE or op is ast.Lt:
        return SimpleNeed(high=bound - (op is ast.Lt))
    return SimpleNeed(low=bound, high=bound) if op is ast.Eq else None


def write_relation(expression: str, names: Mapping[str, fx.Node], before: fx.Node) -> Any:
    """The nodes of a relation, before a node; false where it divides by 0.

    Args:
        expression: Python over the names.
        names: the node of each.
        before: where the nodes go.

    Raises:
        NoForm: it has something that the graph has no function for.
    """
    writer = _Writer(names, before)
    condition = writer.value(ast.parse(expression, mode="eval").body)
    return reduce(lambda a, b: writer.emit(and_, a, b), [condition, *writer.divisors])


class _Writer:
    """Writes the nodes of one relation."""

    def __init__(self, names: Mapping[str, fx.Node], before: fx.Node) -> None:
        self._names = names
        self._before = before
        self.divisors: list[Any] = []
        """Conditions that what is divided by is not 0."""

    def emit(self, function: Callable[..., Any], *args: Any) -> Any:
        """A node, or the number that a function gives of numbers."""
        if not any(isinstance(arg, fx.Node) for arg in args):
            return function(*args)
        kind = result_type(function, [_kind(arg) for arg in args])
        val: Any = self._any_int() if kind is int else 0.0 if kind is float else True
        return call(self._before, function, *args, val=val)

    def _any_int(self) -> torch.SymInt:
        """A number of which nothing is known; facts of capture would decide what is checked."""
        size = next(iter(self._names.values()))  # an int input is computed with in no relation
        return fresh_size(tensor_of(node_of(size.args[0])))

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float()):
                return node.value
            case ast.Name() if node.id in self._names:
                return self._names[node.id]
            case ast.BinOp() if type(node.op) in BINARY:
                return self._operation(BINARY[type(node.op)], node.left, node.right)
            case ast.UnaryOp() if type(node.op) in _UNARY:
                return self.emit(_UNARY[type(node.op)], self.value(node.operand))
            case ast.BoolOp():
                joined = and_ if isinstance(node.op, ast.And) else or_
                return reduce(lambda a, b: self.emit(joined, a, b), map(self.value, node.values))
            case ast.IfExp():
                parts = map(self.value, (node.test, node.body, node.orelse))
                return self.emit(select, *parts)
            case ast.Compare() if all(type(op) in COMPARED for op in node.ops):
                values = [self.value(part) for part in (node.left, *node.comparators)]
                return reduce(
                    lambda a, b: self.emit(and_, a, b),
                    [
                        self.emit(COMPARED[type(op)], a, b)
                        for op, a, b in zip(node.ops, values, values[1:], strict=False)
                    ],
                )
            case ast.Call(keywords=[]) if ast.unparse(node.func) in _FUNCTIONS:
                function = _FUNCTIONS[ast.unparse(node.func)]
                arguments = [self.value(argument) for argument in node.args]
                if len(arguments) > 1:
                    return reduce(lambda a, b: self.emit(function, a, b), arguments)
                return self.emit(function, *arguments)
        raise NoForm(ast.unparse(node))

    def _operation(self, function: Callable[..., Any], left: ast.expr, right: ast.expr) -> Any:
        a, b = self.value(left), self.value(right)
        if function in _DIVIDING and isinstance(b, fx.Node):
            # A division of integers by 0 ends the process in some runtimes.
            holds = self.emit(operator.ne, b, 0)
            self.divisors.append(holds)
            b = self.emit(select, holds, b, 1.0 if _kind(b) is float else 1)
        return self.emit(function, a, b)


def _kind(value: Any) -> type:
    val = value.meta["val"] if isinstance(value, fx.Node) else value
    return int if isinstance(val, torch.SymInt) else type(val)


_DIVIDING = (operator.truediv, operator.floordiv, operator.mod)
_UNARY: dict[type, Callable[..., Any]] = {ast.USub: operator.neg, ast.Not: not_}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": minimum,
    "max": maximum,
    "abs": absolute,
    "float": to_float,
    "int": to_int,
    "round": round_half_even,
    "math.floor": floor,
    "math.ceil": ceil,
    "math.trunc": to_int,
    "math.sqrt": math.sqrt,
    "math.log2": math.log2,
}
