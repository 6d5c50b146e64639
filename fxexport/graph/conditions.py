"""What is certain where a condition holds: the comparisons that it is made of."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from fxexport.graph.editing import parts, results
from fxexport.graph.ops import branch
from fxexport.graph.scalars import and_, not_, or_, to_bool

__all__ = ["Comparison", "comparisons"]

aten = torch.ops.aten

_KINDS: dict[Any, str] = {
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
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_BOTH = {and_, aten.logical_and.default, aten.bitwise_and.Tensor}
_EITHER = {or_, aten.logical_or.default, aten.bitwise_or.Tensor}
_NOT = {not_, aten.logical_not.default, aten.bitwise_not.default}
_SAME = {to_bool, aten.scalar_tensor.default, aten._local_scalar_dense.default}


@dataclass(frozen=True)
class Comparison:
    """One relation that holds: ``left kind right``, nodes of the asked graph or numbers.

    A node of a branch's body stands where nothing of the asked graph is the same; its ``val`` tells
    what number it is.
    """

    left: Any
    kind: str
    right: Any

    @property
    def turned(self) -> Comparison:
        """The same relation, seen from the right."""
        return Comparison(self.right, _TURNED[self.kind], self.left)


def comparisons(module: fx.GraphModule, condition: Any, *, holds: bool = True) -> set[Comparison]:
    """The comparisons that are certain where a condition of a graph holds (or does not)."""
    return set(_certain(module, condition, holds, lambda _, value: value))


Outward = Callable[[fx.Node, Any], Any]


def _certain(
    module: fx.GraphModule, value: Any, holds: bool, outward: Outward
) -> Iterator[Comparison]:
    if not isinstance(value, fx.Node) or value.op != "call_function":
        return
    target: Any = value.target
    if target in _KINDS:
        kind = _KINDS[target] if holds else _OPPOSITE[_KINDS[target]]
        left, right = (outward(a, a) if isinstance(a, fx.Node) else a for a in value.args[:2])
        # A comparison with NaN is false both ways: its opposite need not hold.
        if holds or not any(_is_float(side) for side in (left, right)):
            yield Comparison(left, kind, right)
    elif target in _NOT:
        yield from _certain(module, value.args[0], not holds, outward)
    elif target in _SAME:
        yield from _certain(module, value.args[0], holds, outward)
    elif (target in _BOTH and holds) or (target in _EITHER and not holds):
        for side in value.args[:2]:
            yield from _certain(module, side, holds, outward)
    elif target is operator.getitem and value.args[0].target is branch:  # type: ignore[union-attr]
        yield from _of_branch(module, value, holds, outward)


def _of_branch(
    module: fx.GraphModule, value: fx.Node, holds: bool, outward: Outward
) -> Iterator[Comparison]:
    """``a and b`` is a branch one of whose ways gives a constant: then the other was taken."""
    source: Any = value.args[0]
    sides = parts(module, source)
    given = [results(body)[value.args[1]] for body, _ in sides]  # type: ignore[index]
    for taken, other in ((0, 1), (1, 0)):
        if _constant(given[other]) is (not holds):
            yield from _certain(module, source.args[0], taken == 0, outward)
            body, places = sides[taken]
            inside: Mapping[fx.Node, Any] = {
                place: outward(operand, operand) if isinstance(operand, fx.Node) else operand
                for place, operand in zip(places, source.args[3], strict=True)
            }
            yield from _certain(body, given[taken], holds, inside.get)


def _constant(value: Any) -> bool | None:
    """The bool that a value always is; None where it varies."""
    while isinstance(value, fx.Node) and value.target in _SAME:
        value = value.args[0]
    return value if isinstance(value, bool) else None


def _is_float(value: Any) -> bool:
    val = value.meta.get("val") if isinstance(value, fx.Node) else value
    if isinstance(val, torch.Tensor):
        return val.dtype.is_floating_point
    return isinstance(val, (float, torch.SymFloat))
