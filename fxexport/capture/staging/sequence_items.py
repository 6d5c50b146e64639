"""The items of lists of varying length: into sequences of the graph, and out of them.

A list in an item is packed into tensors, since a sequence cannot hold sequences (see `Packed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Size, Value, is_symbolic
from fxexport.capture.session.list_runs import Spread, length_of
from fxexport.capture.session.session import Session
from fxexport.capture.staging.item_tensors import (
    Leaf,
    as_tensor,
    cut,
    filler,
    flattened,
    is_ragged,
    joined,
    tensors_in,
)
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
from fxexport.capture.staging.run_loop import rows_made
from fxexport.capture.staging.sequence_nodes import emit_sequence, emit_tensor, seen_as
from fxexport.capture.values.containers import objects_in, rebuild_like
from fxexport.capture.values.maybe import HOLE
from fxexport.graph import sequences
from fxexport.graph.sequences import SequenceVal

__all__ = [
    "as_element",
    "columns_of",
    "item_of",
    "item_tensors",
    "mapped",
]


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
    session: Session, parts: Sequence[torch.Tensor | tuple[SequenceVal, Size]], leaf: Leaf
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


def as_leaf(session: Session, column: SequenceVal, leaf: Leaf, length: Size) -> SequenceVal:
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


def _leaves(element: Pattern) -> list[Leaf]:
    return cast("list[Leaf]", leaves_of(element))


# -- an item as tensors ----------------------------------------------------------------------------


def item_tensors(session: Session, element: Pattern, value: Value) -> list[torch.Tensor]:
    """The tensors that hold an item, in the order of `leaves_of`."""
    return list(_item_tensors(session, element, value))


def _item_tensors(session: Session, element: Pattern, value: Value) -> Iterator[torch.Tensor]:
    if isinstance(element, Constant):
        return
    if value is HOLE:
        for leaf in _leaves(element):
            yield filler(session, leaf)
    elif isinstance(element, Packed):
        yield from _packed(session, element, list(cast("Sequence[Value]", value)))
    elif isinstance(element, Parts):
        for pattern, part in zip(element.items, parts_for(element, value), strict=True):
            yield from _item_tensors(session, pattern, part)
    else:
        assert isinstance(element, (TensorOf, Number))
        yield as_tensor(value, element)


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
        sized = 1 if is_ragged(_leaves(self.pattern.element)[0]) else 0
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
            if is_ragged(leaf):
                yield cut(self._session, held, next(tensors), k, sequence_like(leaf, 0))
            else:
                yield held.select(0, k)

    def columns(self) -> list[SequenceVal]:
        """A sequence for each leaf of an item."""
        leaves = _leaves(self.pattern.element)
        if any(map(is_ragged, leaves)):
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
        if not is_ragged(leaf):
            empty = torch.zeros([0, *cast("list[int]", like.dims)], dtype=like.dtype)
            found.append(torch.stack(column) if column else empty)
            continue
        flat = [flattened(tensor) for tensor in column]
        empty = torch.zeros([0], dtype=like.dtype)
        found.append(torch.cat([data for data, _ in flat]) if flat else empty)
        none = torch.zeros([0, len(like.dims)], dtype=torch.int64)
        found.append(torch.stack([sizes for _, sizes in flat]) if flat else none)
    return found


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
        if not is_ragged(leaf):
            found.append(joined(session, one, stacked=True))
            continue
        data, sizes = TensorOf(like.dtype, (None,)), TensorOf(torch.int64, (len(like.dims),))
        flat = mapped(
            session,
            one,
            Parts((), [data, sizes]),
            lambda tensor: flattened(cast("torch.Tensor", tensor)),
        )
        columns = flat.columns
        found.append(joined(session, Spread(data, [columns[0]], run.length), stacked=False))
        found.append(joined(session, Spread(sizes, [columns[1]], run.length), stacked=True))
    return found


def _is_packed_as(run: PackedRun, pattern: Packed) -> bool:
    wanted = [sequence_like(leaf, 0).dtype for leaf in pattern.tensors()]
    alike = same_layout(run.pattern.element, pattern.element)
    return alike and [tensor.dtype for tensor in run.tensors] == wanted


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

    def tensors_of(k: Size) -> list[torch.Tensor]:
        return item_tensors(session, element, change(item_of(session, run, k)))

    columns = rows_made(session, run.length, _leaves(element), tensors_of)
    return Spread(element, columns, run.length)
