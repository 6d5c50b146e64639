"""A program in TensorRT's dialect: it agrees with PyTorch in ONNX Runtime, and builds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import fxexport
import fxexport.tensorrt
from tests.support.harness import run_model

__all__ = ["agrees_and_builds"]


def agrees_and_builds(
    function: Callable[..., Any],
    rows: Sequence[tuple[torch.Tensor, ...]],
    folder: Path,
    dynamic: Any = None,
) -> set[str]:
    """Compares on all rows of inputs, then builds from the smallest of their sizes to the largest.

    Args:
        function: the program; its parameters are the inputs.
        rows: argument tuples, the example first; what differs between them is dynamic.
        folder: where the file goes.
        dynamic: as for `fxexport.export`, where dimensions need names or more should vary.

    Returns:
        The operators of the file, those in bodies included.
    """
    if dynamic is None:
        dynamic = tuple(
            [d for d in range(len(shapes[0])) if len({shape[d] for shape in shapes}) > 1]
            for shapes in (list(column) for column in zip(*_shapes(rows), strict=True))
        )
    outcome = run_model(lambda: function, rows, dynamic=dynamic, target="tensorrt")
    assert outcome.status == "agree", outcome.details
    exported = fxexport.export(
        function,
        copy.deepcopy(rows[0]),
        folder / "model.onnx",
        dynamic=dynamic,
        target="tensorrt",
        verify=False,
    )
    kinds = {node.op_type for node in _nodes(exported.model.graph)}
    pytest.importorskip("tensorrt_rtx")
    profile = {}
    for k, spec in enumerate(exported.graph.inputs):
        columns = list(zip(*(shapes[k] for shapes in _shapes(rows)), strict=True))
        if any(not isinstance(d, int) for d in spec.shape):
            profile[spec.name] = tuple(
                tuple(max(1, pick(column)) for column in columns)
                for pick in (min, lambda column: column[0], max)
            )
    assert fxexport.tensorrt.build(exported, profiles=profile or None).ok
    return kinds


def _shapes(rows: Sequence[tuple[torch.Tensor, ...]]) -> list[list[tuple[int, ...]]]:
    return [[tuple(value.shape) for value in row] for row in rows]


def _nodes(graph: Any) -> Any:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)
