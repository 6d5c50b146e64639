"""Choices of elements, and what is written to them."""

from __future__ import annotations

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions.table import decomposes


@decomposes("aten::put.default")
def put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    flat = x.reshape(-1).index_put((index.reshape(-1),), source.reshape(-1), accumulate)
    return flat.reshape(x.shape)


@decomposes("aten::nonzero_static.default")
def nonzero_static(x: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    filler = torch.full((size, x.dim()), fill_value, dtype=torch.int64)
    return torch.cat([x.nonzero(), filler])[:size]


@decomposes("aten::index_reduce.default")
def index_reduce(
    x: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    if x.dim() == 0:
        return index_reduce(
            x[None], 0, index.reshape(-1), source.reshape(-1), reduce, include_self=include_self
        )[0]
    shape = [1] * x.dim()
    shape[dim] = -1
    wide = index.reshape(shape).expand(source.shape)
    return x.scatter_reduce(dim, wide, source, reduce, include_self=include_self)


@decomposes("aten::_pdist_forward.default")
def pdist(x: Tensor, p: float = 2.0) -> Tensor:
    steps = torch.arange(x.shape[0])
    first, second = (steps[:, None] < steps[None, :]).nonzero().unbind(1)
    return torch.linalg.vector_norm(x[first] - x[second], p, dim=1)
