"""What operators give on fake tensors where PyTorch's own code would read values."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.broadcasting import elementwise
from fxexport.capture.recording.fake_matrices import FAKE_MATRICES
from fxexport.capture.recording.types import OpResult, Size, Value, expression, number
from fxexport.capture.recording.unasked_results import UNASKED_RESULTS, pointwise

__all__ = ["FAKE_RESULTS", "fake_kernel", "with_right_dtypes"]


def _recurrent(
    data: torch.Tensor, sizes: Value, hx: torch.Tensor | Sequence[torch.Tensor], *rest: Value
) -> tuple[torch.Tensor, ...]:
    """The results of LSTM, GRU and RNN on a packed sequence, without looking at the lengths."""
    states: Sequence[torch.Tensor] = [hx] if isinstance(hx, torch.Tensor) else hx
    directions = 2 if rest[-1] else 1
    out = data.new_empty((data.shape[0], states[0].shape[2] * directions))
    return (out, *(torch.empty_like(state) for state in states))


def _padded(x: torch.Tensor, hx: torch.Tensor, *rest: Value) -> tuple[torch.Tensor, ...]:
    """The results of GRU and RNN, whose kernels go through the steps one by one."""
    bidirectional = rest[-2]
    out = x.new_empty((x.shape[0], x.shape[1], hx.shape[2] * (2 if bidirectional else 1)))
    return out, torch.empty_like(hx)


def _lstm(
    x: torch.Tensor, hx: Sequence[torch.Tensor], params: Sequence[torch.Tensor], *rest: Value
) -> tuple[torch.Tensor, ...]:
    """The results of LSTM: PyTorch's own goes through the steps if there is a projection."""
    has_biases, layers, *_, bidirectional, _ = rest
    each = (4 if has_biases else 2) * (2 if bidirectional else 1)
    if len(params) == each * cast("int", layers):
        return cast("tuple[torch.Tensor, ...]", torch.ops.aten.lstm.input(x, hx, params, *rest))
    torch._check(hx[0].shape[2] == params[1].shape[1])
    return (*_padded(x, hx[0], *rest), torch.empty_like(hx[1]))


def _max_pool1d(
    x: torch.Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> torch.Tensor:
    """Pooling in two dimensions of which one is 1: that kernel takes symbolic sizes."""
    flat = [[1, *kernel_size], [1, *(stride or kernel_size)], [0, *padding], [1, *dilation]]
    return torch.ops.aten.max_pool2d(x.unsqueeze(-2), *flat, ceil_mode).squeeze(-2)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    *args: Value,
    **kwargs: Value,
) -> torch.Tensor:
    """Attention with one key, and a mask of one query and one key.

    PyTorch's own asks whether there are as many keys as values, and as the mask has columns, which
    is not known of a cache that a loop carries or a branch cuts. The result's size does not
    depend on it.
    """
    if min(key.dim(), value.dim()) >= 2:
        torch._check(key.shape[-2] == value.shape[-2])
        key, value = (x.new_empty((*x.shape[:-2], 1, x.shape[-1])) for x in (key, value))
    if attn_mask is not None and attn_mask.dim() >= 2:
        attn_mask = attn_mask.new_empty((*attn_mask.shape[:-2], 1, 1))
    if kwargs.pop("enable_gqa", False) and query.dim() >= 3:
        # Each of their heads serves a group of the queries' heads; there may be fewer keys' than
        # values' heads. PyTorch's process ends where it divides by 0 heads.
        heads = query.shape[-3]
        for x in (key, value):
            if expression(x.shape[-3]) != expression(heads):
                torch._check(x.shape[-3] > 0)
                torch._check(heads % x.shape[-3] == 0)
        key, value = (x.new_empty((*x.shape[:-3], heads, *x.shape[-2:])) for x in (key, value))
    if _meets_nothing(query, key, value, attn_mask):
        torch._check(query.shape[-1] == key.shape[-1])
        return query.new_empty((*query.shape[:-1], value.shape[-1]))
    own = torch.ops.aten.scaled_dot_product_attention.default
    return own(query, key, value, attn_mask, *args, **kwargs)


