"""The items of lists of varying length: into sequences of the graph, and out of them.

A list in an item is packed into tensors, since a sequence cannot hold sequences (see `Packed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Operand, Size, Value, is_symbolic
from fxexport.capture.session.list_runs import Spread, length_of
from fxexport.capture.session.session import Session
from fxexport.capture.sizes.proofs import iteration_bound
from fxexport.capture.staging.patterns import (
    Constant,
    Number,
    Packed,
    Parts,
    Pattern,
    TensorOf,
    leaves_of,
    parts_for,
    same_layout,
    sequence_like,
)
from fxexport.capture.staging.sequence_nodes import emit_sequence, emit_tensor, join, seen_as
from fxexport.capture.values.containers import is_mutable, parts_of, rebuild_like
from fxexport.capture.values.kinds import as_kind
from fxexport.capture.values.maybe import HOLE
from fxexport.graph import sequences
from fxexport.graph.marks import BOUND
from fxexport.graph.ops import loop
from fxexport.graph.sequences import SequenceVal

__all__ = [
    "as_element",
    "columns_of",
    "item_of",
    "item_tensors",
    "mapped",
    "objects_in",
    "tensors_in",
]

_Leaf = TensorOf | Number


def columns_of(session: Session, items: Sequence[Value], element: Pattern) -> list[SequenceVal]:
    """A sequence for each tensor and number of the items, written into the present frame.

    Args:
        session: the capture.
        items: what a list holds, Spreads included.
        element: a pattern that all items fit.
    """
    length = length_of(items)
    leaves = _leaves(element)
    if not leaves:
        return []
    # What an item becomes in each column; the columns of what is a run already.
    parts: list[list[torch.Tensor] | Spread] = [
        as_element(session, item, element)
        if isinstance(item, Spread)
        else item_tensors(session, element, item)
        for item in items
    ]
    runs = {id(part): part.columns for part in parts if isinstance(part, Spread)}
    columns = []
    for k, leaf in enumerate(leaves):
        column = [
            (runs[id(part)][k], part.length) if isinstance(part, Spread) else part[k]
            for part in parts
        ]
        columns.append(seen_as(session, _column(session, column, leaf), leaf, length))
    return columns


def _column(
    session: Session, parts: Sequence[torch.Tensor | tuple[SequenceVal, Size]], leaf: _Leaf
) -> SequenceVal:
    """One sequence of single tensors and of sequences with their lengths."""
    result: SequenceVal | None = None
    count: Size = 0
    run: list[torch.Tensor] = []
    dtype = sequence_like(leaf, 0).dtype

    def flush() -> None:
        nonlocal result, run
        nodes = [session.tensors.inner(tensor) for tensor in run]
        if result is None and nodes:
            result = emit_sequence(
                session, sequences.sequence_of, dtype, *nodes, like=leaf, length=count
            )
        else:
            for done, node in enumerate(nodes, 1):
                size = count - len(nodes) + done
                result = emit_sequence(
                    session, sequences.sequence_insert, result, node, like=leaf, length=size
                )
        run = []

    for part in parts:
        if isinstance(part, torch.Tensor):
            run.append(part)
            count = count + 1
            continue
        flush()
        column, length = part
        count = count + length
        more = as_leaf(session, column, leaf, length)
        if result is None:
            result = more
        else:
            result = emit_sequence(
                session, sequences.sequence_extend, result, more, like=leaf, length=count
            )
    flush()
    if result is None:
        result = emit_sequence(session, sequences.sequence_of, dtype, like=leaf, length=0)
    return result


def as_leaf(session: Session, column: SequenceVal, leaf: _Leaf, length: Size) -> SequenceVal:
    """A column in the dtype of a leaf; ints become floats where the list holds floats too."""
    dtype = sequence_like(leaf, 0).dtype
    if column.dtype == dtype:
        return column
    return emit_sequence(session, sequences.sequence_cast, column, dtype, like=leaf, length=length)


def as_element(session: Session, spread: Spread, element: Pattern) -> Spread:
    """A run with a column for each leaf of a wider pattern."""
    if same_layout(spread.element, element):
        return spread
    return mapped(session, spread, element)


def _leaves(element: Pattern) -> list[_Leaf]:
    return cast("list[_Leaf]", leaves_of(element))


# -- an item as tensors ----------------------------------------------------------------------------


def item_tensors(session: Session, element: Pattern, value: Value) -> list[torch.Tensor]:
    """The tensors that hold an item, in the order of `leaves_of`."""
    return list(_item_tensors(session, element, value))


def _item_tensors(session: Session, element: Pattern, value: Value) -> Iterator[torch.Tensor]:
    if isinstance(element, Constant):
        return
    if value is HOLE:
        for leaf in _leaves(element):
            yield _filler(session, leaf)
    elif isinstance(element, Packed):
        yield from _packed(session, element, list(cast("Sequence[Value]", value)))
    elif isinstance(element, Parts):
        for pattern, part in zip(element.items, parts_for(element, value), strict=True):
            yield from _item_tensors(session, pattern, part)
    else:
        assert isinstance(element, (TensorOf, Number))
        yield _tensor(value, element)


def _tensor(value: Value, leaf: _Leaf) -> torch.Tensor:
    """The tensor that holds a tensor or number of an item."""
    if isinstance(leaf, Number):
        value = as_kind(value, leaf.kind)
        if isinstance(value, torch.SymBool):
            value = torch.sym_ite(value, 1, 0)
    if not isinstance(value, torch.Tensor):
        number = cast("int", value)
        value = torch.scalar_tensor(number, dtype=sequence_like(leaf, 0).dtype)
    return value


def _filler(session: Session, leaf: _Leaf) -> torch.Tensor:
    """Stands for a tensor of an item that is not there."""
    like = sequence_like(leaf, 0)
    sizes = [
        session.never_negative(dim) if dim is not None and session.in_scope(dim) else 0
        for dim in like.dims
    ]
    return torch.zeros(sizes, dtype=like.dtype)


# -- lists in items --------------------------------------------------------------------------------


class PackedRun:
    """The items of a list that was packed into tensors; see `Views`, though writes do not reach."""

    def __init__(self, session: Session, pattern: Packed, tensors: list[torch.Tensor]) -> None:
        self._session = session
        self.pattern = pattern
        self.tensors = tensors
        self._ends: dict[int, torch.Tensor] = {}

    @property
    def source(self) -> torch.Tensor:
        """The first of the tensors."""
        return self.tensors[0]

    @property
    def length(self) -> Size:
        """The number of items."""
        sized = 1 if _is_ragged(_leaves(self.pattern.element)[0]) else 0
        return self.tensors[sized].shape[0]

    def are(self, count: int) -> bool | torch.SymBool:
        """Whether there are just so many."""
        return self.length == count

    def has(self, k: int) -> bool | torch.SymBool:
        """Whether there are more than `k`."""
        return self.length > k

    def item(self, k: Size) -> Value:
        """The item at an index from 0 to the last one."""
        return _built(self._session, self.pattern.element, self._at(k))

    def _at(self, k: Size) -> Iterator[torch.Tensor]:
        tensors = iter(self.tensors)
        for leaf in _leaves(self.pattern.element):
            held = next(tensors)
            if _is_ragged(leaf):
                yield _cut(self._session, held, next(tensors), k, sequence_like(leaf, 0))
            else:
                yield held.select(0, k)

    def columns(self) -> list[SequenceVal]:
        """A sequence for each leaf of an item."""
        leaves = _leaves(self.pattern.element)
        if any(map(_is_ragged, leaves)):
            run = Spread(self.pattern.element, self, self.length)
            return mapped(self._session, run, self.pattern.element).columns
        return [
            emit_sequence(
                self._session,
                sequences.sequence_rows,
                self._session.tensors.inner(tensor),
                like=leaf,
                length=self.length,
            )
            for leaf, tensor in zip(leaves, self.tensors, strict=True)
        ]


def _is_ragged(leaf: _Leaf) -> bool:
    return None in sequence_like(leaf, 0).dims


def _packed(session: Session, pattern: Packed, items: list[Value]) -> list[torch.Tensor]:
    """The tensors that hold the items of a list."""
    leaves = _leaves(pattern.element)
    if not leaves:
        return [torch.scalar_tensor(cast("int", length_of(items)), dtype=torch.int64)]
    pieces: list[list[torch.Tensor]] = []
    run: list[Value] = []
    for item in items:
        if not isinstance(item, Spread):
            run.append(item)
            continue
        if run:
            pieces.append(_packed_items(session, pattern, run))
            run = []
        pieces.append(_packed_run(session, pattern, item))
    if run or not pieces:
        pieces.append(_packed_items(session, pattern, run))
    return [one[0] if len(one) == 1 else torch.cat(one) for one in map(list, zip(*pieces))]  # noqa: B905


def _packed_items(session: Session, pattern: Packed, items: list[Value]) -> list[torch.Tensor]:
    rows = [item_tensors(session, pattern.element, item) for item in items]
    found = []
    for k, leaf in enumerate(_leaves(pattern.element)):
        like = sequence_like(leaf, 0)
        column = [row[k] for row in rows]
        if not _is_ragged(leaf):
            empty = torch.zeros([0, *cast("list[int]", like.dims)], dtype=like.dtype)
            found.append(torch.stack(column) if column else empty)
            continue
        flat = [_flattened(tensor) for tensor in column]
        empty = torch.zeros([0], dtype=like.dtype)
        found.append(torch.cat([data for data, _ in flat]) if flat else empty)
        none = torch.zeros([0, len(like.dims)], dtype=torch.int64)
        found.append(torch.stack([sizes for _, sizes in flat]) if flat else none)
    return found


def _flattened(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The elements of a tensor, and its sizes."""
    sizes = [torch.scalar_tensor(size, dtype=torch.int64) for size in tensor.shape]
    return tensor.reshape(-1), torch.stack(sizes)


