"""Complex tensors for tests, and whether a program on them agrees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

import fxexport
from fxexport.graph.complex_values import as_real
from tests.support.harness import run_model

__all__ = ["SPECIAL", "check", "metadata_holds", "spectrum"]

# Zeros of both signs, the axes, very small and large numbers.
SPECIAL = torch.tensor(
    [0, 1, -1, 1j, -1j, complex(-1, -0.0), complex(-0.0, 1), 1e-18 + 1e-18j, 1e15 - 2e15j, 3 - 4j],
    dtype=torch.complex64,
)


def spectrum(*shape: int, seed: int = 0, dtype: torch.dtype = torch.complex64) -> torch.Tensor:
    """A random complex tensor."""
    generator = torch.Generator().manual_seed(seed + sum(shape))
    parts = torch.randn(*shape, 2, generator=generator, dtype=dtype.to_real())
    return torch.view_as_complex(parts)


def check(
    function: Callable[..., Any], *rows: tuple[torch.Tensor, ...], dynamic: Any = True
) -> None:
    """Asserts that eager PyTorch, the graph and ONNX Runtime agree on all rows of inputs."""
    outcome = run_model(lambda: function, rows, dynamic=dynamic)
    assert outcome.status == "agree", f"{outcome.status}: {outcome.details}"


def metadata_holds(function: Callable[..., Any], row: Sequence[torch.Tensor]) -> None:
    """Asserts that what the graph says of each tensor, dtype and sizes, is so when it runs."""
    exported = fxexport.export(function, tuple(row), dynamic=True, verify=False)

    class Checked(fx.Interpreter):
        def run_node(self, node: fx.Node) -> Any:
            result = super().run_node(node)
            val = node.meta.get("val")
            if isinstance(val, torch.Tensor):
                assert (result.dtype, result.dim()) == (val.dtype, val.dim()), node.format_node()
                for size, told in zip(result.shape, val.shape, strict=True):
                    assert not isinstance(told, int) or size == told, node.format_node()
            return result

    Checked(exported.graph.module).run(*map(as_real, row))
