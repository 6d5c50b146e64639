"""Calls of the graph's functions on sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Size, Value
from fxexport.capture.session.list_runs import Spread
from fxexport.capture.session.session import Session
from fxexport.capture.staging.patterns import Number, TensorOf, sequence_like
from fxexport.graph import sequences
from fxexport.graph.sequences import SequenceVal

__all__ = ["emit_sequence", "emit_tensor", "join", "seen_as"]


def emit_sequence(
    session: Session,
    function: Callable[..., Value],
    *args: Value,
    like: TensorOf | Number,
    length: Size,
) -> SequenceVal:
    """Writes a call that yields a sequence of `length` items that are like `like`."""
    val = sequence_like(like, length)
    recorder = session.recorder
    node = recorder.emit(function, *(recorder.node_of(arg) for arg in args), val=val)
    recorder.bind(val, node)
    return val


def emit_tensor(
    session: Session, function: Callable[..., Value], *args: Value, fake: torch.Tensor
) -> torch.Tensor:
    """Writes a call that yields a tensor; returns the program's tensor for it."""
    recorder = session.recorder
    node = recorder.emit(function, *(recorder.node_of(arg) for arg in args), val=fake)
    recorder.bind(fake, node)
    return session.tensors.wrap(fake)


def seen_as(
    session: Session, column: SequenceVal, leaf: TensorOf | Number, length: Size
) -> SequenceVal:
    """The same sequence, as one whose items fit a wider pattern."""
    wanted = sequence_like(leaf, length)
    if column.dims == wanted.dims and session.same(column.length, length):
        return column
    session.recorder.frame.tensors[id(wanted)] = (wanted, session.recorder.tensor_node(column))
    return wanted


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
