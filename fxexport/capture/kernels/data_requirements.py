"""What PyTorch's real kernels need of the data: where it does not hold they raise.

Each is a condition that the graph computes, and a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = ["data_rule"]

# A condition, bool[], and what it says of the program.
Requirement: TypeAlias = tuple[Tensor, str]
Rule: TypeAlias = Callable[..., Iterator[Requirement]]


def data_rule(func: torch._ops.OpOverload) -> Rule | None:
    """What an operator needs of its data: to be called with its arguments.

    The conditions are computed by operators on these.
    """
    return _RULES.get(func._schema.name)


def _histogram(
    x: Tensor, bins: object = 100, *_: object, range: object = None, **__: object
) -> Iterator[Requirement]:
    if not isinstance(bins, Tensor) and range is None:
        yield x.isfinite().all(), "what is counted in bins is finite"


def _segments(
    x: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    offsets: Tensor | None = None,
    unsafe: bool = False,
    **_: object,
) -> Iterator[Requirement]:
    if offsets is not None:
        yield (offsets.diff() >= 0).all(), "offsets of segments do not decrease"
    elif lengths is not None and not unsafe:
        size = x.shape[lengths.dim() - 1]
        yield (lengths >= 0).all(), "lengths of segments are not negative"
        yield (lengths.sum(-1) == size).all(), "segments are as long as the dimension together"


def _sequences(
    x: Tensor,
    targets: Tensor,
    times: Tensor | Sequence[int],
    lengths: Any,
    *_: object,
    **__: object,
) -> Iterator[Requirement]:
    if not isinstance(times, Tensor):
        return  # numbers: they are held against sizes
    fits = ((times >= 0) & (times <= x.shape[0])).all()
    yield fits, "input_lengths of ctc_loss are between 0 and the time there is"
    yield (lengths >= 0).all(), "target_lengths of ctc_loss are not negative"
    if targets.dim() == 1:
        whole = lengths.sum() == targets.shape[0]
    else:
        whole = (lengths <= targets.shape[1]).all()
    yield whole, "targets of ctc_loss are as long as target_lengths say"


def _svd(x: Tensor, *_: object, **__: object) -> Iterator[Requirement]:
    """LAPACK gives up where a number is NaN."""
    yield ~x.isnan().any(), "no number is NaN that torch.linalg.svd is given"


def _eigh(x: Tensor, UPLO: str = "L", *_: object, **__: object) -> Iterator[Requirement]:
    """In the triangle that is read; of a matrix of one number, NaN is the eigenvalue."""
    read = x.tril() if UPLO.upper() == "L" else x.triu()
    holds = ~read.isnan().any()
    size = x.shape[-1]
    if not isinstance(size, int):
        holds = holds | (torch.scalar_tensor(size, dtype=torch.int64) == 1)
    elif size == 1:
        return
    yield holds, "no number is NaN that torch.linalg.eigh is given"


_RULES: dict[str, Rule] = {
    "aten::histogram": _histogram,
    "aten::_histogramdd_bin_edges": _histogram,
    "aten::segment_reduce": _segments,
    "aten::_ctc_loss": _sequences,
    "aten::_linalg_svd": _svd,
    "aten::_linalg_eigh": _eigh,
}