def _packed_run(session: Session, pattern: Packed, run: Spread) -> list[torch.Tensor]:
    views = run.views
    run.refuse_if_stale()
    if isinstance(views, PackedRun) and _is_packed_as(views, pattern):
        return views.tensors
    whole = as_element(session, run, pattern.element)
    found = []
    for leaf, column in zip(_leaves(pattern.element), whole.columns, strict=True):
        like = sequence_like(leaf, 0)
        one = Spread(TensorOf(like.dtype, like.dims), [column], run.length)
        if not _is_ragged(leaf):
            found.append(_joined(session, one, stacked=True))
            continue
        data, sizes = TensorOf(like.dtype, (None,)), TensorOf(torch.int64, (len(like.dims),))
        flat = mapped(
            session,
            one,
            Parts((), [data, sizes]),
            lambda tensor: _flattened(cast("torch.Tensor", tensor)),
        )
        columns = flat.columns
        found.append(_joined(session, Spread(data, [columns[0]], run.length), stacked=False))
        found.append(_joined(session, Spread(sizes, [columns[1]], run.length), stacked=True))
    return found


def _is_packed_as(run: PackedRun, pattern: Packed) -> bool:
    wanted = [sequence_like(leaf, 0).dtype for leaf in pattern.tensors()]
    alike = same_layout(run.pattern.element, pattern.element)
    return alike and [tensor.dtype for tensor in run.tensors] == wanted


