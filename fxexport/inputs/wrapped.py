"""Models that stand in something which changes how they run, and not what they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

__all__ = ["compiled_in", "unwrapped"]


def compiled_in(module: nn.Module) -> nn.Module | None:
    """The module that `torch.compile` has made another one of; None of others."""
    return dict(module.named_children()).get("_orig_mod")


def unwrapped(model: Callable[..., Any]) -> tuple[Callable[..., Any], list[str]]:
    """What `torch.compile` and PyTorch's modules for several devices hold.

    Args:
        model: a module or a function.

    Returns:
        The model itself, and the names of what it stood in, outermost first. A module with hooks of
        its own is kept, since they are part of what it gives.
    """
    around: list[str] = []
    while isinstance(model, nn.Module) and not (model._forward_hooks or model._forward_pre_hooks):
        if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            around.append(type(model).__name__)
            model = model.module
        elif (inner := compiled_in(model)) is not None:
            around.append("torch.compile")
            model = inner
        else:
            break
    return model, around
