"""Writing a tensor into the start of a larger one of zeros."""

from __future__ import annotations

import torch
from torch import fx

from fxexport._torch_compat import fake_beside
from fxexport.graph.arguments import Number
from fxexport.graph.editing import call

__all__ = ["write_at_start"]

aten = torch.ops.aten


def write_at_start(
    before: fx.Node, value: fx.Node, dim: int, capacity: Number, count: Number
) -> fx.Node:
    """A tensor at the start of zeros.

    The zeros have a size that the engine knows beforehand; a concatenation of value and rest would
    have one that the data decides, for all that TensorRT can tell.

    Args:
        before: where the nodes go.
        value: the tensor.
        dim: the dimension along which there is more space.
        capacity: the size there, a number or a node.
        count: the tensor's own size there, a node or a number.
    """
    val = value.meta["val"]
    as_number = val.dtype == torch.bool  # TensorRT does not scatter booleans
    dtype = torch.int32 if as_number else val.dtype
    sizes = [
        capacity
        if d == dim
        else size
        if isinstance(size, int)
        else call(before, aten.sym_size.int, value, d, val=size, like=value)
        for d, size in enumerate(val.shape)
    ]
    known = [size.meta["val"] if isinstance(size, fx.Node) else size for size in sizes]
    whole = fake_beside(val, known).to(dtype)
    options = {"device": val.device, "pin_memory": False}
    zeros = call(before, aten.full.default, sizes, 0, val=whole, like=value)
    zeros.kwargs = {"dtype": dtype, **options}
    indices = fake_beside(val, (val.shape[dim],)).to(torch.int64)
    index = call(before, aten.arange.default, count, val=indices, like=value)
    index.kwargs = {"dtype": torch.int64, **options}
    source = value
    if as_number:
        source = call(before, aten._to_copy.default, value, val=val.to(dtype), like=value)
        source.kwargs = {"dtype": dtype}
    written = call(
        before, aten.index_copy.default, zeros, dim, index, source, val=whole, like=value
    )
    if as_number:
        written = call(before, aten._to_copy.default, written, val=whole.to(val.dtype), like=value)
        written.kwargs = {"dtype": val.dtype}
    return written