def _joined(session: Session, run: Spread, *, stacked: bool) -> torch.Tensor:
    """The items of a run in one tensor, also where there are none."""
    leaf = run.element
    assert isinstance(leaf, TensorOf)
    sizes = [0 if dim is None else session.never_negative(dim) for dim in leaf.dims]
    # With one item more there is something to join in any case.
    start = torch.zeros(sizes, dtype=leaf.dtype)
    whole = join(session, [start, run], 0, stacked, leaf)
    return whole[1:] if stacked else whole


def _cut(
    session: Session, data: torch.Tensor, sizes: torch.Tensor, k: Size, like: SequenceVal
) -> torch.Tensor:
    """An item of a list whose items are flattened."""
    end = sizes.prod(1).cumsum(0).select(0, k).item()
    row = sizes.select(0, k)
    start = end - row.prod().item()
    known: list[Size] = []
    for d, dim in enumerate(like.dims):
        if dim is None:
            dim = cast("torch.SymInt", row.select(0, d).item())
            if is_symbolic(dim):
                session.env.set_range(dim.node.expr, 0, None)
        known.append(dim)
    recorder = session.recorder
    with compat.only_mode(session.fake_mode):
        flat = torch.empty([session.fresh_size()], dtype=data.dtype)
        fake = torch.empty(known, dtype=data.dtype)
    aten = torch.ops.aten
    bounds = (recorder.node_of(start), recorder.node_of(end))
    node = recorder.emit(
        aten.slice.Tensor, recorder.node_of(session.tensors.inner(data)), 0, *bounds, val=flat
    )
    recorder.bind(flat, node)
    shape: list[Operand] = [recorder.node_of(size) for size in known]
    recorder.bind(fake, recorder.emit(aten.view.default, node, shape, val=fake))
    return session.tensors.wrap(fake)


# -- an item out of its tensors --------------------------------------------------------------------


