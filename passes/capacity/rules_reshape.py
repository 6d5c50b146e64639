"""Other shapes of the same elements."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
import torch
from fxexport.passes.capacity.rules_index import flattened
from fxexport.passes.capacity.table import Table, dims_of, positive
from fxexport.passes.capacity.values import Number, Open, Room, node_of, val_of
from fxexport.passes.capacity.writer import Writer
from torch import fx
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from fxexport._torch_compat import fake_beside, raw_expression
from fxexport.graph.scalars import maximum

__all__ = ["RULES"]

aten = torch.ops.aten

RULES = Table()


def _moved(w: Writer, node: fx.Node, x: Any, args: Any, to: Callable[[int], int]) -> Any:
    """The operator as it is, where each open dimension goes somewhere else."""
    counts = {to(d): n for d, n in x.counts.items()}
    rooms = {to(d): r for d, r in x.rooms.items()}
    made = w.call(node.target, x.node, *args, val=w.like_room(node.meta["val"], rooms))
    return Open(made, counts, rooms)


@RULES("unsqueeze.default")
def unsqueeze(w: Writer, node: fx.Node, x: Any, dim: int) -> Any:
    """A further dimension of size 1."""
    at = positive(dim, x.rank + 1)
    return _moved(w, node, x, (dim,), lambda d: d + (d >= at))


@RULES("squeeze.dim", "squeeze.dims")
def squeeze(w: Writer, node: fx.Node, x: Any, dim: Any) -> Any:
    """Fewer dimensions of size 1."""
    before = node.args[0].meta["val"].shape  # type: ignore[union-attr]
    gone = [d for d in dims_of(dim, x.rank) if is_concrete_int(before[d]) and int(before[d]) == 1]
    if any(d in x.counts for d in dims_of(dim, x.rank)):
        raise w.unsupported("squeeze of an open size")
    return _moved(w, node, x, (dim,), lambda d: d - sum(g < d for g in gone))


@RULES("permute.default")
def permute(w: Writer, node: fx.Node, x: Any, dims: Any) -> Any:
    """Dimensions in another order."""
    order = dims_of(dims, x.rank)
    return _moved(w, node, x, (dims,), order.index)


@RULES("transpose.int")
def transpose(w: Writer, node: fx.Node, x: Any, first: int, second: int) -> Any:
    """Two dimensions swapped."""
    a, b = positive(first, x.rank), positive(second, x.rank)
    return _moved(w, node, x, (first, second), lambda d: b if d == a else a if d == b else d)


@RULES("expand.default")
def expand(w: Writer, node: fx.Node, x: Any, sizes: Sequence[Any], **kwargs: Any) -> Any:
    """Copies along dimensions of size 1, and new ones in front."""
    val = node.meta["val"]
    source = node_of(x)
    extra = val.ndim - val_of(x).ndim
    counts = {d + extra: n for d, n in x.counts.items()} if isinstance(x, Open) else {}
    rooms = {d + extra: r for d, r in x.rooms.items()} if isinstance(x, Open) else {}
    given: list[Any] = []
    for d, size in enumerate(val.shape):
        copies = d < extra or (str(val_of(source).shape[d - extra]) == "1" and d not in rooms)
        if not copies:
            given.append(-1)
        elif w.limits.is_known(size):
            given.append(int(size) if is_concrete_int(size) else w.root(w.limits.exact(size)))
        else:
            rooms[d] = w.rooms.not_empty(w.limits.room(size))
            counts[d] = sizes[d]
            given.append(w.room_number(rooms[d]))
    made = w.call(node.target, source, given, val=w.like_room(val, rooms))
    return Open(made, counts, rooms) if counts else made


@dataclass(frozen=True)
class _Group:
    """Dimensions before and after that hold the same elements."""

    start: int
    before: tuple[int, ...]
    after: tuple[int, ...]


@RULES("reshape.default", "view.default", "_unsafe_view.default")
def reshape(w: Writer, node: fx.Node, x: Any, shape: Sequence[Any]) -> Any:
    """Elements in another shape: by groups of dimensions that hold the same."""
    source: Any = node.args[0]
    old, new = source.meta["val"].shape, node.meta["val"].shape
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


def _plan(w: Writer, x: Any, group: _Group, old: Sequence[Any], new: Sequence[Any]) -> str | None:
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


def _at_once(w: Writer, node: fx.Node, x: Any, groups: list[_Group], new: Sequence[Any]) -> Any:
    """One reshape: elements that mean something stay in front of the others."""
    counts: dict[int, Any] = {}
    rooms: dict[int, Room] = {}
    value = x
    for group in groups:
        unknown = [d for d in group.after if not w.limits.is_known(new[d])]
        if unknown and len(group.before) == len(group.after) == 1:
            counts[unknown[0]] = value.counts[group.before[0]]
            rooms[unknown[0]] = value.rooms[group.before[0]]
        elif unknown:
            value, rows, count = _rows(w, value, group, unknown[0], new)
            counts[unknown[0]], rooms[unknown[0]] = count, rows
    source = node_of(value)
    numbers = [w.room_number(rooms[d]) if d in rooms else _number(w, s) for d, s in enumerate(new)]
    val = w.like_room(node.meta["val"], rooms)
    made = w.call(aten.reshape.default, source, numbers, val=val)
    return Open(made, counts, rooms) if counts else made


def _groups(old: Sequence[Any], new: Sequence[Any]) -> Iterator[_Group]:
    i = j = 0
    while i < len(old) or j < len(new):
        ii, jj = next(_ends(old, new, i, j), (len(old), len(new)))
        yield _Group(i, tuple(range(i, ii)), tuple(range(j, jj)))
        i, j = ii, jj


def _ends(old: Sequence[Any], new: Sequence[Any], i: int, j: int) -> Iterator[tuple[int, int]]:
    """The shortest parts of both shapes with as many elements."""
    pairs = sorted(
        ((ii, jj) for ii in range(i, len(old) + 1) for jj in range(j, len(new) + 1)),
        key=lambda p: (p[0] - i + p[1] - j, -p[0]),
    )
    for ii, jj in pairs:
        if (ii, jj) != (i, j) and _product(old[i:ii]) - _product(new[j:jj]) == 0:
            yield ii, jj


def _product(sizes: Sequence[Any]) -> Any:
    total = sympy.Integer(1)
    for size in sizes:
        total *= int(size) if is_concrete_int(size) else raw_expression(size)
    return sympy.expand(total)


def _replaced(
    w: Writer, value: Any, group: _Group, sizes: list[Any], numbers: list[Any], node: fx.Node
) -> tuple[fx.Node, dict[int, Any], dict[int, Room]]:
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
    counts, rooms = {}, {}
    for d in value.counts if isinstance(value, Open) else ():
        if not first <= d < last:
            to = d + (shift if d >= last else 0)
            counts[to], rooms[to] = value.counts[d], value.rooms[d]
    return made, counts, rooms


def _number(w: Writer, size: Any) -> Any:
    return int(size) if is_concrete_int(size) else w.root(w.limits.exact(size))


def _one_group(w: Writer, value: Any, group: _Group, new: Sequence[Any]) -> Any:
    """The dimensions of one group in another shape."""
    rows: dict[int, Room] = {}
    counted: dict[int, Any] = {}
    for d in group.after:
        if not w.limits.is_known(new[d]):
            value, rows[d], counted[d] = _rows(w, value, group, d, new)
    sizes = [rows[d].size if d in rows else new[d] for d in group.after]
    numbers = [w.room_number(rows[d]) if d in rows else _number(w, new[d]) for d in group.after]
    node = node_of(value)
    made, counts, rooms = _replaced(w, value, group, sizes, numbers, node)
    for d, room in rows.items():
        at = group.start + group.after.index(d)
        counts[at], rooms[at] = counted[d], room
    return Open(made, counts, rooms) if counts else made


def _rows(
    w: Writer, value: Any, group: _Group, after: int, new: Sequence[Any]
) -> tuple[Any, Room, Number]:
    """Rows made longer or shorter: what to reshape, and how many rows there can be, and are."""
    head = next(d for d in group.before if d in value.counts)
    count: Number = 1
    for d in group.before:
        count = w.number(operator.mul, count, w.size_number(value, d))
    width: Number = 1
    for d in group.after:
        if d != after:
            width = w.rooms.compute(operator.mul, width, w.limits.exact(new[d]))
    rest: Number = 1
    for d in group.before:
        if d != head:
            rest = w.rooms.compute(operator.mul, rest, w.room(value, d).number)
    whole = w.rooms.compute(operator.mul, value.rooms[head].number, rest)
    rows = Room(w.rooms.compute(operator.floordiv, whole, width))
    if not _divides(whole, width):
        # One row more than are full, times their width, is a number that the width divides.
        more = _more(w, rows)
        value = w.conform(value, head, Room(w.rooms.compute(operator.mul, more, width)))
        rows = Room(w.rooms.compute(operator.mul, more, rest))
    if width != 1:
        count = w.number(operator.floordiv, count, w.root(width))
    return value, rows, count


def _more(w: Writer, rows: Room) -> Number:
    return w.rooms.compute(operator.add, rows.number, 1)


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


def _any_group(w: Writer, value: Any, group: _Group, given: list[Any], new: Sequence[Any]) -> Any:
    """Each element is fetched from where it stands: row by row of what means something."""
    if not isinstance(value, Open) or not group.before:
        raise w.unsupported("a reshape that makes an open size")
    first = group.before[0]
    in_counts = [w.size_number(value, d) for d in group.before]
    in_rooms = [w.room(value, d) for d in group.before]
    node, _ = flattened(w, value.node, first, len(in_rooms))
    out_counts = _out_counts(w, in_counts, given, [new[d] for d in group.after])
    out_rooms = [
        Room(w.limits.exact(new[d]))
        if w.limits.is_known(new[d])
        else w.rooms.not_empty(w.limits.room(new[d]))
        for d in group.after
    ]
    total: Number = 1
    for room in out_rooms:
        total = w.rooms.compute(operator.mul, total, room.number)
    places = w.positions(Room(total), val_of(node))
    parts = _unravelled(w, places, [w.number(maximum, w.room_number(r), 1) for r in out_rooms])
    linear = _ravelled(w, parts, out_counts)
    safe = [w.number(maximum, c, 1) for c in in_counts]
    index = _ravelled(w, _unravelled(w, linear, safe), [w.room_number(r) for r in in_rooms])
    taken = w.gathered(node, first, index)
    flat = _Group(first, (first,), group.after)
    merged = value
    for d in group.before:
        merged = merged.without(d) if isinstance(merged, Open) else merged
    shift = len(group.before) - 1
    outer = (
        Open(
            taken,
            {d - (shift if d > first else 0): n for d, n in merged.counts.items()},
            {d - (shift if d > first else 0): r for d, r in merged.rooms.items()},
        )
        if isinstance(merged, Open)
        else taken
    )
    sizes = [r.size for r in out_rooms]
    numbers = [w.room_number(r) for r in out_rooms]
    made, counts, rooms = _replaced(w, outer, flat, sizes, numbers, taken)
    for k, d in enumerate(group.after):
        if not w.limits.is_known(new[d]):
            counts[first + k], rooms[first + k] = out_counts[k], out_rooms[k]
    return Open(made, counts, rooms) if counts else made


def _out_counts(w: Writer, before: list[Number], given: list[Any], new: list[Any]) -> list[Number]:
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


def _is(size: Any) -> bool:
    return is_concrete_int(size)


def _unravelled(w: Writer, index: fx.Node, sizes: list[Number]) -> list[fx.Node]:
    """A position as one index for each dimension."""
    parts: list[fx.Node] = []
    rest = index
    for size in reversed(sizes[1:]):
        parts.append(w.arith(aten.remainder.Scalar, rest, size))
        rest = w.call(aten.div.Tensor_mode, rest, size, val=val_of(rest), rounding_mode="floor")
    parts.append(rest)
    return parts[::-1]


def _ravelled(w: Writer, parts: list[fx.Node], sizes: list[Number]) -> fx.Node:
    """Indices of each dimension as one position."""
    total = parts[0]
    for part, size in zip(parts[1:], sizes[1:], strict=True):
        total = w.arith(aten.mul.Tensor, total, size)
        total = w.call(aten.add.Tensor, total, part, val=val_of(total))
    return total
