"""Relations of one size that say no more than that it is in a range."""

from __future__ import annotations

import ast
from collections.abc import Callable

from fxexport.profiles import Relation

__all__ = ["interval_of"]

# Ranges do not end beyond: no tensor is as large.
_LARGEST = 2**40
_CALLS = ("min", "max", "float", "int", "math.floor", "math.ceil", "math.trunc")


class _Unknown(Exception):
    """Nothing says whether a part grows with the size."""


def interval_of(expression: str) -> tuple[int, int | None] | None:
    """The smallest and largest size (None: no bound) for which a relation holds, if it is a range.

    It is one where a part that only grows with the size is compared with one that does not:
    ``1 <= d0 // 4`` holds from 4 on.

    Args:
        expression: Python over ``d0`` alone.
    """
    tree = ast.parse(expression, mode="eval").body
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
        return None
    op, (right,) = tree.ops[0], tree.comparators
    try:
        grows = _growth(tree.left) - _growth(right)
        if _growth(tree.left) * _growth(right) > 0:
            return None  # both grow
    except _Unknown:
        return None
    if not grows or not isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
        return None
    relation = Relation("", expression, ("d0",))
    upward = (grows > 0) is isinstance(op, (ast.Gt, ast.GtE))

    def holds(size: int) -> bool:
        return relation.holds({"d0": size})

    if upward:
        low = _first(holds)
        return None if low is None else (low, None)
    end = _first(lambda size: not holds(size))
    return None if end == 0 else (0, None if end is None else end - 1)


def _first(holds: Callable[[int], bool]) -> int | None:
    """The smallest size from which on something holds; None where there is none."""
    if not holds(_LARGEST):
        return None
    low, high = 0, _LARGEST
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _growth(node: ast.expr) -> int:
    """1 for what never falls as the size grows, -1 for what never rises, 0 for a number."""
    match node:
        case ast.Constant(value=int() | float()):
            return 0
        case ast.Name(id="d0"):
            return 1
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_growth(operand)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _together(_growth(left), _growth(right))
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _together(_growth(left), -_growth(right))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            number, other = (left, right) if _number(left) is not None else (right, left)
            return _growth(other) * _sign(_number(number))
        case ast.BinOp(left=left, op=ast.FloorDiv() | ast.Div(), right=right):
            return _growth(left) * _sign(_number(right))
        case ast.Call(args=args, keywords=[]) if ast.unparse(node.func) in _CALLS:
            found = 0
            for argument in args:
                found = _together(found, _growth(argument))
            return found
    raise _Unknown


def _number(node: ast.expr) -> float | None:
    try:
        return float(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError):
        return None


def _sign(number: float | None) -> int:
    if not number:
        raise _Unknown
    return 1 if number > 0 else -1


def _together(a: int, b: int) -> int:
    if a * b < 0:
        raise _Unknown
    return a or b
