"""The items of lists of varying length: into sequences of the graph, and out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Size, Value
from fxexport.capture.session.list_runs import Spread, length_of
from fxexport.capture.session.session import Session, is_symbolic
from fxexport.capture.staging.patterns import (
    Constant,
    Number,
    Parts,
    Pattern,
    TensorOf,
    leaves_of,
    sequence_like,
)
from fxexport.capture.staging.widening import Widening
from fxexport.capture.values.containers import parts_of, rebuild_like
from fxexport.capture.values.kinds import as_kind
from fxexport.graph import sequences
from fxexport.graph.sequences import SequenceVal

__all__ = ["columns_of", "item_of", "join", "single", "with_item", "without"]


def columns_of(session: Session, items: Sequence[Value], element: Pattern) -> list[SequenceVal]:
    """A sequence for each tensor and number of the items, written into the present frame.

    Args:
        session: the capture.
        items: what a list holds, Spreads included.
        element: a pattern that all items fit.
    """
    length = length_of(items)
    columns = []
    for k, leaf in enumerate(leaves_of(element)):
        assert isinstance(leaf, (TensorOf, Number))
        columns.append(_column(session, items, element, k, leaf, length))
    return columns


def _column(
    session: Session,
    items: Sequence[Value],
    element: Pattern,
    k: int,
    leaf: TensorOf | Number,
    length: Size,
) -> SequenceVal:
    result: SequenceVal | None = None
    count: Size = 0
    run: list[torch.Tensor] = []
    dtype = sequence_like(leaf, 0).dtype

    def flush() -> None:
        nonlocal result, run
        if result is None and run:
            result = _emit(session, sequences.sequence_of, dtype, *run, like=leaf, length=count)
        else:
            for done, node in enumerate(run, 1):
                size = count - len(run) + done
                result = _emit(
                    session, sequences.sequence_insert, result, node, like=leaf, length=size
                )
        run = []

    for item in items:
        if isinstance(item, Spread):
            flush()
            count = count + item.length
            more = _as_leaf(session, item, k, leaf)
            result = (
                more
                if result is None
                else _emit(
                    session, sequences.sequence_extend, result, more, like=leaf, length=count
                )
            )
        else:
            run.append(_tensor(session, list(_leaf_values(element, item))[k], leaf))
            count = count + 1
    flush()
    if result is None:
        result = _emit(session, sequences.sequence_of, dtype, like=leaf, length=0)
    return _seen_as(session, result, leaf, length)


def _as_leaf(session: Session, spread: Spread, k: int, leaf: TensorOf | Number) -> SequenceVal:
    """A column of a Spread; ints become floats where the list holds floats too."""
    column = spread.columns[k]
    dtype = sequence_like(leaf, 0).dtype
    if column.dtype == dtype:
        return column
    return _emit(session, sequences.sequence_cast, column, dtype, like=leaf, length=spread.length)


def _seen_as(
    session: Session, column: SequenceVal, leaf: TensorOf | Number, length: Size
) -> SequenceVal:
    """The same sequence, as one whose items fit a wider pattern."""
    wanted = sequence_like(leaf, length)
    if column.dims == wanted.dims and session.same(column.length, length):
        return column
    session.recorder.frame.tensors[id(wanted)] = (wanted, session.recorder.tensor_node(column))
    return wanted


def _emit(
    session: Session,
    function: Callable[..., Value],
    *args: Value,
    like: TensorOf | Number,
    length: Size,
) -> SequenceVal:
    val = sequence_like(like, length)
    recorder = session.recorder
    node = recorder.emit(function, *(recorder.node_of(arg) for arg in args), val=val)
    recorder.bind(val, node)
    return val


def _leaf_values(element: Pattern, value: Value) -> Iterator[Value]:
    """The tensors and numbers of an item, in the order of `leaves_of`."""
    if isinstance(element, Constant):
        return
    if isinstance(element, Parts):
        for pattern, part in zip(element.items, parts_of(value) or [], strict=True):
            yield from _leaf_values(pattern, part)
        return
    yield value


def _tensor(session: Session, value: Value, leaf: TensorOf | Number) -> torch.Tensor:
    """The fake tensor that holds a tensor or number of an item."""
    if isinstance(leaf, Number):
        value = as_kind(value, leaf.kind)
        if isinstance(value, torch.SymBool):
            value = torch.sym_ite(value, 1, 0)
    if not isinstance(value, torch.Tensor):
        number = cast("int", value)
        value = torch.scalar_tensor(number, dtype=sequence_like(leaf, 0).dtype)
    return session.tensors.inner(value)


def single(session: Session, items: Iterable[Value]) -> Spread:
    """An open list as one run of items, written into the present frame."""
    parts = list(items)
    if len(parts) == 1 and isinstance(parts[0], Spread) and parts[0].views is None:
        return parts[0]
    element = Widening(session).element_of(parts)
    spread = Spread(element, columns_of(session, parts, element), length_of(parts))
    hold(session, parts, spread)
    return spread


def hold(session: Session, items: Sequence[Value], spread: Spread) -> None:
    """Notes that the items now live on in a run: what is written to them later would not."""
    for item in items:
        if not isinstance(item, Spread):
            for tensor in tensors_in(item):
                session.held_by(tensor, spread)
            session.freeze(item, spread)
        elif item.views is not None and item is not spread:
            session.held_by(cast("torch.Tensor", item.views.source), spread)


def tensors_in(item: Value) -> Iterator[torch.Tensor]:
    """The tensors in an item of a list."""
    if isinstance(item, torch.Tensor):
        yield item
    for part in parts_of(item) or []:
        yield from tensors_in(part)


def item_of(session: Session, spread: Spread, index: Size) -> Value:
    """The item at an index that is known to be inside (from -length to length - 1).

    Views are read at an index that is not negative, or is known now.
    """
    if spread.views is not None:
        counted = not is_symbolic(index) and index < 0
        return spread.views.item(index + spread.length if counted else index)
    values = iter([_read(session, column, index) for column in spread.columns])
    item = _built(session, spread.element, values)
    for tensor in tensors_in(item):
        session.held_by(tensor, spread)
    session.freeze(item, spread)
    return item


def _read(session: Session, column: SequenceVal, index: Size) -> torch.Tensor:
    sizes = [session.fresh_size() if dim is None else dim for dim in column.dims]
    with compat.only_mode(session.fake_mode):
        fake = torch.empty(sizes, dtype=column.dtype)
    return emit_tensor(session, sequences.sequence_at, column, index, fake=fake)


def emit_tensor(
    session: Session, function: Callable[..., Value], *args: Value, fake: torch.Tensor
) -> torch.Tensor:
    """Writes a call that yields a tensor; returns the program's tensor for it."""
    recorder = session.recorder
    node = recorder.emit(function, *(recorder.node_of(arg) for arg in args), val=fake)
    recorder.bind(fake, node)
    return session.tensors.wrap(fake)


