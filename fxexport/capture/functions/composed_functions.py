"""Functions of PyTorch written with others, since their own kernels say nothing of their steps."""

from __future__ import annotations

import math
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from fxexport.capture.operators.operators import Operators
from fxexport.capture.recording.types import Function
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.source.frames import user_location

__all__ = [
    "alone_is_one",
    "bartlett_window",
    "corrcoef",
    "cov",
    "ctc_loss",
    "embedding_bag",
    "grouped_mm",
    "histc",
    "kaiser_window",
    "linear_losses",
]


def bartlett_window(window_length: Any, periodic: bool = True, **kwargs: Any) -> Tensor:
    """`torch.bartlett_window`: up to the middle and down again."""
    place, last = _places(window_length, periodic, kwargs)
    rising = place * (2 / last)
    window = torch.where(place <= (last / 2).floor(), rising, 2 - rising)
    return alone_is_one(window, window_length, kwargs.get("dtype"))


def kaiser_window(
    window_length: Any, periodic: bool = True, beta: float = 12.0, **kwargs: Any
) -> Tensor:
    """`torch.kaiser_window`: Bessel's function of half a circle."""
    place, last = _places(window_length, periodic, kwargs)
    half = last / 2
    across = 1 - ((place - half) / half) ** 2
    scale = torch.i0(torch.full((), beta, dtype=place.dtype))
    window = torch.i0(beta * across.clamp(min=0).sqrt()) / scale
    return alone_is_one(window, window_length, kwargs.get("dtype"))


def _places(window_length: Any, periodic: bool, kwargs: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The numbers of a window's places, and the last: one more than there is if it is periodic."""
    places = torch.arange(window_length, device=kwargs.get("device")).to(torch.float64)
    last = torch.scalar_tensor(window_length, dtype=torch.float64) - (0 if periodic else 1)
    return places, last.clamp(min=1)


def alone_is_one(window: Tensor, window_length: Any, dtype: torch.dtype | None) -> Tensor:
    """A window in its dtype; with one place it is 1, whatever the formula is."""
    alone = torch.scalar_tensor(window_length, dtype=torch.int64) == 1
    return torch.where(alone, 1.0, window).to(dtype or torch.get_default_dtype())


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, object, object, object]:
    """`torch.embedding_bag`: rows of the bags that begin at `offsets`, summed (0), averaged or max.

    Only the first result is made; the others are for the backward pass.
    """
    starts = offsets[:-1] if include_last_offset else offsets
    positions = torch.arange(indices.shape[0], device=indices.device)
    bag = (positions[:, None] >= starts[None, :]).sum(1) - 1
    rows = torch.nn.functional.embedding(indices, weight)
    counted = torch.ones_like(indices, dtype=weight.dtype)
    if padding_idx is not None and padding_idx >= 0:
        counted = (indices != padding_idx).to(weight.dtype)
    number = weight.new_zeros(starts.shape[0]).index_add(0, bag, counted)[:, None]
    empty = weight.new_zeros(starts.shape[0], weight.shape[1])
    if mode == 2:
        lowest = torch.full_like(empty, float("-inf"))
        hidden = torch.where(counted[:, None] > 0, rows, float("-inf"))
        largest = lowest.scatter_reduce(0, bag[:, None].expand_as(rows), hidden, "amax")
        return torch.where(number > 0, largest, 0.0), None, None, None
    if per_sample_weights is not None:
        rows = rows * per_sample_weights[:, None]
    rows = rows * counted[:, None]
    if include_last_offset:
        # PyTorch's sums end at the last offset, while its means divide by all that follows.
        rows = torch.where((positions < offsets[-1])[:, None], rows, 0.0)
    total = empty.index_add(0, bag, rows)
    return (total if mode == 0 else total / number.clamp(min=1)), None, None, None


