"""What PyTorch's real kernels need of the data: where it does not hold they raise.

Each is a condition that the graph computes, and a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch

from fxexport.capture.recording.types import OpArgs, OpKwargs

__all__ = ["data_requirements_of"]

# A condition, bool[], and what it says of the program.
Requirement: TypeAlias = tuple[torch.Tensor, str]
_Rule: TypeAlias = Callable[[OpArgs, OpKwargs], Iterator[Requirement]]


def data_requirements_of(
    func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs
) -> Iterator[Requirement]:
    """What an operator needs of its data; the conditions are computed by operators on them.

    Args:
        func: the operator.
        args: its arguments.
        kwargs: those given by name.
    """
    rule = _RULES.get(func._schema.name)
    return iter(()) if rule is None else rule(args, kwargs)


def _histogram(args: OpArgs, kwargs: OpKwargs) -> Iterator[Requirement]:
    edges = args[1] if len(args) > 1 else None
    if not isinstance(edges, torch.Tensor) and kwargs.get("range") is None:
        yield args[0].isfinite().all(), "what is counted in bins is finite"


def _segments(args: OpArgs, kwargs: OpKwargs) -> Iterator[Requirement]:
    lengths, offsets = kwargs.get("lengths"), kwargs.get("offsets")
    if offsets is not None:
        yield (offsets.diff() >= 0).all(), "offsets of segments do not decrease"
    elif lengths is not None and not kwargs.get("unsafe"):
        size = args[0].shape[lengths.dim() - 1]
        yield (lengths >= 0).all(), "lengths of segments are not negative"
        yield (lengths.sum(-1) == size).all(), "segments are as long as the dimension together"


def _sequences(args: OpArgs, kwargs: OpKwargs) -> Iterator[Requirement]:
    times, lengths, targets = args[2], args[3], args[1]
    if not isinstance(times, torch.Tensor):
        return  # numbers: they are held against sizes
    fits = ((times >= 0) & (times <= args[0].shape[0])).all()
    yield fits, "input_lengths of ctc_loss are between 0 and the time there is"
    yield (lengths >= 0).all(), "target_lengths of ctc_loss are not negative"
    if targets.dim() == 1:
        whole = lengths.sum() == targets.shape[0]
    else:
        whole = (lengths <= targets.shape[1]).all()
    yield whole, "targets of ctc_loss are as long as target_lengths say"


_RULES: dict[str, _Rule] = {
    "aten::histogram": _histogram,
    "aten::_histogramdd_bin_edges": _histogram,
    "aten::segment_reduce": _segments,
    "aten::_ctc_loss": _sequences,
}
