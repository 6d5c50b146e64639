"""Relations between dimensions as a file remembers them: texts that can be checked again."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["BINARY", "COMPARED", "Relation", "RelationLike", "relation_holds"]


class RelationLike(Protocol):
    """What a profile is checked against: a `Relation`, or a graph's `Constraint`."""

    @property
    def text(self) -> str:
        """The relation in the user's terms."""

    @property
    def names(self) -> tuple[str, ...]:
        """The dimensions that it is about."""

    @property
    def holds(self) -> Callable[[Mapping[str, int]], bool]:
        """Tells whether given sizes satisfy it."""

    @property
    def location(self) -> Any:
        """The user's line that needs it, or None."""


@dataclass(frozen=True)
class Relation:
    """A relation between dimensions.

    Attributes:
        text: the relation in the user's terms, for example ``h % 32 == 0``.
        expression: the same in Python with ``d0``, ``d1``, ... for the names; empty where it
            cannot be written down, and so not be checked again.
        names: the dimensions that it is about.
        line: the user's line that needs it, as text.
    """

    text: str
    expression: str = ""
    names: tuple[str, ...] = ()
    line: str = ""
    location: Any = None

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether sizes, by dimension name, satisfy it; True where it cannot be told.

        Raises:
            ArithmeticError: the sizes make it divide by zero, for example.
            ValueError: the expression is none that this version knows.
        """
        if not self.expression or any(name not in sizes for name in self.names):
            return True
        values = {f"d{k}": sizes[name] for k, name in enumerate(self.names)}
        try:
            tree = ast.parse(self.expression, mode="eval").body
        except SyntaxError as error:
            raise ValueError(f"not an expression: {self.expression!r}") from error
        return bool(_value(tree, values))

    def to_dict(self) -> dict[str, Any]:
        """The relation as plain JSON data."""
        return {
            "text": self.text,
            "expression": self.expression,
            "names": list(self.names),
            "place": self.line,
        }


def relation_holds(relation: RelationLike, sizes: Mapping[str, int]) -> bool:
    """Whether sizes satisfy a relation; True where they do not name all of its dimensions."""
    if any(name not in sizes for name in relation.names):
        return True
    try:
        return bool(relation.holds(sizes))
    except (ArithmeticError, KeyError):  # a division by a size of zero, for example
        return False
    except ValueError:  # written by another version, in a syntax that this one does not know
        return True


BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
COMPARED: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "float": float,
    "int": int,
    "round": round,
    "math.floor": math.floor,
    "math.ceil": math.ceil,
    "math.trunc": math.trunc,
    "math.sqrt": math.sqrt,
    "math.log2": math.log2,
}


def _value(node: ast.expr, names: Mapping[str, int]) -> Any:
    """The value of an expression of numbers; files are not trusted, so nothing else is known."""
    match node:
        case ast.Constant(value=bool() | int() | float()):
            return node.value
        case ast.Name() if node.id in names:
            return names[node.id]
        case ast.BinOp() if type(node.op) in BINARY:
            left, right = _value(node.left, names), _value(node.right, names)
            if isinstance(node.op, ast.Pow) and abs(right) > 64:
                raise ValueError("a power that large is not computed")
            return BINARY[type(node.op)](left, right)
        case ast.UnaryOp() if type(node.op) in _UNARY:
            return _UNARY[type(node.op)](_value(node.operand, names))
        case ast.BoolOp():
            parts = (_value(part, names) for part in node.values)
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        case ast.IfExp():
            chosen = node.body if _value(node.test, names) else node.orelse
            return _value(chosen, names)
        case ast.Compare() if all(type(op) in COMPARED for op in node.ops):
            values = [_value(part, names) for part in (node.left, *node.comparators)]
            return all(
                COMPARED[type(op)](a, b)
                for op, a, b in zip(node.ops, values, values[1:], strict=False)
            )
        case ast.Call(keywords=[]) if ast.unparse(node.func) in _FUNCTIONS:
            function = _FUNCTIONS[ast.unparse(node.func)]
            return function(*(_value(argument, names) for argument in node.args))
    raise ValueError(f"not an expression of numbers: {ast.unparse(node)}")
