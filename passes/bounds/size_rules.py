"""How large the results of operators can become, by the sizes of their operands.

A rule is asked for one size of a result that no operand has, or, for results of branches and loops,
for a number.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import sympy
import torch
from fxexport.passes.bounds.number_rules import Arithmetic, NoBound
from fxexport.passes.bounds.origins import Maker
from fxexport.passes.bounds.symbols import part_of
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport.graph.arguments import (
    carried_of,
    dim_of,
    item_of,
    node_of,
    nodes_of,
    shape_of,
    tensor_of,
    val_of,
    values_of,
)
from fxexport.graph.editing import parts, results
from fxexport.graph.ops import branch, loop

__all__ = ["Bounds", "of_value", "size_rule", "slice_width"]

aten = torch.ops.aten

Answer = TypeVar("Answer")

# How far back the operands of a tensor are followed to find what bounds its size.
_DEPTH = 6

# What ends a slice that has no end.
_OPEN_END = 2**62

_UNIQUE = (aten._unique2.default, aten._unique.default, aten.unique_consecutive.default)


class Bounds(Protocol[Answer]):
    """Who asks a rule: it bounds the sizes of operands (`upper_bounds.UpperBounds`)."""

    @property
    def arithmetic(self) -> Arithmetic[Answer]:
        """How bounds are computed from others."""

    def read(self, size: object, /) -> sympy.Expr:
        """The expression of a size, with what is known of it put in."""

    def of_size(self, size: object) -> Answer:
        """A bound of a size or number, from the metadata of a value."""

    def of_number(self, number: object) -> Answer:
        """`of_size` for a number, or a node that is one."""

    def of_dimension(self, value: fx.Node, dim: int, depth: int = 0) -> Answer:
        """A bound of a tensor's size."""


class _Rule(Protocol):
    def __call__(self, bounds: Bounds[Answer], maker: Maker) -> Answer: ...


def _taken(bounds: Bounds[Answer], maker: Maker) -> Answer:
    """A result of a branch, of a loop, or of an operator with several."""
    found = item_of(maker.node)
    if found is None:
        raise NoBound
    source, k = found
    if source.target is branch:
        sides = [results(body)[k] for body, _ in parts(maker.module, source)]
        return bounds.arithmetic.one_of(
            [bounds.of_size(part_of(val_of(side), maker.dim)) for side in sides]
        )
    if source.target is loop:
        return _of_loop(bounds, maker, source, k)
    if source.target in (aten.topk.default, aten.sort.default):
        return bounds.of_size(_operand_size(source, maker.dim))
    if source.target in _UNIQUE:
        return _product(bounds, shape_of(source.args[0]))
    raise NoBound


def _of_loop(bounds: Bounds[Answer], maker: Maker, node: fx.Node, k: int) -> Answer:
    if k < len(carried_of(node)):
        ((_, inputs),) = parts(maker.module, node)
        return bounds.of_size(part_of(val_of(inputs[1 + k]), maker.dim))
    if maker.dim != 0 or node.args[0] is None:
        raise NoBound("a loop has no known limit of iterations")
    arithmetic = bounds.arithmetic
    return arithmetic.maximum([arithmetic.constant(0), bounds.of_number(node.args[0])])


def _sliced(bounds: Bounds[Answer], maker: Maker) -> Answer:
    return _slice(bounds, maker.node, _dim(maker))


def _slice(bounds: Bounds[Answer], node: fx.Node, dim: int) -> Answer:
    """At most as large as what is cut, and as the cut is wide."""
    shape = shape_of(node.args[0])
    start, end = (node.args[k] if len(node.args) > k else None for k in (2, 3))
    cuts = dim_of(node, 1, len(shape)) == dim
    width = slice_width(start, end, bounds.read) if cuts else None
    return _least_of(bounds, [shape[dim]] if width is None else [width, shape[dim]])


def slice_width(start: object, end: object, read: Callable[[object], sympy.Expr]) -> int | None:
    """The most elements that a slice gives by its bounds alone; None where they do not tell.

    Args:
        start: where it starts, a number or node; None from the first.
        end: where it ends.
        read: the expression of a number.
    """
    first = sympy.Integer(0) if start is None else read(val_of(start))
    if end is None or (isinstance(end, int) and end >= _OPEN_END):
        return -int(first) if first.is_Integer and first < 0 else None
    last = read(val_of(end))
    width = last - first
    if not width.is_Integer:
        return None
    if width < 0:  # one of them may count from the end
        return 0 if last.is_Integer and last >= 0 else None
    if first.is_Integer and first < 0 <= last:
        return None
    return int(width)


def _joined(bounds: Bounds[Answer], maker: Maker) -> Answer:
    return _join(bounds, maker.node, _dim(maker))


def _join(bounds: Bounds[Answer], node: fx.Node, dim: int) -> Answer:
    """The sum of the sizes, or the size that all have."""
    tensors = nodes_of(node.args[0])
    rank = len(shape_of(node))
    # PyTorch passes over vectors without elements, whatever the rank of the others.
    given = [tensor for tensor in tensors if len(shape_of(tensor)) == rank]
    if dim_of(node, 1, rank) == dim:
        return bounds.arithmetic.total([bounds.of_dimension(tensor, dim) for tensor in given])
    return _least_of(bounds, [shape_of(tensor)[dim] for tensor in given])


