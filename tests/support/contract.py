"""Whether the contract of a file takes some inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fxexport.errors import UsageError
from fxexport.graph import CapturedGraph
from fxexport.inputs.checking import check_shape
from fxexport.verify.searching.other_sizes import broken_constraint

__all__ = ["in_contract"]


def in_contract(graph: CapturedGraph, values: Sequence[Any]) -> bool:
    """Whether the ranges and relations of a graph's inputs admit the sizes of these values."""
    sizes: dict[str, int] = {}
    try:
        for spec, value in zip(graph.inputs, values, strict=True):
            if isinstance(value, torch.Tensor):
                check_shape(spec, tuple(value.shape), sizes)
    except UsageError:
        return False
    return not broken_constraint(graph.constraints, sizes)
