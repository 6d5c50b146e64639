"""Other shapes of the same elements."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
import torch
from fxexport.passes.tensorrt.capacity.rules.indexing import flattened
from fxexport.passes.tensorrt.capacity.rules.table import RuleTable, dims_of, positive
from fxexport.passes.tensorrt.capacity.rules.writer import OpenWriter
from fxexport.passes.tensorrt.capacity.values.open_tensors import (
    Capacity,
    Dims,
    Open,
    Result,
    Value,
    capacities_of,
    counts_of,
    node_of,
    val_of,
    without,
)
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import Argument

from fxexport._torch_compat import fake_beside, raw_expression
from fxexport.graph.arguments import Number, Size
from fxexport.graph.scalars import maximum

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = RuleTable()


def _moved(w: OpenWriter, node: fx.Node, x: Open, args: Any, to: Callable[[int], int]) -> Value:
    """The operator as it is, where each open dimension goes somewhere else."""
    counts = {to(d): n for d, n in x.counts.items()}
    capacities = {to(d): r for d, r in x.capacities.items()}
    made = w.call(node.target, x.node, *args, val=w.with_capacities(node.meta["val"], capacities))
    return Open(made, counts, capacities)


@RULES("unsqueeze.default")
def unsqueeze(w: OpenWriter, node: fx.Node, x: Open, dim: int) -> Result:
    """A further dimension of size 1."""
    at = positive(dim, x.rank + 1)
    return _moved(w, node, x, (dim,), lambda d: d + (d >= at))


@RULES("squeeze.dim", "squeeze.dims")
def squeeze(w: OpenWriter, node: fx.Node, x: Open, dim: Dims) -> Result:
    """Fewer dimensions of size 1."""
    before = node.args[0].meta["val"].shape  # type: ignore[union-attr]
    gone = [d for d in dims_of(dim, x.rank) if is_concrete_int(before[d]) and int(before[d]) == 1]
    if any(d in x.counts for d in dims_of(dim, x.rank)):
        raise w.unsupported("squeeze of an open size")
    return _moved(w, node, x, (dim,), lambda d: d - sum(g < d for g in gone))


@RULES("permute.default")
def permute(w: OpenWriter, node: fx.Node, x: Open, dims: Dims) -> Result:
    """Dimensions in another order."""
    order = dims_of(dims, x.rank)
    return _moved(w, node, x, (dims,), order.index)


@RULES("transpose.int")
def transpose(w: OpenWriter, node: fx.Node, x: Open, first: int, second: int) -> Result:
    """Two dimensions swapped."""
    a, b = positive(first, x.rank), positive(second, x.rank)
    return _moved(w, node, x, (first, second), lambda d: b if d == a else a if d == b else d)


@RULES("expand.default")
def expand(
    w: OpenWriter, node: fx.Node, x: Value, sizes: Sequence[Number], **kwargs: Argument
) -> Result:
    """Copies along dimensions of size 1, and new ones in front."""
    val = node.meta["val"]
    source = node_of(x)
    extra = val.ndim - val_of(x).ndim
    counts = {d + extra: n for d, n in x.counts.items()} if isinstance(x, Open) else {}
    capacities = {d + extra: r for d, r in x.capacities.items()} if isinstance(x, Open) else {}
    given: list[Any] = []
    for d, size in enumerate(val.shape):
        copies = d < extra or (str(val_of(source).shape[d - extra]) == "1" and d not in capacities)
        if not copies:
            given.append(-1)
        elif w.limits.is_known(size):
            given.append(
                int(size) if is_concrete_int(size) else w.root_number(w.limits.exact(size))
            )
        else:
            capacities[d] = w.capacities.not_empty(w.limits.capacity(size))
            counts[d] = sizes[d]
            given.append(w.capacity_number(capacities[d]))
    made = w.call(node.target, source, given, val=w.with_capacities(val, capacities))
    return Open(made, counts, capacities) if counts else made


@dataclass(frozen=True)
class _Group:
    """Dimensions before and after that hold the same elements."""

    start: int
    before: tuple[int, ...]
    after: tuple[int, ...]


@RULES("reshape.default", "view.default", "_unsafe_view.default")
def reshape(w: OpenWriter, node: fx.Node, x: Value, shape: Sequence[Number]) -> Result:
    """Elements in another shape: by groups of dimensions that hold the same."""
    old, new = val_of(node.args[0]).shape, node.meta["val"].shape
    groups = list(_groups(old, new))
    plans = [_plan(w, x, group, old, new) for group in groups]
    if None not in plans:
        return _at_once(w, node, x, groups, new)
    value = x
    for group, plan in reversed(list(zip(groups, plans, strict=True))):
        if plan is None:
            value = _any_group(w, value, group, [shape[d] for d in group.after], new)
        elif len(group.before) != 1 or len(group.after) != 1:
            value = _one_group(w, value, group, new)
    return value


def _plan(
    w: OpenWriter, x: Value, group: _Group, old: Sequence[Size], new: Sequence[Size]
) -> str | None:
    """How a group keeps its elements in one piece: None where it does not."""
    opened = [d for d in group.before if isinstance(x, Open) and d in x.counts]
    unknown = [d for d in group.after if not w.limits.is_known(new[d])]
    if not opened and not unknown:
        return "closed"
    if len(group.before) == len(group.after) == 1:
        return "same"
    first = [d for d in group.before if str(old[d]) != "1"][:1]
    after = [d for d in group.after if str(new[d]) != "1"][:1]
    if opened == first and unknown == after and len(after) == 1:
        return "leading"
    return None


def _at_once(
    w: OpenWriter, node: fx.Node, x: Value, groups: list[_Group], new: Sequence[Size]
) -> Value:
    """One reshape: valid elements stay in front of the others."""
    counts: dict[int, Number] = {}
    capacities: dict[int, Capacity] = {}
    value = x
    for group in groups:
        unknown = [d for d in group.after if not w.limits.is_known(new[d])]
        if unknown and len(group.before) == len(group.after) == 1:
            counts[unknown[0]] = counts_of(value)[group.before[0]]
            capacities[unknown[0]] = capacities_of(value)[group.before[0]]
        elif unknown:
            value, rows, count = _rows(w, value, group, unknown[0], new)
            counts[unknown[0]], capacities[unknown[0]] = count, rows
    source = node_of(value)
    numbers = [
        w.capacity_number(capacities[d]) if d in capacities else _number(w, s)
        for d, s in enumerate(new)
    ]
    val = w.with_capacities(node.meta["val"], capacities)
    made = w.call(aten.reshape.default, source, numbers, val=val)
    return Open(made, counts, capacities) if counts else made


def _groups(old: Sequence[Size], new: Sequence[Size]) -> Iterator[_Group]:
    i = j = 0
    while i < len(old) or j < len(new):
        ii, jj = next(_ends(old, new, i, j), (len(old), len(new)))
        yield _Group(i, tuple(range(i, ii)), tuple(range(j, jj)))
        i, j = ii, jj


def _ends(old: Sequence[Size], new: Sequence[Size], i: int, j: int) -> Iterator[tuple[int, int]]:
    """The shortest parts of both shapes with as many elements."""
    pairs = sorted(
        ((ii, jj) for ii in range(i, len(old) + 1) for jj in range(j, len(new) + 1)),
        key=lambda p: (p[0] - i + p[1] - j, -p[0]),
    )
    for ii, jj in pairs:
        if (ii, jj) != (i, j) and _product(old[i:ii]) - _product(new[j:jj]) == 0:
            yield ii, jj


def _product(sizes: Sequence[Size]) -> sympy.Expr:
    total = sympy.Integer(1)
    for size in sizes:
        total *= int(size) if is_concrete_int(size) else raw_expression(size)
    return sympy.expand(total)


def _replaced(
    w: OpenWriter, value: Value, group: _Group, sizes: list[Any], numbers: list[Any], node: fx.Node
) -> tuple[fx.Node, dict[int, Number], dict[int, Capacity]]:
    """The group's dimensions in another shape, others as they are, and what of those is open."""
    val = val_of(node)
    first = group.start
    last = first + len(group.before)
    shape = [
        *(_number(w, s) for s in val.shape[:first]),
        *numbers,
        *(_number(w, s) for s in val.shape[last:]),
    ]
    made_val = fake_beside(val, [*val.shape[:first], *sizes, *val.shape[last:]])
    made = w.call(aten.reshape.default, node, shape, val=made_val)
    shift = len(sizes) - len(group.before)
    counts, capacities = {}, {}
    for d, count in counts_of(value).items():
        if not first <= d < last:
            to = d + (shift if d >= last else 0)
            counts[to], capacities[to] = count, capacities_of(value)[d]
    return made, counts, capacities


