"""State as inputs and outputs of the file: what the caller needs to run it step by step."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import torch

from fxexport.errors import OutputError
from fxexport.graph import CapturedGraph
from fxexport.report import Report

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["describe_state", "initial_state", "state_file_name", "write_initial_state"]


def initial_state(graph: CapturedGraph) -> dict[str, Any]:
    """NumPy arrays by input name: what the model held at export."""
    return {entry.input: _array(entry.initial, entry.spec.dtype) for entry in graph.state}


def _array(value: Any, dtype: torch.dtype) -> Any:
    """A tensor or number as an array; types that NumPy lacks as integers of the same bits."""
    tensor = torch.as_tensor(value, dtype=dtype).detach().cpu().contiguous()
    try:
        return tensor.numpy().copy()
    except TypeError:
        bits = {1: torch.uint8, 2: torch.uint16}[tensor.element_size()]
        return tensor.view(bits).numpy().copy()


def describe_state(model: ir.Model, graph: CapturedGraph) -> None:
    """Writes into the file which output feeds which input of the next call."""
    if graph.state:
        pairs = {entry.input: entry.output for entry in graph.state}
        model.metadata_props["fxexport.state"] = json.dumps(pairs)


def state_file_name(path: str) -> str:
    """``model.state.npz`` for ``model.onnx``."""
    return os.path.splitext(path)[0] + ".state.npz"


def write_initial_state(graph: CapturedGraph, path: str, report: Report) -> None:
    """Writes the first call's state beside the file, whole or not at all.

    Raises:
        OutputError: when it cannot be written.
    """
    if not graph.state:
        return
    import numpy

    target = state_file_name(path)
    buffer = io.BytesIO()
    numpy.savez(buffer, **initial_state(graph))
    try:
        with open(f"{target}.part", "wb") as file:
            file.write(buffer.getvalue())
        os.replace(f"{target}.part", target)
    except OSError as error:
        raise OutputError(f"cannot write {target!r}: {error.strerror or error}") from error
    report.add("note", f"the state of the first call is in {target}")
