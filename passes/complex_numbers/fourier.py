"""Fourier transforms: ``torch.fft``, ``stft`` and ``istft`` end in three operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fxexport.passes.complex_numbers.pairs import Pair, PairWriter, shape_of
from fxexport.passes.complex_numbers.table import RuleTable
from torch import fx

from fxexport.graph.fourier import dft, irdft, rdft

__all__ = ["RULES"]

RULES = RuleTable()


def _transformed(w: PairWriter, pair: Pair, dims: Sequence[int], norm: int, inverse: bool) -> Pair:
    """Complex transforms along several dimensions, the last one first."""
    for dim in reversed(dims):
        re = w.tensor(pair.re)
        im = None if pair.im is None else w.tensor(pair.im)
        val = re.meta["val"]
        pair = Pair(*w.several(dft, re, im, dim, inverse, norm, vals=(val, val)))
    return pair


@RULES("_fft_c2c.default")
def c2c(w: PairWriter, x: Any, dims: Sequence[int], norm: int, forward: bool) -> Pair:
    return _transformed(w, w.pair(x), _counted(dims, w), norm, not forward)


@RULES("_fft_r2c.default")
def r2c(w: PairWriter, x: fx.Node, dims: Sequence[int], norm: int, onesided: bool) -> Pair:
    *others, last = _counted(dims, w)
    if not onesided:
        return _transformed(w, Pair(x, None), [*others, last], norm, inverse=False)
    shape = list(shape_of(x))
    shape[last] = w.val.shape[last]
    val = w.empty(shape, w.dtype)
    first = Pair(*w.several(rdft, x, last, norm, vals=(val, val)))
    return _transformed(w, first, others, norm, inverse=False)


@RULES("_fft_c2r.default")
def c2r(w: PairWriter, x: Any, dims: Sequence[int], norm: int, last_dim_size: Any) -> fx.Node:
    *others, last = _counted(dims, w)
    pair = _transformed(w, w.pair(x), others, norm, inverse=True)
    im = None if pair.im is None else w.tensor(pair.im)
    return w.call(irdft, w.tensor(pair.re), im, last, last_dim_size, norm)


def _counted(dims: Sequence[int], w: PairWriter) -> list[int]:
    """Dimensions counted from the front."""
    return [dim % len(w.shape) for dim in dims]
