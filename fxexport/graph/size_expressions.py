"""From a size's sympy expression to graph nodes.

Sizes are not traced by proxy: an op records itself, and the nodes for a size are built from its
expression where they are first needed.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable

import sympy
import torch
from torch import fx

from fxexport.graph import scalars

__all__ = ["emit_expression", "is_heavy", "scalar_function"]

Function = Callable[..., object]
"""A function on Python scalars that nodes of the graph call."""

Number = fx.Node | bool | int | float
"""A node that yields a number, or a constant."""

Emit = Callable[..., Number]
"""Makes a node from a function and its arguments."""

# torch's and sympy's function names -> ours. `None` marks those with a rule of their own below.
_FUNCTIONS: dict[str, Function] = {
    "FloorDiv": operator.floordiv,
    "CleanDiv": operator.floordiv,
    "Mod": operator.mod,
    "PythonMod": operator.mod,
    "IntTrueDiv": operator.truediv,
    "FloatTrueDiv": operator.truediv,
    "FloatPow": operator.pow,
    "PowByNatural": operator.pow,
    "ToFloat": scalars.to_float,
    "TruncToInt": scalars.to_int,
    "FloorToInt": scalars.floor,
    "CeilToInt": scalars.ceil,
    "RoundToInt": scalars.round_half_even,
    "Abs": scalars.absolute,
    "Equality": operator.eq,
    "Unequality": operator.ne,
    "StrictLessThan": operator.lt,
    "LessThan": operator.le,
    "StrictGreaterThan": operator.gt,
    "GreaterThan": operator.ge,
    "Not": scalars.not_,
    "BitwiseFn_bitwise_and": scalars.bits_and,
    "BitwiseFn_bitwise_or": scalars.bits_or,
    "BitwiseFn_bitwise_xor": scalars.bits_xor,
    "OpaqueUnaryFn_sqrt": math.sqrt,
    "OpaqueUnaryFn_exp": math.exp,
    "OpaqueUnaryFn_log": math.log,
    "OpaqueUnaryFn_log2": math.log2,
    "OpaqueUnaryFn_cos": math.cos,
    "OpaqueUnaryFn_sin": math.sin,
    "OpaqueUnaryFn_tan": math.tan,
    "OpaqueUnaryFn_tanh": math.tanh,
    "OpaqueUnaryFn_atan": math.atan,
}

_VARIADIC: dict[str, Function] = {
    "Add": operator.add,
    "Mul": operator.mul,
    "Max": scalars.maximum,
    "Min": scalars.minimum,
    "And": scalars.and_,
    "Or": scalars.or_,
}

_OPERATORS: dict[Function | str, Function] = {
    operator.abs: scalars.absolute,
    operator.and_: scalars.and_,
    operator.or_: scalars.or_,
    operator.invert: scalars.not_,
    math.ceil: scalars.ceil,
    math.floor: scalars.floor,
    math.trunc: scalars.to_int,
    round: scalars.round_half_even,
    torch.sym_float: scalars.to_float,
    torch.sym_int: scalars.to_int,
    torch.sym_max: scalars.maximum,
    torch.sym_min: scalars.minimum,
    torch.sym_not: scalars.not_,
    torch.sym_ite: scalars.select,
}


def scalar_function(function: Function) -> Function | None:
    """The graph's function for an operation on symbolic scalars; None if it has none."""
    if function in _OPERATORS:
        return _OPERATORS[function]
    if function in scalars.SCALAR_FUNCTIONS:
        return function
    name = getattr(function, "__name__", "").removeprefix("_").removeprefix("sym_")
    return _OPERATORS.get(name) or _MATH.get(name)


_MATH: dict[str, Function] = {
    name: getattr(math, name)
    for name in ("sqrt", "exp", "log", "log2", "cos", "sin", "tan", "tanh", "atan")
}


def is_heavy(expr: sympy.Basic, limit: int = 12) -> bool:
    """Whether an expression has grown so far that it should be given a name of its own."""
    return _count(expr, limit) > limit


def _count(expr: sympy.Basic, limit: int) -> int:
    count = 0
    todo = [expr]
    while todo and count <= limit:
        here = todo.pop()
        count += 1
        todo.extend(here.args)
    return count


def emit_expression(
    expr: sympy.Basic, leaf: Callable[[sympy.Basic], Number | None], emit: Emit
) -> Number:
    """Builds nodes for an expression.

    Args:
        expr: the expression.
        leaf: gives the node or constant for a symbol, or for any expression that has a node
            already, else None.
        emit: makes a call_function node from a function and its arguments.

    Returns:
        A node, or a Python scalar for a constant.

    Raises:
        NotImplementedError: the expression has a function that has no counterpart.
    """
    known = leaf(expr)
    if known is not None:
        return known
    if expr in (sympy.true, sympy.false):
        return bool(expr)
    if isinstance(expr, sympy.Integer):
        return int(expr)
    if isinstance(expr, (sympy.Float, sympy.Rational)):
        return float(expr)

    def sub(arg: sympy.Basic) -> Number:
        return emit_expression(arg, leaf, emit)

    if isinstance(expr, sympy.Add):
        return _emit_sum(expr, sub, emit)
    if isinstance(expr, sympy.Pow):
        return _emit_power(expr, sub, emit)
    name = type(expr).__name__
    if name in _VARIADIC:
        return functools.reduce(
            lambda a, b: emit(_VARIADIC[name], a, b), [sub(arg) for arg in expr.args]
        )
    if name in ("Identity", "TruncToFloat"):
        inner = sub(expr.args[0])
        return inner if name == "Identity" else emit(scalars.to_float, emit(scalars.to_int, inner))
    if name == "ModularIndexing":
        base, divisor, modulus = (sub(arg) for arg in expr.args)
        return emit(operator.mod, emit(operator.floordiv, base, divisor), modulus)
    if name in ("Where", "ITE"):
        return emit(scalars.select, *(sub(arg) for arg in expr.args))
    if name == "Piecewise":
        return _emit_piecewise(expr, sub, emit)
    if name in _FUNCTIONS:
        return emit(_FUNCTIONS[name], *(sub(arg) for arg in expr.args))
    raise NotImplementedError(f"a size computed with {name}")


def _emit_sum(expr: sympy.Add, sub: Callable[[sympy.Basic], Number], emit: Emit) -> Number:
    """A - b rather than a + (-1) * b."""
    first, *others = sorted(expr.args, key=lambda arg: arg.could_extract_minus_sign())
    total = sub(first)
    for arg in others:
        if arg.could_extract_minus_sign():
            total = emit(operator.sub, total, sub(-arg))
        else:
            total = emit(operator.add, total, sub(arg))
    return total


def _emit_power(expr: sympy.Pow, sub: Callable[[sympy.Basic], Number], emit: Emit) -> Number:
    base, exponent = expr.args
    if isinstance(exponent, sympy.Integer) and 0 < int(exponent) <= 8:
        node = sub(base)
        return functools.reduce(
            lambda a, _: emit(operator.mul, a, node), range(int(exponent) - 1), node
        )
    return emit(operator.pow, sub(base), sub(exponent))


def _emit_piecewise(
    expr: sympy.Piecewise, sub: Callable[[sympy.Basic], Number], emit: Emit
) -> Number:
    *pieces, (last, _) = expr.args
    value = sub(last)
    for piece, condition in reversed(pieces):
        value = emit(scalars.select, sub(condition), sub(piece), value)
    return value
