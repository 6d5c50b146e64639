"""Tells from Python's stack what PyTorch asks about a size for."""

from __future__ import annotations

import sys
import types

__all__ = [
    "asked_for_a_slice",
    "asked_for_broadcasting",
    "asked_for_layout",
    "asserted_of_own_memory",
]


def asked_for_layout() -> bool:
    """Whether PyTorch asks about a size only to know how a tensor lies in memory."""
    return _asked_by(_LAYOUT_QUESTIONS)


def asked_for_broadcasting() -> bool:
    """Whether PyTorch asks about a size to know in what shape operands meet."""
    return _asked_by(_BROADCASTING_QUESTIONS)


def asked_for_a_slice() -> bool:
    """Whether PyTorch asks about the ends of a slice."""
    return _asked_by(_SLICES, 11)


def asserted_of_own_memory(message: str) -> bool:
    """Whether a fake kernel asserts that the strides it gives its own result fit into its memory.

    Args:
        message: what comes with the assertion: the line of C++ that makes it.
    """
    kernels = next((module for file, module in _OWN_MEMORY.items() if file in message), None)
    frame: types.FrameType | None = sys._getframe(1)
    for _ in range(6 if kernels else 0):
        if frame is None:
            break
        # In `_clone_meta` a tensor is as large as another one; elsewhere sizes may be below 0.
        name, function = frame.f_globals.get("__name__"), frame.f_code.co_name
        if name == kernels and (name != "torch._prims" or function == "_clone_meta"):
            return True
        frame = frame.f_back
    return False


# File of C++ that asserts -> the module of the kernels that it does so for.
_OWN_MEMORY = {
    "native/Resize.h": "torch._meta_registrations",
    "ATen/EmptyTensor.h": "torch._prims",
}


def _asked_by(names: frozenset[str], frames: int = 30) -> bool:
    frame: types.FrameType | None = sys._getframe(1)
    for _ in range(frames):
        if frame is None:
            break
        if frame.f_code.co_name in names:
            return True
        frame = frame.f_back
    return False


# check_contiguous_sizes_strides, is_contiguous and the like of torch._prims_common; the last is of
# torch._subclasses.fake_impls.
_LAYOUT_QUESTIONS = frozenset(
    {
        "check_contiguous_sizes_strides",
        "is_channels_last_contiguous_2d",
        "is_channels_last_contiguous_3d",
        "is_non_overlapping_and_dense_or_false",
        "compute_elementwise_output_logical_to_physical_perm",
        "_is_contiguous_with_hinted_checks",
    }
)
# torch._subclasses.fake_impls
_SLICES = frozenset({"_compute_slice_index", "slice_forward"})
# torch._subclasses.fake_impls, torch._refs
_BROADCASTING_QUESTIONS = frozenset({"infer_size", "_broadcast_shapes", "check_inplace_broadcast"})