def cov(
    x: Tensor,
    *,
    correction: Any = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """`torch.cov`: of rows of variables, one observation a column."""
    rows = x if x.dim() > 1 else x.reshape(1, -1)
    rows = rows if rows.is_floating_point() else rows.to(torch.get_default_dtype())
    weights = fweights if aweights is None else aweights
    if fweights is not None and aweights is not None:
        weights = fweights * aweights
    weighted = rows if weights is None else rows * weights
    total = rows.shape[1] if weights is None else weights.sum()
    centred = rows - (weighted.sum(1) / total)[:, None]
    # Of one observation nothing is left, whatever rounding makes of `x * w / w - x`.
    centred = torch.where(torch.scalar_tensor(rows.shape[1]) == 1, 0.0, centred)
    weighted = centred if weights is None else centred * weights
    if aweights is not None and weights is not None:
        divisor = total - correction * (weights * aweights).sum() / total
    else:
        divisor = total - correction
    divisor = torch.as_tensor(divisor, dtype=centred.dtype).clamp(min=0)
    return (centred @ weighted.t() / divisor).squeeze()


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:
    """`torch.ctc_loss`: PyTorch makes a tensor of lengths that are numbers where nobody sees it."""
    batched = log_probs.dim() == 3
    times, lengths = (
        torch.as_tensor(x, dtype=torch.int64).reshape(-1) for x in (input_lengths, target_lengths)
    )
    rows = log_probs if batched else log_probs.unsqueeze(1)
    loss: Tensor = torch.ops.aten._ctc_loss.Tensor(
        rows, targets, times, lengths, blank, zero_infinity
    )[0]
    if zero_infinity:
        loss = torch.where(loss == math.inf, 0.0, loss)
    if reduction == 1:
        return (loss / lengths.clamp(min=1)).mean()
    if reduction == 2:
        return loss.sum()
    return loss if batched else loss.squeeze(0)


def corrcoef(x: Tensor) -> Tensor:
    """`torch.corrcoef`: covariances divided by both deviations."""
    found = cov(x)
    if found.dim() == 0:
        return found / found
    deviations = found.diagonal().sqrt()
    return (found / deviations[:, None] / deviations[None, :]).clamp(-1, 1)


def grouped_mm(
    x: Tensor,
    weight: Tensor,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    """`torch.nn.functional.grouped_mm`: rows of x times the matrix of the group that they are in.

    All rows go through all matrices, as no backend has a product of pieces whose sizes the data
    decide; then each row's own is taken.

    Args:
        x: [rows, k], or [groups, rows, k] without `offs`.
        weight: [groups, k, n].
        offs: [groups], where each group ends among the rows.
        bias: none, as in PyTorch.
        out_dtype: of the result; by default that of x.

    Raises:
        UnsupportedError: one of the forms that a backward pass needs.
    """
    if bias is not None or weight.dim() != 3 or x.dim() != (3 if offs is None else 2):
        raise UnsupportedError(
            "grouped_mm takes rows and one matrix for each group here, without a bias",
            code=Code.NO_ONNX_FORM,
            location=user_location(),
        )
    dtype = out_dtype or x.dtype
    if offs is None:
        return torch.matmul(x, weight).to(dtype)
    every = torch.matmul(x[None], weight)
    row = torch.arange(x.shape[0], device=x.device)
    group = (row[:, None] >= offs[None, :]).sum(1).clamp(max=weight.shape[0] - 1)
    return torch.gather(every, 0, group[None, :, None].expand(1, -1, every.shape[2]))[0].to(dtype)


def histc(x: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """`torch.histc`: how many elements lie in each of some equal bins; the last has its end.

    Args:
        x: any shape.
        bins: how many.
        min: where the first begins; with a `max` that is the same, the smallest element.
        max: where the last ends; others are not counted.
    """
    flat = x.reshape(-1)
    low: torch.Tensor | float = min
    high: torch.Tensor | float = max
    if min == max:
        # Beside an end that is no element: there may be none. Bins lie around one number alone.
        low = torch.cat([flat, flat.new_full((1,), math.inf)]).min()
        high = torch.cat([flat, flat.new_full((1,), -math.inf)]).max()
        low, high = torch.where(low == high, low - 1, low), torch.where(low == high, high + 1, high)
    position = ((flat - low) / (high - low) * bins).to(torch.int64)
    inside = (flat >= low) & (flat <= high)
    counted = torch.where(inside, torch.ones_like(flat), torch.zeros_like(flat))
    position = torch.where(inside, position.clamp(max=bins - 1), 0)
    return flat.new_zeros(bins).index_add(0, position, counted)


def linear_losses(operators: Operators) -> dict[object, Function]:
    """The loss of a linear layer in one piece; none before torch 2.12, which has no such loss."""
    function = getattr(torch.nn.functional, "linear_cross_entropy", None)
    return {} if function is None else {function: _in_one_piece(operators, function)}


def _in_one_piece(operators: Operators, function: FunctionType) -> Function:
    """The function without the options that say in which pieces it computes.

    They save memory in training and change no value, but want the batch's size as a number, and an
    operator of their own computes them.
    """
    # Another object, for which no replacement is found.
    own = FunctionType(function.__code__, function.__globals__, function.__name__)
    own.__kwdefaults__ = function.__kwdefaults__

    def call(*args: Any, options: object = None, **kwargs: Any) -> object:
        return operators.convert(own)(*args, **kwargs)

    return call
