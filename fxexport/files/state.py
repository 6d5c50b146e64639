"""State as inputs and outputs of the file: what the caller needs to run it step by step."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from fxexport.graph import CapturedGraph
from fxexport.graph.complex_values import as_real

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["describe_state", "initial_state", "state_file"]


def initial_state(graph: CapturedGraph) -> dict[str, Any]:
    """NumPy arrays by input name: what the model held at export."""
    return {entry.input: _array(as_real(entry.initial), entry.spec.dtype) for entry in graph.state}


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


def state_file(state: Mapping[str, Any]) -> bytes:
    """The content of a NumPy archive with the state of the first call.

    Args:
        state: as `initial_state` gives it.
    """
    import numpy

    buffer = io.BytesIO()
    numpy.savez(buffer, **state)
    return buffer.getvalue()