def _built(session: Session, element: Pattern, values: Iterator[torch.Tensor]) -> Value:
    if isinstance(element, Constant):
        return element.value
    if isinstance(element, Parts):
        items = [_built(session, item, values) for item in element.items]
        return session.journal.made(rebuild_like(element.like, items))
    tensor = next(values)
    if not isinstance(element, Number):
        return tensor
    number = tensor.item()
    if element.promoted and is_symbolic(number):
        session.promote(number)
    return number


def with_item(session: Session, spread: Spread, item: Value, index: Size) -> Spread:
    """The run with one more item before `index` (from 0 to its length)."""
    element = Widening(session).element_of([item], spread.element)
    values = list(_leaf_values(element, item))
    length = spread.length + 1
    columns = []
    for k, leaf in enumerate(leaves_of(element)):
        assert isinstance(leaf, (TensorOf, Number))
        old = _as_leaf(session, spread, k, leaf)
        new = _tensor(session, values[k], leaf)
        columns.append(
            _emit(session, sequences.sequence_insert, old, new, index, like=leaf, length=length)
        )
    longer = Spread(element, columns, length)
    hold(session, [item], longer)
    return longer


def without(session: Session, spread: Spread, index: Size) -> Spread:
    """The run without the item at an index that is known to be inside."""
    length = spread.length - 1
    columns = []
    for leaf, old in zip(leaves_of(spread.element), spread.columns, strict=True):
        assert isinstance(leaf, (TensorOf, Number))
        columns.append(
            _emit(session, sequences.sequence_erase, old, index, like=leaf, length=length)
        )
    return Spread(spread.element, columns, length)


def join(
    session: Session, items: Sequence[Value], dim: int, stacked: bool, leaf: TensorOf
) -> torch.Tensor:
    """``torch.stack`` or ``torch.cat`` of an open list of tensors.

    Args:
        session: the capture.
        items: what the list holds, Spreads included.
        dim: the dimension, not negative.
        stacked: stack instead of concatenate.
        leaf: a pattern that all items fit.
    """
    parts: list[torch.Tensor | SequenceVal] = []
    sizes: list[Size | None] = [0 if k == dim else size for k, size in enumerate(leaf.dims)]
    total: Size | None = 0
    for item in items:
        if isinstance(item, Spread):
            parts.append(item.columns[0])
            each = item.columns[0].dims[dim] if not stacked else 1
            total = None if total is None or each is None else total + item.length * each
        else:
            assert isinstance(item, torch.Tensor)
            tensor = session.tensors.inner(item)
            parts.append(tensor)
            total = None if total is None else total + (1 if stacked else tensor.shape[dim])
    if stacked:
        sizes = [*leaf.dims[:dim], total, *leaf.dims[dim:]]
    else:
        sizes[dim] = total
    known = [session.fresh_size() if size is None else size for size in sizes]
    with compat.only_mode(session.fake_mode):
        fake = torch.empty(known, dtype=leaf.dtype)
    recorder = session.recorder
    nodes = [recorder.node_of(part) for part in parts]
    node = recorder.emit(sequences.sequence_join, nodes, dim, stacked, val=fake)
    recorder.bind(fake, node)
    return session.tensors.wrap(fake)
