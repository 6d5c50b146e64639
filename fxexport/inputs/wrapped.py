"""Models that stand in something which changes how they run, and not what they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

__all__ = ["unwrapped"]


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
        elif isinstance(inner := dict(model.named_children()).get("_orig_mod"), nn.Module):
            around.append("torch.compile")
            model = inner
        else:
            break
    return model, around
