"""Operators that Python code reaches as functions of PyTorch that have another form here.

Their own kernels would bake sizes in, read values, or say nothing of their steps: see
`sized_functions.py`, `composed_functions.py` and the table in `torch_functions.py`, all in
`capture/functions/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from fxexport import _torch_compat as compat

__all__ = ["as_function"]

_FUNCTIONS: dict[str, Callable[..., object]] = {
    f"aten::{name}": getattr(torch, name)
    for name in (
        "linspace", "logspace", "triu_indices", "tril_indices", "hann_window", "hamming_window",
        "blackman_window", "affine_grid_generator", "kron", "chain_matmul", "cdist",
        "take_along_dim", "embedding_bag", "fake_quantize_per_tensor_affine",
        "fake_quantize_per_channel_affine", "inverse", "cov", "corrcoef", "histc", "bincount",
        "narrow", "trapezoid", "trapz", "istft", "diagonal", "diagonal_copy",
        "diagonal_scatter", "diag", "diag_embed", "diagflat",
    )
}  # fmt: skip
_FUNCTIONS |= {
    f"aten::linalg_{name}": getattr(torch.linalg, name)
    for name in ("multi_dot", "inv", "solve", "cholesky", "diagonal")
}
_FUNCTIONS["aten::_grouped_mm"] = compat.GROUPED_MM
# The operator takes a number where the function takes a name.
_COMPUTE_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


def as_function(
    kind: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Callable[..., object], Sequence[object], Mapping[str, object]] | None:
    """What to call instead of an operator; None for one that is called as it is.

    Args:
        kind: the operator, without its overload.
        args: its positional arguments, None for those that were left out.
        kwargs: the others.

    Returns:
        Python's function, and its arguments.
    """
    function = _FUNCTIONS.get(kind)
    if function is None:
        return None
    given = {name: value for name, value in kwargs.items() if value is not None}
    if kind == "aten::cdist":
        given["compute_mode"] = _COMPUTE_MODES[args[3] or 0]
        args = args[:3]
    return function, args, given
