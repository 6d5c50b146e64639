"""Histograms of one and more dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fxexport.lowering.own_decompositions.table import decomposes


def _between(first: Tensor, last: Tensor, bins: int) -> Tensor:
    """The edges of bins of one width: from either end to the middle, as PyTorch rounds them."""
    step = (last - first) / bins
    places = torch.arange(bins + 1)
    forward, back = first + step * places, last - step * (bins - places)
    return torch.where(places < (bins + 1) // 2, forward, back)


def _edges(x: Tensor, bins: int, limits: Sequence[float] | None) -> Tensor:
    """The edges along one dimension, whose coordinates are given.

    PyTorch raises where the coordinates have no finite range.
    """
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    if limits is not None:
        first, last = limits
        if not math.isfinite(first) or not math.isfinite(last):
            raise RuntimeError(f"torch.histogramdd: range [{first}, {last}] is not finite")
        if first > last:
            raise RuntimeError(f"torch.histogramdd: min {first} exceeds max {last}")
        if first == last:
            first, last = first - 0.5, last + 0.5
        return torch.linspace(first, last, bins + 1, dtype=x.dtype)
    # Of nothing the range is from 0 to 1.
    nothing = torch.ones_like(x).sum() == 0
    lowest = torch.cat([x, x.new_full((1,), math.inf)]).amin()
    highest = torch.cat([x, x.new_full((1,), -math.inf)]).amax()
    lowest = torch.where(nothing, 0.0, lowest)
    highest = torch.where(nothing, 1.0, highest)
    same = lowest == highest
    return _between(
        torch.where(same, lowest - 0.5, lowest), torch.where(same, highest + 0.5, highest), bins
    )


def _counted(
    points: Tensor, edges: Sequence[Tensor], weight: Tensor | None, density: bool
) -> Tensor:
    """The weights of the points that lie in each bin; the last bin includes its right edge."""
    counts = [own.shape[0] - 1 for own in edges]
    inside = torch.ones_like(points[:, 0], dtype=torch.bool)
    place = torch.zeros_like(points[:, 0], dtype=torch.int64)
    for dim, own in enumerate(edges):
        x = points[:, dim].contiguous()
        inside = inside & (x >= own[0]) & (x <= own[-1])
        at = torch.searchsorted(own.contiguous(), x, right=True) - 1
        place = place * counts[dim] + at.clamp(0, counts[dim] - 1)
    weights = torch.ones_like(points[:, 0]) if weight is None else weight.reshape(-1)
    weights = torch.where(inside, weights, 0.0)
    place = torch.where(inside, place, 0)
    out = torch.zeros(math.prod(counts), dtype=points.dtype).scatter_add(0, place, weights)
    out = out.reshape(counts)
    if density:
        out = out / out.sum()
        for dim, own in enumerate(edges):
            shape = [1] * len(counts)
            shape[dim] = counts[dim]
            out = out / own.diff().reshape(shape)
    return out


@decomposes("aten::histogram.bin_ct")
def histogram(
    x: Tensor,
    bins: int = 100,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> tuple[Tensor, Tensor]:
    points = x.reshape(-1, 1)
    edges = _edges(points[:, 0], bins, range)
    return _counted(points, [edges], weight, density), edges


@decomposes("aten::histogram.bins_tensor")
def histogram_of_edges(
    x: Tensor, bins: Tensor, *, weight: Tensor | None = None, density: bool = False
) -> tuple[Tensor, Tensor]:
    return _counted(x.reshape(-1, 1), [bins], weight, density), bins.clone()


@decomposes("aten::_histogramdd_bin_edges.default")
def histogramdd_bin_edges(
    x: Tensor,
    bins: Sequence[int],
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> list[Tensor]:
    points = x.reshape(-1, x.shape[-1])
    return [
        _edges(points[:, d], count, None if range is None else range[2 * d : 2 * d + 2])
        for d, count in enumerate(bins)
    ]


@decomposes("aten::_histogramdd_from_bin_cts.default")
def histogramdd(
    x: Tensor,
    bins: Sequence[int],
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Tensor:
    edges = histogramdd_bin_edges(x, bins, range=range)
    return _counted(x.reshape(-1, x.shape[-1]), edges, weight, density)


@decomposes("aten::_histogramdd_from_bin_tensors.default")
def histogramdd_of_edges(
    x: Tensor, bins: Sequence[Tensor], *, weight: Tensor | None = None, density: bool = False
) -> Tensor:
    return _counted(x.reshape(-1, x.shape[-1]), bins, weight, density)
