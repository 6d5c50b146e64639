"""Which exceptions PyTorch's kernels raise for sizes that do not fit."""

from __future__ import annotations

import torch

__all__ = ["kinds_raised_by"]

# Operators whose kernels raise no ValueError for sizes.
_NO_VALUE_ERROR = frozenset({
    "_log_softmax", "_softmax", "_unsafe_view", "addmm", "amax", "amin", "baddbmm", "bmm",
    "broadcast_to", "cat", "chunk", "conv1d", "conv2d", "conv3d", "convolution", "cumsum",
    "embedding", "expand", "flatten", "flip", "gather", "index", "index_put", "index_select",
    "layer_norm", "linear", "matmul", "max", "mean", "min", "mm", "native_layer_norm", "narrow",
    "new_zeros", "norm", "ones", "permute", "pow", "prod", "reshape", "roll",
    "scaled_dot_product_attention", "scatter", "scatter_add", "select", "select_scatter",
    "slice", "slice_scatter", "softmax", "sort", "split", "split_with_sizes", "squeeze",
    "stack", "std", "sum", "t", "topk", "transpose", "tril", "triu", "unbind", "unflatten",
    "unsqueeze", "var", "view", "zeros",
})  # fmt: skip


def kinds_raised_by(kernel: torch._ops.OpOverload | None) -> tuple[type[BaseException], ...]:
    """The classes of what PyTorch raises for sizes that do not fit."""
    if kernel is None:
        return (RuntimeError, IndexError, ValueError, TypeError)
    name = kernel._schema.name.removeprefix("aten::").rstrip("_")
    if name in _NO_VALUE_ERROR or torch.Tag.pointwise in kernel.tags:
        return (RuntimeError, IndexError)
    return (RuntimeError, IndexError, ValueError)
