"""The module that is captured: the names in it, and leaving it as it was found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["ScriptedMethod", "left_as_found", "module_names", "weight_names"]


class ScriptedMethod:
    """A method of a scripted module, by name; unlike PyTorch's own it knows its module."""

    def __init__(self, module: torch.jit.ScriptModule, name: str) -> None:
        self.__self__ = module
        self.__name__ = name

    @property
    def schema(self) -> Any:
        """What it takes."""
        return getattr(self.__self__, self.__name__).schema

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the method."""
        return getattr(self.__self__, self.__name__)(*args, **kwargs)


def weight_names(model: Any) -> dict[int, str]:
    """The names of a module's parameters and buffers by the tensors' identity."""
    module = model if isinstance(model, torch.nn.Module) else getattr(model, "__self__", None)
    if not isinstance(module, torch.nn.Module):
        return {}
    names: dict[int, str] = {}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        names.setdefault(id(tensor), name)
    return names


def module_names(model: Any) -> dict[int, str]:
    """The paths of a module's submodules by their identity."""
    module = model if isinstance(model, torch.nn.Module) else getattr(model, "__self__", None)
    if not isinstance(module, torch.nn.Module):
        return {}
    return {id(part): name for name, part in module.named_modules()}


@contextlib.contextmanager
def left_as_found(model: Any) -> Iterator[None]:
    """Puts every attribute of a module and its submodules back as it was."""
    module = model if isinstance(model, torch.nn.Module) else getattr(model, "__self__", None)
    modules = list(module.modules()) if isinstance(module, torch.nn.Module) else []
    saved = [(m, {k: _copy(v) for k, v in vars(m).items()}) for m in modules]
    try:
        yield
    finally:
        for m, state in saved:
            _restore(vars(m), state)


def _copy(value: Any) -> Any:
    """A shallow copy of the containers that a module keeps its state in."""
    return (value, value.copy()) if isinstance(value, (dict, list, set)) else (value, None)


def _restore(namespace: dict[str, Any], state: dict[str, Any]) -> None:
    for key in list(namespace):
        if key not in state:
            del namespace[key]
    for key, (value, content) in state.items():
        namespace[key] = value
        if content is None:
            continue
        if isinstance(value, list):
            value[:] = content
        elif not _same_content(value, content):
            value.clear()
            value.update(content)


def _same_content(value: Any, content: Any) -> bool:
    """Whether a dict or set holds the very same objects as before."""
    if isinstance(value, dict):
        return len(value) == len(content) and all(value.get(k) is v for k, v in content.items())
    return bool(value == content)
