"""What PyTorch's real kernels need of sizes, and fake ones do not ask for.

Most is asked by fake kernels and becomes a relation that way. The rest stands here: without it a
file would answer where PyTorch raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch

from fxexport.capture.recording.types import OpArgs, OpKwargs, OpResult, Size

__all__ = ["requirements_of"]

# A condition, and what it says of the program.
Requirement: TypeAlias = tuple["bool | torch.SymBool", str]
_Rule: TypeAlias = Callable[[OpArgs, OpKwargs, OpResult], Iterator[Requirement]]


def requirements_of(
    func: torch._ops.OpOverload, args: OpArgs, kwargs: OpKwargs, out: OpResult
) -> Iterator[Requirement]:
    """What an operator needs that its fake kernel did not ask for.

    Args:
        func: the operator.
        args: its arguments.
        kwargs: those given by name.
        out: its result.
    """
    rule = _RULES.get(func._schema.name)
    return iter(()) if rule is None else rule(args, kwargs, out)


def _not_empty(sizes: Sequence[Size], what: str) -> Iterator[Requirement]:
    for size in sizes:
        yield size > 0, f"{what} above 0"


def _resized(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    yield from _not_empty(args[0].shape[2:], "a size that is interpolated is")
    yield from _not_empty(out.shape[2:], "a size to interpolate to is")


def _adaptive(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    number = len(args[1])
    # To one element each, it is the mean of all.
    if not all(isinstance(size, int) and size == 1 for size in out.shape[-number:]):
        yield from _not_empty(args[0].shape[-number:], "a size that is pooled is")


def _transposed(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    rank = args[1].dim() - 2
    yield from _not_empty(args[0].shape[-rank:], "a size that is convolved is")


def _convolution(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    if len(args) > 6 and args[6]:
        yield from _transposed(args, kwargs, out)


def _extreme(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    x, *others = args
    if others and isinstance(others[0], torch.Tensor):
        return
    if others or "dim" in kwargs:
        yield from _of_something(args, kwargs, out)
    else:
        yield x.numel() > 0, "there is an element to find the largest or smallest of"


def _of_something(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    x, *others = args
    dim = others[0] if others else kwargs.get("dim")
    if dim is not None and x.dim():
        yield from _not_empty([x.shape[dim]], "a size to choose an element along is")


def _windows(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    x, kernel, dilation, padding, stride = args
    for size, wide, apart, pad, step in zip(
        x.shape[-2:], kernel, dilation, padding, stride, strict=True
    ):
        yield size > 0, "a size to take windows from is above 0"
        yield (
            (size + 2 * pad - apart * (wide - 1) - 1) // step >= 0,
            "there is a window at least",
        )


def _circular(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    x, pads = args
    for k, pad in enumerate(pads):
        yield pad <= x.shape[-1 - k // 2], "circular padding is no wider than the tensor"


def _fractional(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    x, kernel, number, _ = args
    for size, wide, windows in zip(x.shape[-len(kernel) :], kernel, number, strict=True):
        yield windows + wide - 1 < size, "windows that fit beside each other are fewer than pixels"


def _slices(place: int) -> _Rule:
    """Of what compares slices along a dimension, its argument at this place."""

    def rule(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
        x = args[0]
        dim = args[place] if len(args) > place else kwargs.get("dim")
        if dim is not None:
            rest = [size for k, size in enumerate(x.shape) if k != dim % x.dim()]
            yield from _not_empty(rest, "a size of what is compared is")

    return rule


def _steps(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    # The other overload is given packed rows, and how many in each step.
    if len(args) == 9 and isinstance(args[8], bool):
        yield from _not_empty([args[0].shape[1 if args[8] else 0]], "the number of steps is")


def _named(names: str, rule: _Rule) -> dict[str, _Rule]:
    return {f"aten::{name}": rule for name in names.split()}


def _bins(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    if isinstance(args[1] if len(args) > 1 else None, torch.Tensor):
        yield args[1].shape[0] > 1, "edges of bins are at least two"


def _sequences(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    yield from _not_empty(args[0].shape, "a size of ctc_loss is")
    targets, times, lengths = args[1:4]
    if isinstance(times, torch.Tensor):
        return
    yield args[0].shape[0] >= max(times), "input_lengths of ctc_loss are at most the time there is"
    text = "targets of ctc_loss are as long as target_lengths say"
    if targets.dim() == 1:
        yield targets.shape[0] == sum(lengths), text
    else:
        yield targets.shape[1] >= max(lengths), text


def _counted(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    x, dim = args[0], args[1] if len(args) > 1 else kwargs.get("dim", -1)
    if x.dim():
        yield from _not_empty([x.shape[dim]], "a size that a mode is taken over is")


def _beside(args: OpArgs, kwargs: OpKwargs, out: OpResult) -> Iterator[Requirement]:
    """Of what puts slices of a source into a tensor: in other dimensions they are as large."""
    x, dim, _, source = args[:4]
    if isinstance(source, torch.Tensor) and x.dim() == source.dim():
        for k, (size, given) in enumerate(zip(x.shape, source.shape, strict=True)):
            if k != dim % x.dim():
                yield size == given, "slices are as large as what they are put into"


_RULES: dict[str, _Rule] = {
    **_named(
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d "
        "_upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d "
        "upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d _upsample_bilinear2d_aa "
        "_upsample_bicubic2d_aa",
        _resized,
    ),
    **_named("adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d", _adaptive),
    **_named("convolution", _convolution),
    **_named("conv_transpose1d conv_transpose2d conv_transpose3d", _transposed),
    **_named("max min", _extreme),
    **_named("index_add index_add_ index_copy index_copy_ index_reduce index_reduce_", _beside),
    **_named("median nanmedian", _of_something),
    **_named("im2col", _windows),
    **_named("_pad_circular", _circular),
    **_named("fractional_max_pool2d fractional_max_pool3d", _fractional),
    **_named("unique_dim", _slices(1)),
    **_named("unique_consecutive", _slices(3)),
    **_named("lstm gru rnn_tanh rnn_relu", _steps),
    **_named("histogram", _bins),
    **_named("mode", _counted),
    **_named("_ctc_loss", _sequences),
}