def _meets_nothing(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None
) -> bool:
    """Whether no size of heads or batches must be compared: they are the query's, or a mask's 1.

    PyTorch's own compares them in a dozen operators, each with questions about sizes.
    """
    sizes, *others = [list(map(expression, x.shape[:-2])) for x in (query, key, value)]
    dtypes = {query.dtype, key.dtype, value.dtype}
    if query.dim() < 2 or others != [sizes, sizes] or len(dtypes) > 1:
        return False
    if mask is None:
        return True
    own = list(map(expression, mask.shape[:-2]))
    if not 2 <= mask.dim() <= query.dim() or mask.dtype not in {torch.bool, *dtypes}:
        return False
    return all(size in (1, meets) for size, meets in zip(own[::-1], sizes[::-1], strict=False))


def _batch_norm(
    x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, *stats: Value
) -> tuple[torch.Tensor, ...]:
    """PyTorch's own computes the formula in a dozen operators, each with questions about sizes."""
    for values in (weight, bias, *stats[:2]):
        if isinstance(values, torch.Tensor):
            torch._check(values.shape[0] == x.shape[1])
    saved = cast("torch.Tensor", stats[0]).new_empty(0)
    return compat.another_fake(x), saved, saved.new_empty(0)


def _im2col(
    x: torch.Tensor,
    kernel_size: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> torch.Tensor:
    """Windows as columns: PyTorch's own asks whether there is any, one dimension after another."""
    number = 1
    for size, kernel, wide, pad, step in zip(
        x.shape[-2:], kernel_size, dilation, padding, stride, strict=True
    ):
        number = number * ((size + 2 * pad - wide * (kernel - 1) - 1) // step + 1)
    return x.new_empty((*x.shape[:-3], x.shape[-3] * math.prod(kernel_size), number))


def _slice(
    x: torch.Tensor,
    dim: int = 0,
    start: Size | None = None,
    end: Size | None = None,
    step: Size = 1,
) -> torch.Tensor:
    """A slice whose size has a symbol of its own is no longer than its ends are apart."""
    if start is not None and expression(start) == -expression(x.shape[dim]):
        start = 0  # all rows, also where there are none and -0 is no number from the end
    out = torch.ops.aten.slice.Tensor(x, dim, start, end, step)
    size = out.shape[dim]
    if not isinstance(size, torch.SymInt):
        return out
    symbol = size.node.expr
    new = symbol.is_Symbol and symbol not in expression(x.shape[dim]).free_symbols
    most = _most_rows(0 if start is None else start, sys.maxsize if end is None else end)
    if new and most is not None:
        cast("compat.SizeEnv", size.node.shape_env).set_range(symbol, None, most)
    return out


def _most_rows(start: Size, end: Size) -> int | None:
    """How many rows a slice has at most; None where the tensor says so."""
    if isinstance(end, int) and end == sys.maxsize:
        return -start if isinstance(start, int) and start < 0 else None
    apart = number(end - start)
    # From the first to one that is counted from the last there may be any number.
    return apart if isinstance(apart, int) and apart >= 0 else None


def _bincount(
    x: torch.Tensor, weights: torch.Tensor | None = None, minlength: int = 0
) -> torch.Tensor:
    """On torch 2.11 PyTorch's own gives int64 whatever the weights."""
    counts: torch.Tensor = torch.ops.aten.bincount.default(x, weights, minlength)
    if weights is None:
        return counts
    return counts.to(weights.dtype if weights.dtype == torch.float32 else torch.float64)


def _solve_triangular(
    a: torch.Tensor,
    b: torch.Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> torch.Tensor:
    """PyTorch's own resizes memory, and so asks how much of it an empty batch needs."""
    torch._check(a.dim() >= 2 and b.dim() >= 2 and a.dtype == b.dtype)
    torch._check(a.shape[-2] == a.shape[-1])
    torch._check(b.shape[-2 if left else -1] == a.shape[-1])
    return a.new_empty((*a.shape[:-2], 1, 1)) + b


def _ctc_loss(
    log_probs: torch.Tensor,
    targets: torch.Tensor,
    input_lengths: Value,
    target_lengths: torch.Tensor | Sequence[int],
    *rest: Value,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A loss for each sequence, and what serves the gradient; PyTorch has no fake kernel."""
    time, batch, _labels = log_probs.shape
    if targets.dim() == 2:
        longest: Size = targets.shape[1]
    elif isinstance(target_lengths, torch.Tensor):
        env = cast("compat.FakeTensor", log_probs).fake_mode.shape_env
        longest = cast("compat.SizeEnv", env).create_unbacked_symint()
        torch._check(longest >= 0)
    else:
        longest = max(target_lengths, default=0)
    return log_probs.new_empty(batch), log_probs.new_empty(batch, time, 2 * longest + 1)


def _unique_along(func: torch._ops.OpOverload) -> Callable[..., OpResult]:
    """PyTorch's own gives another rank where the dimension is counted from the end."""

    def result(x: torch.Tensor, *args: Any, **kwargs: Any) -> OpResult:
        names = [argument.name for argument in func._schema.arguments[1:]]
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if given.get("dim") is not None:
            x.size(given["dim"])  # raises where there is no such dimension
            given["dim"] %= x.dim()
        found: OpResult = func(x, **given)
        return found

    return result


def _mean(mean: Callable[..., torch.Tensor], total: Callable[..., torch.Tensor]) -> Any:
    """That of complex numbers has PyTorch ask how many there are, as a complex number."""

    def result(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return (total if x.dtype.is_complex else mean)(x, *args, **kwargs)

    return result


FAKE_RESULTS: dict[torch._ops.OpOverload, Callable[..., Value]] = {
    getattr(torch.ops.aten, name).data: _recurrent
    for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")
}
FAKE_RESULTS |= {
    getattr(torch.ops.aten, name).input: _padded for name in ("gru", "rnn_tanh", "rnn_relu")
}
FAKE_RESULTS[torch.ops.aten.lstm.input] = _lstm
FAKE_RESULTS[torch.ops.aten.max_pool1d.default] = _max_pool1d
FAKE_RESULTS[torch.ops.aten.slice.Tensor] = _slice
FAKE_RESULTS[torch.ops.aten._native_batch_norm_legit_no_training.default] = _batch_norm
FAKE_RESULTS[torch.ops.aten.im2col.default] = _im2col
FAKE_RESULTS[torch.ops.aten.mean.default] = _mean(
    torch.ops.aten.mean.default, torch.ops.aten.sum.default
)
FAKE_RESULTS[torch.ops.aten.mean.dim] = _mean(
    torch.ops.aten.mean.dim, torch.ops.aten.sum.dim_IntList
)
FAKE_RESULTS[torch.ops.aten.linalg_solve_triangular.default] = _solve_triangular
FAKE_RESULTS[torch.ops.aten.bincount.default] = _bincount
FAKE_RESULTS[torch.ops.aten._ctc_loss.default] = _ctc_loss
FAKE_RESULTS[torch.ops.aten._ctc_loss.Tensor] = _ctc_loss
FAKE_RESULTS[torch.ops.aten.scaled_dot_product_attention.default] = _attention
FAKE_RESULTS |= FAKE_MATRICES | UNASKED_RESULTS
for _unique in (torch.ops.aten.unique_dim.default, torch.ops.aten.unique_consecutive.default):
    FAKE_RESULTS[_unique] = _unique_along(_unique)
for _fake_quantize in (
    torch.ops.aten.fake_quantize_per_tensor_affine.default,
    torch.ops.aten.fake_quantize_per_tensor_affine.tensor_qparams,
    torch.ops.aten.fake_quantize_per_channel_affine.default,
):
    FAKE_RESULTS[_fake_quantize] = lambda x, *parameters: torch.empty_like(x)


def _token_parameters(x: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """A scale and a zero point for each token: PyTorch's fake kernel says float64 and int64."""
    kind = torch.float32 if x.dtype == torch.float16 else x.dtype
    scale = x.amax(-1, keepdim=True).to(kind)
    return scale, torch.empty_like(scale)


# Of libraries that may not have been imported yet.
_FAKE_BY_NAME: dict[str, Callable[..., Value]] = {
    "quantized_decomposed::choose_qparams_per_token": _token_parameters,
}


def fake_kernel(func: torch._ops.OpOverload) -> Callable[..., Value]:
    """What to call for an operator's fake results."""
    own = FAKE_RESULTS.get(func) or _FAKE_BY_NAME.get(func._schema.name)
    return own or (pointwise(func) if elementwise(func) else func)


_UNIQUE = (
    torch.ops.aten._unique2.default,
    torch.ops.aten.unique_dim.default,
    torch.ops.aten.unique_consecutive.default,
)


def with_right_dtypes(func: torch._ops.OpOverload, out: OpResult) -> OpResult:
    """What a fake kernel gave: on torch 2.11 the indices and counts of unique have x's dtype."""
    if func not in _UNIQUE:
        return out
    found, *numbers = out
    return (found, *(number.to(torch.int64) for number in numbers))