def item_of(session: Session, spread: Spread, index: Size) -> Value:
    """The item at an index that is known to be inside (from -length to length - 1).

    Views are read at an index that is not negative, or is known now.
    """
    spread.refuse_if_stale()
    if spread.views is not None:
        counted = not is_symbolic(index) and index < 0
        item = spread.views.item(index + spread.length if counted else index)
        if not isinstance(spread.views, PackedRun):
            return item
    else:
        values = iter([_read(session, column, index) for column in spread.columns])
        item = _built(session, spread.element, values)
    for tensor in tensors_in(item):
        session.held_by(tensor, spread)
    for value in objects_in(item):
        session.freeze(value, spread)
    return item


def tensors_in(item: Value) -> Iterator[torch.Tensor]:
    """The tensors in an item of a list."""
    if isinstance(item, torch.Tensor):
        yield item
    elif isinstance(item, Spread) and item.views is not None:
        yield cast("torch.Tensor", item.views.source)
    for part in parts_of(item) or []:
        yield from tensors_in(part)


def objects_in(item: Value) -> Iterator[Value]:
    """The objects in an item of a list that can be changed."""
    if is_mutable(item):
        yield item
    for part in parts_of(item) or []:
        yield from objects_in(part)


def _read(session: Session, column: SequenceVal, index: Size) -> torch.Tensor:
    sizes = [session.fresh_size() if dim is None else dim for dim in column.dims]
    with compat.only_mode(session.fake_mode):
        fake = torch.empty(sizes, dtype=column.dtype)
    return emit_tensor(session, sequences.sequence_at, column, index, fake=fake)


def _built(session: Session, element: Pattern, values: Iterator[torch.Tensor]) -> Value:
    if isinstance(element, Constant):
        return element.value
    if isinstance(element, Parts):
        items = [_built(session, item, values) for item in element.items]
        return session.journal.made(rebuild_like(element.like, items))
    if isinstance(element, Packed):
        tensors = [next(values) for _ in element.tensors()]
        return session.journal.made(rebuild_like(element.like, [_run(session, element, tensors)]))
    tensor = next(values)
    if not isinstance(element, Number):
        return tensor
    number = tensor.item()
    if element.promoted and is_symbolic(number):
        session.promote(number)
    return number


def _run(session: Session, pattern: Packed, tensors: list[torch.Tensor]) -> Spread:
    if leaves_of(pattern.element):
        run = PackedRun(session, pattern, tensors)
        return Spread(pattern.element, run, run.length)
    count = cast("torch.SymInt", tensors[0].item())
    session.env.set_range(count.node.expr, 0, None)
    return Spread(pattern.element, [], count)


# -- each item of a run in another form ------------------------------------------------------------


def mapped(
    session: Session,
    run: Spread,
    element: Pattern,
    change: Callable[[Value], Value] = lambda item: item,
) -> Spread:
    """A run of what a function makes of each item, written as a loop into the present frame.

    Args:
        session: the capture.
        run: the run of items.
        element: a pattern that all new items fit.
        change: the function.
    """
    leaves = _leaves(element)
    if not leaves:
        return Spread(element, [], run.length)
    recorder = session.recorder
    with session.body() as body:
        index = recorder.fresh_scalar(torch.SymInt)
        session.env.set_range(index.node.expr, 0, None)
        session.env.counters.add(index.node.expr)
        inputs = [recorder.add_input("trip", index)]
        with compat.no_recording():
            session.env.assume(index < run.length, "iteration number")
        size = session.fresh_size()
        so_far = [sequence_like(leaf, size) for leaf in leaves]
        inputs += [recorder.add_input("carried", column) for column in so_far]
        tensors = item_tensors(session, element, change(item_of(session, run, index)))
        longer = [
            emit_sequence(
                session,
                sequences.sequence_insert,
                column,
                session.tensors.inner(tensor),
                like=leaf,
                length=size + 1,
            )
            for leaf, column, tensor in zip(leaves, so_far, tensors, strict=True)
        ]
        ends = [session.node_of(column) for column in longer]
    frame = body.frame
    nothing = [_column(session, [], leaf) for leaf in leaves]
    initial = tuple(session.node_of(column) for column in nothing)
    found = [sequence_like(leaf, run.length) for leaf in leaves]
    captured = list(frame.captures)
    graph = recorder.finish(frame, inputs, [True, *ends], captured)
    node = recorder.emit(
        loop,
        recorder.node_of(run.length),
        True,
        recorder.add_body(graph, "body"),
        initial,
        tuple(captured),
        val=tuple(found),
    )
    recorder.bind(tuple(found), node)
    BOUND.put(node, iteration_bound(session, run.length))
    return Spread(element, found, run.length)
