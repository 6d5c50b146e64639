"""What is certain where a condition holds: the comparisons that it is made of."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.fx.node import Argument

from fxexport.graph.arguments import item_of, operands_of
from fxexport.graph.editing import parts, results
from fxexport.graph.ops import branch
from fxexport.graph.scalars import and_, not_, or_, to_bool

__all__ = ["Comparison", "comparisons", "paths_taken"]

aten = torch.ops.aten

_KINDS: dict[object, str] = {
    operator.eq: "==",
    operator.ne: "!=",
    aten.eq.Scalar: "==",
    aten.eq.Tensor: "==",
    aten.ne.Scalar: "!=",
    aten.ne.Tensor: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    aten.lt.Scalar: "<",
    aten.lt.Tensor: "<",
    aten.le.Scalar: "<=",
    aten.le.Tensor: "<=",
    aten.gt.Scalar: ">",
    aten.gt.Tensor: ">",
    aten.ge.Scalar: ">=",
    aten.ge.Tensor: ">=",
}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_BOTH = {and_, aten.logical_and.default, aten.bitwise_and.Tensor}
_EITHER = {or_, aten.logical_or.default, aten.bitwise_or.Tensor}
_NOT = {not_, aten.logical_not.default, aten.bitwise_not.default}
_SAME = {aten.scalar_tensor.default, aten._local_scalar_dense.default}


@dataclass(frozen=True)
class Comparison:
    """One relation that holds: ``left kind right``, nodes of the asked graph or numbers.

    A node of a branch's body stands where nothing of the asked graph is the same; its ``val`` tells
    what number it is.
    """

    left: Argument
    kind: str
    right: Argument

    @property
    def turned(self) -> Comparison:
        """The same relation, seen from the right."""
        return Comparison(self.right, _TURNED[self.kind], self.left)


def comparisons(
    module: fx.GraphModule, condition: Argument, *, holds: bool = True
) -> set[Comparison]:
    """The comparisons that are certain where a condition of a graph holds (or does not)."""
    found = _certain(module, condition, holds, lambda _, value: value)
    return {known for known in found if isinstance(known, Comparison)}


def paths_taken(module: fx.GraphModule, condition: Argument) -> dict[fx.Node, int]:
    """The branches of which one path was certainly taken where a condition holds.

    Returns:
        For each, 0 for the first path and 1 for the second.
    """
    found = _certain(module, condition, True, lambda _, value: value)
    return dict(known for known in found if not isinstance(known, Comparison))


Outward = Callable[[fx.Node, fx.Node], Any]
Known = Comparison | tuple[fx.Node, int]


def _certain(
    module: fx.GraphModule, value: Argument, holds: bool, outward: Outward
) -> Iterator[Known]:
    if not isinstance(value, fx.Node) or value.op != "call_function":
        return
    target = value.target
    if target in _KINDS:
        kind = _KINDS[target] if holds else _OPPOSITE[_KINDS[target]]
        left, right = (outward(a, a) if isinstance(a, fx.Node) else a for a in value.args[:2])
        # A comparison with NaN is false in any case: its opposite need not hold.
        if holds or not any(_is_float(side) for side in (left, right)):
            yield Comparison(left, kind, right)
    elif target is to_bool:
        yield from _truth(module, value.args[0], holds, outward)
    elif target in _NOT:
        yield from _certain(module, value.args[0], not holds, outward)
    elif target in _SAME:
        yield from _certain(module, value.args[0], holds, outward)
    elif (target in _BOTH and holds) or (target in _EITHER and not holds):
        for side in value.args[:2]:
            yield from _certain(module, side, holds, outward)
    elif (found := item_of(value)) is not None and found[0].target is branch:
        yield from _of_branch(module, *found, holds, outward)


def _truth(
    module: fx.GraphModule, value: Argument, holds: bool, outward: Outward
) -> Iterator[Known]:
    """`while n:` asks whether a number is not zero."""
    if isinstance(value, fx.Node) and isinstance(value.meta.get("val"), torch.SymInt):
        yield Comparison(outward(value, value), "!=" if holds else "==", 0)
    else:
        yield from _certain(module, value, holds, outward)


def _of_branch(
    module: fx.GraphModule, source: fx.Node, k: int, holds: bool, outward: Outward
) -> Iterator[Known]:
    """``a and b`` is a branch one of whose paths gives a constant: then the other was taken."""
    sides = parts(module, source)
    given = [results(body)[k] for body, _ in sides]
    for taken, other in ((0, 1), (1, 0)):
        if _constant(given[other]) is (not holds):
            yield source, taken
            yield from _certain(module, source.args[0], taken == 0, outward)
            body, placeholders = sides[taken]
            inside: Mapping[fx.Node, Any] = {
                placeholder: outward(operand, operand) if isinstance(operand, fx.Node) else operand
                for placeholder, operand in zip(placeholders, operands_of(source), strict=True)
            }
            yield from _certain(body, given[taken], holds, inside.get)


def _constant(value: object) -> bool | None:
    """The bool that a value always is; None where it varies."""
    while isinstance(value, fx.Node) and value.target in (*_SAME, to_bool):
        value = value.args[0]
    return value if isinstance(value, bool) else None


def _is_float(value: object) -> bool:
    val = value.meta.get("val") if isinstance(value, fx.Node) else value
    if isinstance(val, torch.Tensor):
        return val.dtype.is_floating_point
    return isinstance(val, (float, torch.SymFloat))