def _number(w: OpenWriter, size: Size) -> Number:
    return int(size) if is_concrete_int(size) else w.root_number(w.limits.exact(size))


def _one_group(w: OpenWriter, value: Value, group: _Group, new: Sequence[Size]) -> Value:
    """The dimensions of one group in another shape."""
    rows: dict[int, Capacity] = {}
    counted: dict[int, Number] = {}
    for d in group.after:
        if not w.limits.is_known(new[d]):
            value, rows[d], counted[d] = _rows(w, value, group, d, new)
    sizes = [rows[d].size if d in rows else new[d] for d in group.after]
    numbers = [w.capacity_number(rows[d]) if d in rows else _number(w, new[d]) for d in group.after]
    node = node_of(value)
    made, counts, capacities = _replaced(w, value, group, sizes, numbers, node)
    for d, capacity in rows.items():
        at = group.start + group.after.index(d)
        counts[at], capacities[at] = counted[d], capacity
    return Open(made, counts, capacities) if counts else made


def _rows(
    w: OpenWriter, value: Value, group: _Group, after: int, new: Sequence[Size]
) -> tuple[Value, Capacity, Number]:
    """Rows made longer or shorter: what to reshape, and how many rows there can be, and are."""
    head = next(d for d in group.before if d in counts_of(value))
    count: Number = 1
    for d in group.before:
        count = w.number(operator.mul, count, w.size_number(value, d))
    width: Number = 1
    for d in group.after:
        if d != after:
            width = w.capacities.compute(operator.mul, width, w.limits.exact(new[d]))
    rest: Number = 1
    for d in group.before:
        if d != head:
            rest = w.capacities.compute(operator.mul, rest, w.capacity(value, d).number)
    whole = w.capacities.compute(operator.mul, capacities_of(value)[head].number, rest)
    rows = Capacity(w.capacities.compute(operator.floordiv, whole, width))
    if not _divides(whole, width):
        # One row more than are full, times their width, is a number that the width divides.
        more = _more(w, rows)
        value = w.conform(value, head, Capacity(w.capacities.compute(operator.mul, more, width)))
        rows = Capacity(w.capacities.compute(operator.mul, more, rest))
    if width != 1:
        count = w.number(operator.floordiv, count, w.root_number(width))
    return value, rows, count


