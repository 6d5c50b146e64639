"""Guards for what PyTorch and Python raise on and the runtime computes all the same.

Requires: nothing.
Does: puts a guard before operators that take no negative indices (in ONNX those count from the
end), before divisions of numbers, and before functions of numbers that have no result for some.
Ensures: the outputs are the same where PyTorch gives any. What certainly has a result gets no
guard: indices that count, numbers made of sizes that are above 0.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from fxexport.passes.bounds.signs import is_above_zero, is_finite, is_never_negative
from fxexport.passes.rewriting.data_conditions import all_of, compared, every
from torch import fx

from fxexport.graph import CapturedGraph, guard, source_of
from fxexport.graph.arguments import val_of
from fxexport.graph.editing import call
from fxexport.graph.guards import message_at
from fxexport.graph.scalars import absolute, and_, ceil, floor, not_, or_, round_half_even, to_int

__all__ = ["run"]

aten = torch.ops.aten

# Powers of e above it are no floats.
_LARGEST_EXPONENT = math.log(sys.float_info.max)

# Floats from here on are no ints of 64 bits.
_LARGEST_INT = 2.0**63
_OPPOSITE = {operator.ge: operator.lt, operator.gt: operator.le}

# What must hold, and what the guard says; None where it certainly does.
_Need: TypeAlias = tuple[Any, str] | None


def run(graph: CapturedGraph) -> CapturedGraph:
    """Adds the guards to the graph in place and returns it."""
    for module in graph.graphs():
        for node in list(module.graph.nodes):
            rule = _RULES.get(node.target) if node.op == "call_function" else None
            need = None if rule is None else rule(node)
            if need is not None:
                condition, text = need
                call(node, guard, condition, message_at(text, source_of(node)), val=None)
        module.recompile()
    return graph


def _index(position: int) -> Callable[[fx.Node], _Need]:
    """For an operator that has indices among its arguments."""

    def rule(node: fx.Node) -> _Need:
        index = node.args[position]
        if not isinstance(index, fx.Node) or is_never_negative(index):
            return None
        return every(node, aten.ge.Scalar, index, 0), "expected that no index is negative"

    return rule


def _target(node: fx.Node) -> _Need:
    """Of a loss: classes, and what stands for none."""
    target, ignored = node.args[1], node.args[4]
    if not isinstance(target, fx.Node) or is_never_negative(target):
        return None
    flags = [
        compared(node, compare, target, number)
        for compare, number in ((aten.ge.Scalar, 0), (aten.eq.Scalar, ignored))
    ]
    either = compared(node, aten.logical_or.default, *flags)
    return all_of(node, either), "IndexError: expected that no target is negative"


def _one_hot(node: fx.Node) -> _Need:
    index, classes = node.args[0], node.args[1] if len(node.args) > 1 else -1
    if not isinstance(index, fx.Node) or not isinstance(classes, int) or classes < 0:
        return None
    inside = compared(node, aten.eq.Tensor, index, _clamped(node, index, classes - 1))
    return all_of(node, inside), f"RuntimeError: expected that classes are in 0..{classes - 1}"


def _clamped(node: fx.Node, index: fx.Node, last: int) -> fx.Node:
    return call(node, aten.clamp.default, index, 0, last, val=index.meta["val"])


def _divisor(node: fx.Node) -> _Need:
    number, divisor = node.args
    if not isinstance(divisor, fx.Node) or is_above_zero(divisor):
        return None
    if node.target is not operator.truediv and _is_int(number) and _is_int(divisor):
        return None  # ONNX Runtime raises
    holds = call(node, operator.ne, divisor, 0, val=True)
    return holds, "ZeroDivisionError: expected that nothing is divided by 0"


def _is_int(value: object) -> bool:
    return isinstance(val_of(value), (int, torch.SymInt))


def _bounded(compare: Any, certain: Callable[[fx.Node], bool], text: str) -> Any:
    """For a function of one number that must be above 0, or not below."""

    def rule(node: fx.Node) -> _Need:
        number = node.args[0]
        if not isinstance(number, fx.Node) or certain(number):
            return None
        if _is_int(number):
            return call(node, compare, number, 0, val=True), f"ValueError: expected that {text}"
        # NaN has a result, which is NaN.
        bad = call(node, _OPPOSITE[compare], number, 0, val=True)
        return call(node, not_, bad, val=True), f"ValueError: expected that {text}"

    return rule


def _whole(node: fx.Node) -> _Need:
    number = node.args[0]
    if not isinstance(number, fx.Node) or is_finite(number):
        return None
    size = call(node, absolute, number, val=0.0)
    holds = call(node, operator.lt, size, _LARGEST_INT, val=True)  # it is not of NaN
    return holds, "ValueError: expected that what becomes an int is one of 64 bits, and no NaN"


def _exponent(node: fx.Node) -> _Need:
    number = node.args[0]
    if not isinstance(number, fx.Node):
        return None
    holds = call(node, operator.le, number, _LARGEST_EXPONENT, val=True)
    if not is_finite(number):
        infinite = call(node, operator.eq, number, math.inf, val=True)
        nothing = call(node, operator.ne, number, number, val=True)  # NaN
        holds = call(node, or_, call(node, or_, holds, infinite, val=True), nothing, val=True)
    return holds, "OverflowError: expected that a power of e is not too large"


def _power(node: fx.Node) -> _Need:
    """Of a number below 0 Python gives a complex root, and 0 has no powers below 0."""
    base, exponent = node.args
    if isinstance(val_of(node), (int, torch.SymInt)) or is_above_zero(base):
        return None
    bad: list[fx.Node] = []
    if not _is_whole(exponent) and not is_never_negative(base):
        rest = _compared(node, operator.lt, base, 0)
        if isinstance(exponent, fx.Node):
            part = call(node, operator.mod, exponent, 1.0, val=0.0)
            rest = call(node, and_, rest, _compared(node, operator.ne, part, 0.0), val=True)
        bad.append(rest)
    if not is_never_negative(exponent):
        zero = _compared(node, operator.eq, base, 0)
        if isinstance(exponent, fx.Node):
            zero = call(node, and_, zero, _compared(node, operator.lt, exponent, 0), val=True)
        bad.append(zero)
    if not bad:
        return None
    found = bad[0] if len(bad) == 1 else call(node, or_, *bad, val=True)
    holds = call(node, not_, found, val=True)
    return holds, "expected that a power is a float: no root of a number below 0, no 1 / 0"


def _is_whole(value: object) -> bool:
    known = val_of(value)
    return isinstance(known, (int, torch.SymInt)) or (
        isinstance(known, float) and known.is_integer()
    )


def _compared(node: fx.Node, compare: Any, a: Any, b: Any) -> fx.Node:
    return call(node, compare, a, b, val=True)


def _angle(node: fx.Node) -> _Need:
    number = node.args[0]
    if not isinstance(number, fx.Node) or is_finite(number):
        return None
    size = call(node, absolute, number, val=0.0)
    holds = call(node, operator.ne, size, math.inf, val=True)
    return holds, "ValueError: expected that an angle is finite"


_RULES: dict[Any, Callable[[fx.Node], _Need]] = {
    aten.embedding.default: _index(1),
    aten.gather.default: _index(2),
    aten.index_select.default: _index(2),
    aten.index_add.default: _index(2),
    aten.index_copy.default: _index(2),
    aten.nll_loss_forward.default: _target,
    aten.nll_loss2d_forward.default: _target,
    aten.scatter.src: _index(2),
    aten.scatter.value: _index(2),
    aten.scatter_add.default: _index(2),
    aten.scatter_reduce.two: _index(2),
    aten.one_hot.default: _one_hot,
    operator.truediv: _divisor,
    operator.floordiv: _divisor,
    operator.mod: _divisor,
    math.sqrt: _bounded(operator.ge, is_never_negative, "no root is taken of a number below 0"),
    math.log: _bounded(operator.gt, is_above_zero, "logarithms are of numbers above 0"),
    math.log2: _bounded(operator.gt, is_above_zero, "logarithms are of numbers above 0"),
    math.exp: _exponent,
    operator.pow: _power,
    math.sin: _angle,
    math.cos: _angle,
    math.tan: _angle,
    to_int: _whole,
    floor: _whole,
    ceil: _whole,
    round_half_even: _whole,
}
