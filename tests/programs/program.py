"""What an entry of the corpus is, and the helpers that its modules are written with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

__all__ = ["TORCH", "Expectation", "Program", "Programs", "ints", "rand", "vec"]

# The version of PyTorch: some programs are for newer ones.
TORCH = tuple(map(int, torch.__version__.split(".")[:2]))

Expectation = Literal["export", "refuse", "either"]


@dataclass(frozen=True)
class Program:
    """One small program with control flow.

    Attributes:
        name: unique name in the corpus.
        build: makes a fresh model, or gives the function to export.
        inputs: argument tuples; the first is the example, the others take the remaining
            branches, trip counts and sizes.
        dynamic: the ``dynamic`` argument of the export.
        expect: "export" must export and agree; "refuse" must be refused; "either" may be
            refused, but an exported file must agree.
        match: regular expression that the refusal must contain.
        fast_paths: whether PyTorch's fast paths decide what it gives: in TorchScript, where they
            are not read, it may be refused, and its file raises where PyTorch gives no numbers.
        scripted: whether its TorchScript must be exported as well; else it may be refused.
    """

    name: str
    build: Callable[[], Callable[..., Any]]
    inputs: tuple[tuple[Any, ...], ...]
    dynamic: Any = True
    expect: Expectation = "export"
    match: str = ""
    fast_paths: bool = False
    scripted: bool = True

    def make(self) -> Callable[..., Any]:
        """A fresh model with the same weights each time, in eval mode."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = self.build()
        return model.eval() if isinstance(model, nn.Module) else model


class Programs(list[Program]):
    """The programs of one theme."""

    def __init__(self, theme: str, *, fast_paths: bool = False) -> None:
        super().__init__()
        self.theme = theme
        self.fast_paths = fast_paths

    def add(
        self,
        subject: Callable[..., Any],
        *inputs: Any,
        name: str = "",
        dynamic: Any = True,
        expect: Expectation = "export",
        match: str = "",
        factory: bool = False,
        scripted: bool = True,
    ) -> None:
        """Adds a program.

        Args:
            subject: function to export, nn.Module class, or (`factory`) what makes either.
            inputs: argument tuples; anything else counts as the only argument.
            name: name in the corpus, by default the subject's.
            dynamic: the ``dynamic`` argument of the export.
            expect: what must come of it.
            match: regular expression for the refusal.
            factory: whether calling the subject gives the model.
            scripted: whether its TorchScript must be exported as well.
        """
        made = factory or (isinstance(subject, type) and issubclass(subject, nn.Module))
        build = subject if made else (lambda: subject)
        rows = tuple(row if isinstance(row, tuple) else (row,) for row in inputs)
        full_name = f"{self.theme}.{name or subject.__name__}"
        self.append(
            Program(full_name, build, rows, dynamic, expect, match, self.fast_paths, scripted)
        )


def rand(*shape: int, seed: int = 0, shift: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    """Normal values, the same for the same arguments."""
    generator = torch.Generator().manual_seed(1000 * seed + sum(shape))
    return torch.randn(*shape, generator=generator) * scale + shift


def ints(*shape: int, low: int = 0, high: int = 10, seed: int = 0) -> torch.Tensor:
    """int64 values in [low, high), the same for the same arguments."""
    generator = torch.Generator().manual_seed(1000 * seed + sum(shape))
    return torch.randint(low, high, shape, generator=generator)


def vec(*values: float) -> torch.Tensor:
    """A vector of the given values (float32, int64 or bool)."""
    return torch.tensor(values) if values else torch.zeros(0)