def _more(w: OpenWriter, rows: Capacity) -> Number:
    return w.capacities.compute(operator.add, rows.number, 1)


def _divides(whole: Number, width: Number) -> bool:
    a, b = val_of(whole), val_of(width)
    if is_concrete_int(a) and is_concrete_int(b):
        return int(a) % int(b) == 0
    if is_concrete_int(b) and int(b) == 1:
        return True
    left = sympy.Integer(int(a)) if is_concrete_int(a) else raw_expression(a)
    right = sympy.Integer(int(b)) if is_concrete_int(b) else raw_expression(b)
    coefficient, _ = left.as_coeff_Mul()
    return bool(right.is_Integer and coefficient % right == 0)


def _any_group(
    w: OpenWriter, value: Value, group: _Group, given: list[Any], new: Sequence[Size]
) -> Value:
    """Each element is fetched from where it stands: row by row of what means something."""
    if not isinstance(value, Open) or not group.before:
        raise w.unsupported("a reshape that makes an open size")
    first = group.before[0]
    in_counts = [w.size_number(value, d) for d in group.before]
    in_capacities = [w.capacity(value, d) for d in group.before]
    node, _ = flattened(w, value.node, first, len(in_capacities))
    out_counts = _out_counts(w, in_counts, given, [new[d] for d in group.after])
    out_capacities = [
        Capacity(w.limits.exact(new[d]))
        if w.limits.is_known(new[d])
        else w.capacities.not_empty(w.limits.capacity(new[d]))
        for d in group.after
    ]
    total: Number = 1
    for capacity in out_capacities:
        total = w.capacities.compute(operator.mul, total, capacity.number)
    positions = w.positions(Capacity(total), val_of(node))
    parts = _unravelled(
        w, positions, [w.number(maximum, w.capacity_number(r), 1) for r in out_capacities]
    )
    linear = _ravelled(w, parts, out_counts)
    safe = [w.number(maximum, c, 1) for c in in_counts]
    index = _ravelled(
        w, _unravelled(w, linear, safe), [w.capacity_number(r) for r in in_capacities]
    )
    taken = w.gathered(node, first, index)
    flat = _Group(first, (first,), group.after)
    merged: Value = value
    for d in group.before:
        merged = without(merged, d)
    shift = len(group.before) - 1
    outer = (
        Open(
            taken,
            {d - (shift if d > first else 0): n for d, n in merged.counts.items()},
            {d - (shift if d > first else 0): r for d, r in merged.capacities.items()},
        )
        if isinstance(merged, Open)
        else taken
    )
    sizes = [r.size for r in out_capacities]
    numbers = [w.capacity_number(r) for r in out_capacities]
    made, counts, capacities = _replaced(w, outer, flat, sizes, numbers, taken)
    for k, d in enumerate(group.after):
        if not w.limits.is_known(new[d]):
            counts[first + k], capacities[first + k] = out_counts[k], out_capacities[k]
    return Open(made, counts, capacities) if counts else made