def _padded(bounds: Bounds[Answer], maker: Maker) -> Answer:
    source, pads = maker.node.args[:2]
    dim = _dim(maker)
    k = 2 * (len(shape_of(maker.node)) - 1 - dim)
    more = [bounds.of_number(pad) for pad in values_of(pads)[k : k + 2]]
    return bounds.arithmetic.total([bounds.of_dimension(node_of(source), dim), *more])


def _boxes(bounds: Bounds[Answer], maker: Maker) -> Answer:
    return bounds.of_size(shape_of(maker.node.args[0])[0])


def _true_elements(bounds: Bounds[Answer], maker: Maker) -> Answer:
    return _product(bounds, shape_of(maker.node.args[0]))


def _selected(bounds: Bounds[Answer], maker: Maker) -> Answer:
    """`masked_select`: at most as many as both operands have together, brought to one shape."""
    left, right = (list(shape_of(operand))[::-1] for operand in maker.node.args[:2])
    arithmetic = bounds.arithmetic
    factors = []
    for a, b in list(itertools.zip_longest(left, right, fillvalue=1))[::-1]:
        if _is_one(a) or str(a) == str(b):
            factors.append(bounds.of_size(b))
        elif _is_one(b):
            factors.append(bounds.of_size(a))
        else:
            factors.append(arithmetic.maximum([bounds.of_size(a), bounds.of_size(b)]))
    return arithmetic.product([arithmetic.constant(1), *factors])


def _indexed(bounds: Bounds[Answer], maker: Maker) -> Answer:
    """`x[mask]`: at most as many as the mask has elements."""
    given = [index for index in values_of(maker.node.args[1]) if isinstance(index, fx.Node)]
    if not all(tensor_of(index).dtype in (torch.bool, torch.uint8) for index in given):
        raise NoBound  # what a mask selects is one row, or as many as another index has
    return bounds.arithmetic.maximum([_product(bounds, shape_of(mask)) for mask in given])


_RULES: dict[object, _Rule] = {
    operator.getitem: _taken,
    aten.slice.Tensor: _sliced,
    aten.cat.default: _joined,
    aten.constant_pad_nd.default: _padded,
    aten.nonzero.default: _true_elements,
    aten.masked_select.default: _selected,
    aten.index.Tensor: _indexed,
}
# Operators that are there only where a library is installed, or once the package has made them.
_RULES_BY_NAME: dict[str, _Rule] = {
    "torchvision.nms.default": _boxes,
    "fxexport.batched_nms.default": _boxes,
}


def size_rule(target: object) -> _Rule | None:
    """The rule for what an operator or function gives; None where there is none."""
    return _RULES.get(target) or _RULES_BY_NAME.get(str(target))


def of_value(bounds: Bounds[Answer], value: fx.Node, dim: int, depth: int) -> Answer:
    """A bound of one size of a tensor by the operator that made it.

    Args:
        bounds: who asks.
        value: the tensor.
        dim: the dimension.
        depth: through how many operators the question has come.

    Raises:
        NoBound: it tells nothing.
    """
    target = value.target
    if value.op == "call_function" and depth < _DEPTH:
        if target is aten.slice.Tensor:
            return _slice(bounds, value, dim)
        if target is aten.cat.default:
            return _join(bounds, value, dim)
        if isinstance(target, torch._ops.OpOverload) and torch.Tag.pointwise in target.tags:
            return _of_operands(bounds, value, dim, depth)
    raise NoBound


def _of_operands(bounds: Bounds[Answer], value: fx.Node, dim: int, depth: int) -> Answer:
    """A result is as large as an operand of its size, or as one of those that meet in it.

    An operand of another size may be 1 here and broadcast: alone it bounds nothing.
    """
    shape = shape_of(value)
    same: list[tuple[fx.Node, int]] = []
    meeting: list[tuple[fx.Node, int]] = []
    for operand in value.all_input_nodes:
        val = val_of(operand)
        at = dim - len(shape) + val.ndim if isinstance(val, torch.Tensor) else -1
        if at < 0:
            continue
        size = shape_of(operand)[at]
        if not _is_one(size):
            own = str(size) == str(shape[dim])
            (same if own or is_concrete_int(size) else meeting).append((operand, at))
    arithmetic = bounds.arithmetic
    if same:
        found = []
        for operand, at in same:
            with contextlib.suppress(NoBound):
                found.append(bounds.of_dimension(operand, at, depth + 1))
        return arithmetic.minimum(found, complete=False)
    met = [bounds.of_dimension(operand, at, depth + 1) for operand, at in meeting]
    return arithmetic.maximum([arithmetic.constant(1), *met])


def _product(bounds: Bounds[Answer], sizes: Sequence[object]) -> Answer:
    arithmetic = bounds.arithmetic
    return arithmetic.product([arithmetic.constant(1), *(bounds.of_size(size) for size in sizes)])


def _least_of(bounds: Bounds[Answer], sizes: Sequence[object]) -> Answer:
    """The best bound of what is at most as large as each of some sizes."""
    found = []
    for size in sizes:
        with contextlib.suppress(NoBound):
            found.append(bounds.of_size(size))
    return bounds.arithmetic.minimum(found, complete=False)


def _operand_size(node: fx.Node, dim: int | None) -> object:
    return part_of(val_of(node.args[0]), dim)


def _dim(maker: Maker) -> int:
    if maker.dim is None:
        raise NoBound("a number has no known limit")
    return maker.dim


def _is_one(size: int | torch.SymInt) -> bool:
    return is_concrete_int(size) and int(size) == 1
