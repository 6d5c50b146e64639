"""A path of a branch that needs some sizes to be equal is written so that others fit too.

Requires: nothing beyond a captured graph.
Does: where the condition of a branch says that two sizes are equal or that one is a constant (`if
x.shape[0] == y.shape[0]`, `if n == 1`), that path reads its operands with the one size, through an
index that is cut at the operand's end; on that path it is 0, 1, 2, ... and changes nothing. Where
it says that a size is divisible (`if n % 2 == 0`), what is reshaped is cut to what is; where it
says that there are enough rows (`if n > 4: y = x[:4]`, `x.topk(4)`), so many are taken by index.
TensorRT looks at both paths of every branch at the profile's opt sizes, and refuses a path that
they do not take and do not fit ("kOPT values for profile 0 violate shape constraints"; measured
with TensorRT-RTX 1.7.1).
Ensures: the outputs are the same; such paths can be computed at any sizes above zero.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy
import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside, raw_expression
from fxexport.graph import CapturedGraph, scalars
from fxexport.graph.arguments import Size, node_of, operands_of
from fxexport.graph.editing import call, parts
from fxexport.graph.ops import branch, loop

__all__ = ["run"]

aten = torch.ops.aten


# Comparisons: whether the first is above the second, and strictly.
_ORDERED = {
    operator.gt: (True, True),
    operator.ge: (True, False),
    operator.lt: (False, True),
    operator.le: (False, False),
}


@dataclass
class _Facts:
    """What the conditions around a body say of sizes.

    Attributes:
        equal: what a size's expression is, by the size's symbol.
        divisors: numbers by which a size can be divided, by its symbol.
        least: what a size is at least, by its symbol.
    """

    equal: dict[sympy.Expr, sympy.Expr] = field(default_factory=dict)
    divisors: dict[sympy.Symbol, list[int]] = field(default_factory=dict)
    least: dict[sympy.Symbol, int] = field(default_factory=dict)

    def copy(self) -> _Facts:
        divisors = {k: list(v) for k, v in self.divisors.items()}
        return _Facts(dict(self.equal), divisors, dict(self.least))

    def same(self, expr: sympy.Expr) -> sympy.Expr:
        """What an expression is, as far as it is known."""
        for _ in range(len(self.equal) + 1):
            try:
                new = expr.xreplace(self.equal)
            except ZeroDivisionError:  # a path that is never taken
                return expr
            if new == expr:
                break
            expr = new
        for node in expr.atoms(sympy.Function):
            if node.func.__name__ == "FloorDiv" and self._divides(*node.args):
                expr = expr.xreplace({node: node.args[0] / node.args[1]})
        return expr

    def _divides(self, size: sympy.Expr, by: sympy.Expr) -> bool:
        return by.is_Integer and any(d % int(by) == 0 for d in self.divisors.get(size, ()))

    def learn_equal(self, a: sympy.Expr, b: sympy.Expr) -> None:
        a, b = self.same(a), self.same(b)
        if a == b:
            return
        if not a.is_Symbol:
            a, b = b, a
        if a.is_Symbol and not b.has(a):
            self.equal[a] = b


def run(graph: CapturedGraph) -> CapturedGraph:
    """Rewrites such operators of all paths, in place."""
    _visit(graph.module, _Facts(), {})
    for module in graph.graphs():
        module.recompile()
    return graph


def _visit(module: fx.GraphModule, facts: _Facts, outer: dict[fx.Node, Argument]) -> None:
    """Goes through a graph and its bodies.

    Args:
        module: the graph.
        facts: what is known of sizes there.
        outer: what the graph's placeholders are in the graph around it.
    """
    for node in list(module.graph.nodes):
        if node.target is branch:
            for side, (body, placeholders) in enumerate(parts(module, node)):
                known = facts.copy()
                _learn(known, node.args[0], side == 0, outer)
                operands = operands_of(node)
                _read_operands(body, facts, known)
                _visit(body, known, {**outer, **dict(zip(placeholders, operands, strict=True))})
        elif node.target is loop:
            for body, _ in parts(module, node):
                _visit(body, facts, outer)
        elif facts.divisors and node.target in (aten.reshape.default, aten.view.default):
            _fit_reshape(node, facts)
        elif facts.least and node.target is aten.slice.Tensor:
            _fit_slice(node, facts)
        elif facts.least and node.target is aten.topk.default:
            _fit_topk(node, facts)


# What a condition says


def _learn(facts: _Facts, condition: Argument, holds: bool, outer: dict[fx.Node, Argument]) -> None:
    while isinstance(condition, fx.Node) and condition in outer:
        condition = outer[condition]
    if not isinstance(condition, fx.Node):
        return
    target, args = condition.target, condition.args
    if target is scalars.not_:
        _learn(facts, args[0], not holds, outer)
    elif target is (scalars.and_ if holds else scalars.or_):
        for arg in args:
            _learn(facts, arg, holds, outer)
    elif target is scalars.select and args[2 if holds else 1] is (not holds):
        # `a and b` is b if a else False, `a or b` is True if a else b
        _learn(facts, args[0], holds, outer)
        _learn(facts, args[1 if holds else 2], holds, outer)
    elif target is (operator.eq if holds else operator.ne):
        _learn_equal(facts, args[0], args[1], outer)
    elif target in _ORDERED:
        _learn_least(facts, _ORDERED[target], args, holds, outer)


def _learn_equal(
    facts: _Facts, left: Argument, right: Argument, outer: dict[fx.Node, Argument]
) -> None:
    for a, b in ((left, right), (right, left)):
        while isinstance(a, fx.Node) and a in outer:
            a = outer[a]
        if isinstance(a, fx.Node) and a.target is operator.mod and b == 0:
            size, by = _size(a.args[0], outer), a.args[1]
            if size is not None and isinstance(by, int) and by > 0:
                facts.divisors.setdefault(size, []).append(by)
            return
    first, second = _size(left, outer), _size(right, outer)
    if first is not None and second is not None:
        facts.learn_equal(first, second)


def _learn_least(
    facts: _Facts,
    order: tuple[bool, bool],
    args: Sequence[Argument],
    holds: bool,
    outer: dict[fx.Node, Argument],
) -> None:
    """What `n > 4` says, or `4 * n >= 16`, or that `n < 4` is false."""
    above, strictly = order
    size, number = args
    if isinstance(size, int):
        size, number, above = number, size, not above
    if not holds:
        above, strictly = not above, not strictly
    while isinstance(size, fx.Node) and size in outer:
        size = outer[size]
    if not above or not isinstance(number, int):
        return
    least = number + 1 if strictly else number
    _note_least(facts, _size(size, outer), least)
    if isinstance(size, fx.Node) and size.target is operator.mul:
        constants = [arg for arg in size.args if isinstance(arg, int)]
        if len(constants) == 1 and constants[0] > 0:
            size = next(arg for arg in size.args if not isinstance(arg, int))
            _note_least(facts, _size(size, outer), -(-least // constants[0]))


def _note_least(facts: _Facts, expr: sympy.Expr | None, least: int) -> None:
    if expr is not None and not expr.is_Integer:
        facts.least[expr] = max(least, facts.least.get(expr, 0))


def _size(number: Argument, outer: dict[fx.Node, Argument]) -> sympy.Expr | None:
    """The expression of a number that is a size or a constant; None for others."""
    while isinstance(number, fx.Node) and number in outer:
        number = outer[number]
    if isinstance(number, int):
        return sympy.Integer(number)
    if isinstance(number, fx.Node) and number.target is aten.sym_size.int:
        source, dim = number.args
        assert isinstance(source, fx.Node) and isinstance(dim, int)
        return _expression(source.meta["val"].shape[dim])
    if isinstance(number, fx.Node) and isinstance(number.meta.get("val"), torch.SymInt):
        return _expression(number.meta["val"])
    return None


def _expression(size: Size) -> sympy.Expr:
    return sympy.Integer(int(size)) if is_concrete_int(size) else raw_expression(size)


# What an operator needs


def _read_operands(body: fx.GraphModule, before: _Facts, facts: _Facts) -> None:
    """Reads a path's operands with the sizes that they have where it is taken.

    Args:
        body: the path.
        before: what is known around it; operands are read so already.
        facts: what is known on it.
    """
    placeholders = list(body.graph.find_nodes(op="placeholder"))
    tensors = [p for p in placeholders if isinstance(p.meta.get("val"), torch.Tensor)]
    sizes = [(p, dim) for p in tensors for dim in range(p.meta["val"].ndim)]
    leaders: dict[sympy.Symbol, tuple[fx.Node, int]] = {}
    for placeholder, dim in sizes:
        leaders.setdefault(_expression(placeholder.meta["val"].shape[dim]), (placeholder, dim))
    first = next(n for n in body.graph.nodes if n.op != "placeholder")
    read: dict[fx.Node, fx.Node] = {}
    for placeholder, dim in sizes:
        own = _expression(placeholder.meta["val"].shape[dim])
        known = facts.same(own)
        if known == before.same(own):
            continue
        size = int(known) if known.is_Integer else leaders.get(known)
        if size is not None and any(u.op != "output" for u in placeholder.users):
            read[placeholder] = _read(first, read.get(placeholder, placeholder), dim, size)
    for placeholder, value in read.items():
        made = {n for v in read.values() for n in _behind(v)}
        for user in list(placeholder.users):
            if user.op != "output" and user not in made:
                user.replace_input_with(placeholder, value)


def _behind(value: fx.Node) -> set[fx.Node]:
    """What a value was made by, itself included."""
    seen, todo = {value}, [value]
    while todo:
        new = [n for n in todo.pop().all_input_nodes if n not in seen]
        seen.update(new)
        todo.extend(new)
    return seen


def _fit_reshape(node: fx.Node, facts: _Facts) -> None:
    source = node_of(node.args[0])
    have = sympy.prod(_expression(s) for s in source.meta["val"].shape)
    need = sympy.prod(_expression(s) for s in node.meta["val"].shape)
    if sympy.expand(have - need) == 0:
        return
    if sympy.expand(facts.same(have) - facts.same(need)) != 0:
        return
    # The dimension that must be divisible is cut to what can be divided.
    for dim, size in enumerate(source.meta["val"].shape):
        by = max(facts.divisors.get(_expression(size), ()), default=0)
        if by:
            rows = call(node, aten.sym_size.int, source, dim, val=size, like=node)
            whole = call(node, operator.floordiv, rows, by, val=size, like=node)
            whole = call(node, operator.mul, whole, by, val=size, like=node)
            cut = call(
                node, aten.slice.Tensor, source, dim, 0, whole, val=source.meta["val"], like=node
            )
            node.args = (cut, *node.args[1:])
            return


def _fit_slice(node: fx.Node, facts: _Facts) -> None:
    """`x[:4]` of rows that are known to be four at least."""
    source = node_of(node.args[0])
    given: Any = (*node.args[1:], *(0, 0, None, 1)[len(node.args) - 1 :])
    dim, start, end, step = given
    if not (isinstance(start, int) and isinstance(end, int) and step == 1):
        return
    shape = source.meta["val"].shape
    size = _expression(shape[dim])
    if size.is_Integer or not 0 <= start < end <= facts.least.get(size, 0):
        return
    rows = _read(node, source, int(dim), end) if isinstance(dim, int) else source
    node.args = (rows, *node.args[1:])


def _fit_topk(node: fx.Node, facts: _Facts) -> None:
    """`x.topk(50)` of rows that are known to be fifty at least."""
    source, k, *rest = node.args
    assert isinstance(source, fx.Node)
    dim: Any = rest[0] if rest else -1
    shape = source.meta["val"].shape
    size = shape[dim]
    expr = _expression(size)
    if not isinstance(k, int) or expr.is_Integer or k > facts.least.get(expr, 0):
        return
    rows = call(node, aten.sym_size.int, source, dim % len(shape), val=size, like=node)
    count = call(node, scalars.maximum, rows, k, val=size, like=node)
    node.args = (_read(node, source, dim % len(shape), count), k, *rest)


def _read(node: fx.Node, value: fx.Node, dim: int, size: object) -> fx.Node:
    """A tensor read with another size in one dimension, cut at the tensor's end.

    Args:
        node: where the nodes go.
        value: the tensor.
        dim: the dimension.
        size: a number, the node of one, or another tensor and a dimension of it.
    """
    val = value.meta["val"]
    own = val.shape[dim]
    count = known = size
    if isinstance(size, fx.Node):
        known = size.meta["val"]
    elif isinstance(size, tuple):
        source, axis = size
        known = source.meta["val"].shape[axis]
        count = call(node, aten.sym_size.int, source, axis, val=known, like=node)
    options = {"dtype": torch.int64, "device": val.device, "pin_memory": False}
    indices = fake_beside(val, (known,)).to(torch.int64)
    index = call(node, aten.arange.default, count, val=indices, like=node)
    index.kwargs = options
    length = call(node, aten.sym_size.int, value, dim, val=own, like=node)
    last = call(node, operator.sub, length, 1, val=own, like=node)
    end = call(node, aten.scalar_tensor.default, last, val=fake_beside(indices, ()), like=node)
    end.kwargs = options
    index = call(node, aten.minimum.default, index, end, val=indices, like=node)
    shape = [known if d == dim else s for d, s in enumerate(val.shape)]
    whole = fake_beside(val, shape)
    return call(node, aten.index_select.default, value, dim, index, val=whole, like=node)