def _out_counts(
    w: OpenWriter, before: list[Number], given: list[Any], new: list[Any]
) -> list[Number]:
    """The sizes asked for; one that was left out follows from the others."""
    total: Number = 1
    for count in before:
        total = w.number(operator.mul, total, count)
    known: Number = 1
    for value, size in zip(given, new, strict=True):
        if not (isinstance(value, int) and value == -1):
            known = w.number(operator.mul, known, value if not _is(size) else int(size))
    missing = [k for k, v in enumerate(given) if isinstance(v, int) and v == -1]
    made: list[Number] = [int(s) if _is(s) else v for v, s in zip(given, new, strict=True)]
    for k in missing:
        if not _is(new[k]):
            safe = w.number(maximum, known, 1)
            made[k] = w.number(operator.floordiv, total, safe)
    return made


def _is(size: Size) -> bool:
    return is_concrete_int(size)


def _unravelled(w: OpenWriter, index: fx.Node, sizes: list[Number]) -> list[fx.Node]:
    """A position as one index for each dimension."""
    parts: list[fx.Node] = []
    rest = index
    for size in reversed(sizes[1:]):
        parts.append(w.arith(aten.remainder.Scalar, rest, size))
        rest = w.call(aten.div.Tensor_mode, rest, size, val=val_of(rest), rounding_mode="floor")
    parts.append(rest)
    return parts[::-1]


def _ravelled(w: OpenWriter, parts: list[fx.Node], sizes: list[Number]) -> fx.Node:
    """Indices of each dimension as one position."""
    total = parts[0]
    for part, size in zip(parts[1:], sizes[1:], strict=True):
        total = w.arith(aten.mul.Tensor, total, size)
        total = w.call(aten.add.Tensor, total, part, val=val_of(total))
    return total
