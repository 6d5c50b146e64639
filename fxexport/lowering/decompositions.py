"""Expressing operators without an ONNX form through others, and keeping coarse ones whole."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from fxexport._torch_compat import has_own_decomposition, larger_table
from fxexport.lowering.own_decompositions import OWN_DECOMPOSITIONS
from fxexport.lowering.registry import is_lowerable, operator_name

__all__ = ["decomposition_for", "keep_composite"]

# Operators that PyTorch would take apart before they are recorded, and whose lowering here is
# coarse, right at every size, functional, and never returns its input.
_WHOLE = frozenset(
    f"aten::{name}"
    for name in [
        "linear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv1d.padding",
        "conv2d.padding",
        "conv3d.padding",
        "conv_transpose1d",
        "conv_transpose2d.input",
        "conv_transpose3d.input",
        "matmul",
        "layer_norm",
        "group_norm",
        "instance_norm",
        "scaled_dot_product_attention",
        "upsample_nearest1d.vec",
        "upsample_nearest2d.vec",
        "upsample_nearest3d.vec",
        "upsample_linear1d.vec",
        "upsample_bilinear2d.vec",
        "upsample_trilinear3d.vec",
        "upsample_bicubic2d.vec",
        "_upsample_nearest_exact1d.vec",
        "_upsample_nearest_exact2d.vec",
        "_upsample_bilinear2d_aa.vec",
        "_upsample_bicubic2d_aa.vec",
        "lstm.input",
        "gru.input",
        "rnn_tanh.input",
        "rnn_relu.input",
        "lstm.data",
        "gru.data",
        "rnn_tanh.data",
        "rnn_relu.data",
        "einsum",
        "pixel_shuffle",
        "pixel_unshuffle",
        "gelu",
        "silu",
        "softmax.int",
        "log_softmax.int",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_avg_pool3d",
        "hardswish",
        "prelu",
        "embedding",
        "one_hot",
        "selu",
        "relu6",
        "mish",
        "grid_sampler",
        "tile",
        "rms_norm",
        "fake_quantize_per_tensor_affine",
        "fake_quantize_per_tensor_affine.tensor_qparams",
        "fake_quantize_per_channel_affine",
    ]
)


def keep_composite(op: torch._ops.OpOverload) -> bool:
    """Whether an operator should be recorded whole although PyTorch can take it apart."""
    return operator_name(op) in _WHOLE and is_lowerable(op)


@functools.cache
def _decompositions() -> dict[Any, Callable[..., Any]]:
    # torch.export's public table holds the core ATen decompositions and those of composite
    # operators; it is materialised once, when the first operator is asked for.
    table = torch.export.default_decompositions()
    return {key: table[key] for key in list(table.keys())}


def decomposition_for(op: torch._ops.OpOverload) -> Callable[..., Any] | None:
    """How to express an operator through others.

    Returns:
        None when it can be lowered as it is, or when no decomposition is known (then `lower`
        says what is missing); else a function to call instead.
    """
    if is_lowerable(op):
        return None
    own = OWN_DECOMPOSITIONS.get(op)
    if own is not None:
        return own
    found = _decompositions().get(op)
    if found is not None:
        return found
    if has_own_decomposition(op):
        return op.decompose
    found = larger_table(op)
    return None if found is not None and _ends_in_its_own_name(op) else found


def _ends_in_its_own_name(op: torch._ops.OpOverload) -> bool:
    """Whether taking an operator apart only gives PyTorch's primitive of the same name.

    Then it stays whole, so that an error speaks of ``aten::lgamma``, which users know, and not of
    ``prims::lgamma``.
    """
    name = op.overloadpacket.__name__.removeprefix("special_")
    primitive = getattr(torch.ops.prims, name, None)
    return primitive is not None and not is_lowerable(primitive.default)
