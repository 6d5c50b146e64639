"""Parts of items as tensors: numbers, and the items of a list in one tensor or two."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import cast

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Operand, Size, Value, is_symbolic
from fxexport.capture.session.list_runs import Spread
from fxexport.capture.session.session import Session
from fxexport.capture.staging.patterns import Number, TensorOf, sequence_like
from fxexport.capture.staging.sequence_nodes import join
from fxexport.capture.values.containers import objects_in, parts_of
from fxexport.capture.values.kinds import as_kind
from fxexport.graph.sequences import SequenceVal

__all__ = [
    "Leaf",
    "as_tensor",
    "cut",
    "filler",
    "flattened",
    "is_ragged",
    "is_spoilt",
    "joined",
    "objects_in",
    "tensors_in",
]

Leaf = TensorOf | Number


def as_tensor(value: Value, leaf: Leaf) -> torch.Tensor:
    """The tensor that holds a tensor or number of an item."""
    if isinstance(leaf, Number):
        value = as_kind(value, leaf.kind)
        if isinstance(value, torch.SymBool):
            value = torch.sym_ite(value, 1, 0)
    if not isinstance(value, torch.Tensor):
        number = cast("int", value)
        value = torch.scalar_tensor(number, dtype=sequence_like(leaf, 0).dtype)
    return value


def filler(session: Session, leaf: Leaf) -> torch.Tensor:
    """Stands for a tensor of an item that is not there."""
    like = sequence_like(leaf, 0)
    sizes = [
        session.never_negative(dim) if dim is not None and session.in_scope(dim) else 0
        for dim in like.dims
    ]
    return torch.zeros(sizes, dtype=like.dtype)


def is_ragged(leaf: Leaf) -> bool:
    """Whether the sizes of an item differ, so that items cannot be stacked."""
    return None in sequence_like(leaf, 0).dims


def flattened(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The elements of a tensor, and its sizes."""
    sizes = [torch.scalar_tensor(size, dtype=torch.int64) for size in tensor.shape]
    return tensor.reshape(-1), torch.stack(sizes)


def joined(session: Session, run: Spread, *, stacked: bool) -> torch.Tensor:
    """The items of a run in one tensor, also where there are none."""
    leaf = run.element
    assert isinstance(leaf, TensorOf)
    sizes = [0 if dim is None else session.never_negative(dim) for dim in leaf.dims]
    # With one item more there is something to join in any case.
    start = torch.zeros(sizes, dtype=leaf.dtype)
    whole = join(session, [start, run], 0, stacked, leaf)
    return whole[1:] if stacked else whole


def cut(
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


def tensors_in(
    item: Value, apart: Callable[[Value], list[Value] | None] = parts_of
) -> Iterator[torch.Tensor]:
    """The tensors in an item of a list; `apart` takes values apart."""
    if isinstance(item, torch.Tensor):
        yield item
    elif isinstance(item, Spread) and item.views is not None:
        yield cast("torch.Tensor", item.views.source)
    for part in apart(item) or []:
        yield from tensors_in(part, apart)


def is_spoilt(items: Iterable[Value], spoilt: Container[int]) -> bool:
    """Whether a run among these, or an object in them, is out of date.

    Args:
        items: the items of a list.
        spoilt: the identities of what is out of date.
    """
    return any(
        id(item) in spoilt or any(id(one) in spoilt for one in objects_in(item)) for item in items
    )
