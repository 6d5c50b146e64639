"""Reductions of segments of a dimension."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions.table import decomposes

# What each reduction starts from, and what it is called where it is scattered.
_KINDS = {
    "sum": (0.0, "sum"),
    "mean": (0.0, "sum"),
    "prod": (1.0, "prod"),
    "max": (-math.inf, "amax"),
    "min": (math.inf, "amin"),
}


@decomposes("aten::segment_reduce.default")
def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:
    given = offsets if offsets is not None else lengths
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    axis %= data.dim()
    if axis != given.dim() - 1:
        raise RuntimeError(
            f"segment_reduce(): Expected axis to be the last dimension of lengths but got {axis}."
        )
    # Where each segment ends; what follows the last, or precedes the first, is in none.
    places = torch.arange(data.shape[axis]).expand(data.shape[: axis + 1]).contiguous()
    if offsets is None:
        ends, starts = given.long().cumsum(-1), None
    else:
        ends, starts = offsets.long()[..., 1:], offsets.long()[..., :1]
        lengths = offsets.diff()
    count = ends.shape[-1]
    segment = torch.searchsorted(ends.contiguous(), places, right=True)
    if starts is not None:
        segment = torch.where(places < starts, count, segment)
    first, kind = _KINDS[reduce]
    first = first if initial is None else float(initial)
    inner = data.dim() - axis - 1
    shape = (*data.shape[:axis], count + 1, *data.shape[axis + 1 :])
    wide = segment.reshape(*segment.shape, *[1] * inner).expand(data.shape)
    rows = data.new_full(shape, first).scatter_reduce(axis, wide, data, kind, include_self=True)
    out = rows.narrow(axis, 0, count)
    if reduce == "mean":
        assert lengths is not None
        sizes = lengths.reshape(*lengths.shape, *[1] * inner).to(data.dtype)
        nothing = out if initial is not None else torch.full_like(out, math.nan)
        out = torch.where(sizes > 0, out / sizes, nothing)
    return out
