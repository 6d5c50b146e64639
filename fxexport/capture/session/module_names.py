"""The module that is captured: the names in it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from fxexport.capture.recording.types import Value

__all__ = ["ScriptedMethod", "module_names", "weight_names"]


class ScriptedMethod:
    """A method of a scripted module, by name; unlike PyTorch's own it knows its module."""

    def __init__(self, module: torch.jit.ScriptModule, name: str) -> None:
        self.__self__ = module
        self.__name__ = name

    @property
    def schema(self) -> torch._C.FunctionSchema:
        """What it takes."""
        return getattr(self.__self__, self.__name__).schema

    def __call__(self, *args: Value, **kwargs: Value) -> Value:
        """Calls the method."""
        return getattr(self.__self__, self.__name__)(*args, **kwargs)


def weight_names(model: Callable[..., Value]) -> dict[int, str]:
    """The names of a module's parameters and buffers by the tensors' identity."""
    module = model if isinstance(model, torch.nn.Module) else getattr(model, "__self__", None)
    if not isinstance(module, torch.nn.Module):
        return {}
    names: dict[int, str] = {}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        names.setdefault(id(tensor), name)
    return names


def module_names(model: Callable[..., Value]) -> dict[int, str]:
    """The paths of a module's submodules by their identity."""
    module = model if isinstance(model, torch.nn.Module) else getattr(model, "__self__", None)
    if not isinstance(module, torch.nn.Module):
        return {}
    return {id(part): name for name, part in module.named_modules()}
