"""The models of the zoo: where they come from, and inputs of several sizes for each."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

__all__ = ["SOURCES", "Inputs", "Made", "ZooModel", "models_of"]

SOURCES = ("torchvision", "timm", "transformers")


@dataclass(frozen=True)
class Inputs:
    """Arguments of one size.

    Attributes:
        size: what the size is, as a text.
        args: positional arguments.
        kwargs: arguments by name.
    """

    size: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] | None = None

    def call(self, model: nn.Module) -> Any:
        """What a model gives for these."""
        return model(*self.args, **(self.kwargs or {}))


@dataclass(frozen=True)
class Made:
    """A model in evaluation mode with random weights.

    Attributes:
        model: the model.
        inputs: the example first, then other sizes; PyTorch need not take all of them.
    """

    model: nn.Module
    inputs: Sequence[Inputs]


@dataclass(frozen=True)
class ZooModel:
    """One model of the zoo.

    Attributes:
        source: the package that it is from.
        family: what it stands for: the module that defines it, or the kind of model.
        name: its name there.
        make: makes it; raises where it cannot be made small, or PyTorch does not run it.
    """

    source: str
    family: str
    name: str
    make: Callable[[], Made]


def models_of(source: str) -> list[ZooModel]:
    """All models that a package stands for in the zoo; the package is imported here."""
    return importlib.import_module(f"benchmarks.zoo.{source}_models").models()  # type: ignore[no-any-return]
