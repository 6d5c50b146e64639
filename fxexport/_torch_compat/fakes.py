"""Private PyTorch API on fake and functional tensors, and real values read past all modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import (
    FakeTensor,
    FakeTensorMode,
    in_kernel_invocation_manager,
)
from torch._subclasses.functional_tensor import FunctionalTensor, FunctionalTensorMode
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from fxexport._torch_compat.modes import no_functional_mode, only_mode, without_function_modes

if TYPE_CHECKING:
    from fxexport._torch_compat.size_env import SizeEnv

__all__ = [
    "another_fake",
    "empty_beside",
    "fake_beside",
    "fake_like",
    "fake_mode",
    "fake_of_real",
    "follow_sizes",
    "fresh_size",
    "inner_of",
    "leaves",
    "map_tensors",
    "own_or_meta",
    "real_list",
    "real_result",
    "real_truth",
    "remember_item",
    "replace_inner",
]


def fake_mode(env: SizeEnv) -> FakeTensorMode:
    """The mode of fake tensors whose sizes are an environment's.

    Its own cache is off: a result from it would skip the kernel, and with it the facts that the
    kernel learns, which are forgotten where a branch ends.
    """
    mode = FakeTensorMode(shape_env=env)
    mode.cache_enabled = False
    return mode


def another_fake(tensor: torch.Tensor) -> torch.Tensor:
    """A fake tensor like another one, with its sizes and strides; anything else as it is.

    PyTorch's own ways (`detach`, `empty_strided`) ask about every size, in milliseconds.
    """
    if not isinstance(tensor, FakeTensor):
        return tensor
    with in_kernel_invocation_manager(tensor.fake_mode):
        return FakeTensor(tensor.fake_mode, tensor, tensor.fake_device)


def fake_like(tensor: torch.Tensor, sizes: Sequence[int | torch.SymInt]) -> torch.Tensor:
    """A fake tensor of the same dtype and device with other symbols for its sizes."""
    return torch.empty(sizes, dtype=tensor.dtype, device=tensor.device)


def fake_beside(tensor: torch.Tensor, sizes: Sequence[Any]) -> torch.Tensor:
    """`fake_like`, made in the fake mode of the tensor itself: for use after capture."""
    return empty_beside(tensor, sizes, tensor.dtype)


def empty_beside(tensor: torch.Tensor, sizes: Sequence[Any], dtype: torch.dtype) -> torch.Tensor:
    """`fake_beside`, of another dtype."""
    mode: FakeTensorMode = tensor.fake_mode  # type: ignore[attr-defined]
    with mode:
        return torch.empty(sizes, dtype=dtype, device=tensor.device)


def fresh_size(tensor: torch.Tensor) -> torch.SymInt:
    """A new size that nothing is known about, beside a tensor of a graph: for use after capture."""
    env: SizeEnv = tensor.fake_mode.shape_env  # type: ignore[attr-defined]
    with env.ignore_fresh_unbacked_symbols():
        size: torch.SymInt = env.create_unbacked_symint()
    env.mark_size(size.node.expr)
    return size


def inner_of(tensor: torch.Tensor) -> torch.Tensor:
    """The fake tensor inside a functional one, after pending writes to its base."""
    with no_functional_mode():
        torch._sync(tensor)  # type: ignore[attr-defined]
        return torch._from_functional_tensor(tensor.elem)  # type: ignore[attr-defined]


def replace_inner(tensor: torch.Tensor, fake: torch.Tensor) -> None:
    """Gives a functional tensor that is no view another value; its views are regenerated."""
    with no_functional_mode():
        elem = tensor.elem  # type: ignore[attr-defined]
        torch._functionalize_replace(elem, fake)
        torch._functionalize_commit_update(elem)
        torch._functionalize_sync(elem)
    follow_sizes(tensor)


def follow_sizes(tensor: torch.Tensor) -> None:
    """Gives a functional tensor the sizes of the fake one inside, where those were changed.

    Functionalization gives the inner tensor other sizes (``out=`` of an operator does that), and
    the tensor that Python has keeps its own. Setting ``data`` copies the sizes and leaves what
    Python knows of a tensor as it is.
    """
    inner = inner_of(tensor)
    if [_size_of(size) for size in inner.shape] == [_size_of(size) for size in tensor.shape]:
        return
    with FunctionalTensorMode():
        like = FunctionalTensor.to_functional(inner)
    with without_function_modes(), no_dispatch():
        tensor.data = like


def _size_of(size: int | torch.SymInt) -> object:
    return size.node.expr if isinstance(size, torch.SymInt) else size


def fake_of_real(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    """A fake tensor with the static shape of a real one; the data is not touched."""
    # A weight without data is captured as if it lay in memory.
    device = torch.device("cpu") if tensor.device.type == "meta" else tensor.device
    with only_mode(mode):
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)


def own_or_meta(tensor: torch.Tensor) -> torch.Tensor:
    """A weight as it is; for a fake one of the user's, one on meta, which no mode looks at."""
    if not isinstance(tensor, FakeTensor):
        return tensor
    with _disable_current_modes():
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def map_tensors(function: Callable[[Any], object], values: object) -> Any:
    """Applies a function to every leaf of nested arguments."""
    return tree_map(function, values)


def leaves(values: object) -> list[Any]:
    """Every leaf of nested arguments."""
    return tree_leaves(values)


def real_truth(tensor: torch.Tensor) -> bool:
    """The truth of a real one-element tensor, read outside all modes."""
    with _disable_current_modes(), without_function_modes():
        return bool(tensor.detach().reshape(()).item())


def real_list(tensor: torch.Tensor) -> list[Any] | int | float | bool:
    """The values of a real tensor as nested lists, read outside all modes."""
    with _disable_current_modes(), without_function_modes():
        return tensor.detach().tolist()


def real_result(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """What an operator gives for real tensors, computed outside all modes."""
    with _disable_current_modes(), without_function_modes(), torch.no_grad():
        return function(*args, **kwargs)


def remember_item(fake: torch.Tensor, number: torch.SymInt) -> None:
    """Makes ``item()`` of a fake tensor with one element give a number that is known already."""
    fake.item_memo = number  # type: ignore[attr-defined]
