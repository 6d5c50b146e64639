"""Whether a file keeps its promise: PyTorch's values, or an error where PyTorch raises."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import onnxruntime
import torch

import fxexport
from tests.support.contract import in_contract

__all__ = ["kept"]

_TOLERANCE = {"rtol": 1e-3, "atol": 1e-4, "equal_nan": True}


def kept(
    exported: fxexport.Exported, program: Callable[..., Any], inputs: Sequence[tuple[Any, ...]]
) -> str:
    """Where the file breaks its promise; empty if nowhere.

    Where PyTorch gives values, the graph and the file give them, or the contract excludes the sizes
    and the file raises. Where PyTorch raises, the file does.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(exported.model.SerializeToString(), options)
    names = [value.name for value in session.get_inputs()]
    for row in inputs:
        where = ", ".join(str(tuple(x.shape)) for x in row)
        feed = {name: x.numpy() for name, x in zip(names, row, strict=True)}
        expected = _tried(lambda row=row: program(*copy.deepcopy(row)))
        found = _tried(lambda feed=feed: torch.from_numpy(session.run(None, feed)[0]))
        if isinstance(expected, Exception):
            if not isinstance(found, Exception):
                return f"{where}: PyTorch raises {expected}, the file answers"
            continue
        if not in_contract(exported.graph, row):
            if not isinstance(found, Exception):
                return f"{where}: outside of the contract, the file answers"
            continue
        graph = _tried(lambda row=row: exported.graph.run(*copy.deepcopy(row))[0])
        for runner, actual in (("graph", graph), ("ONNX Runtime", found)):
            if isinstance(actual, Exception):
                return f"{where}: {runner} raises {actual}"
            if actual.shape != expected.shape:
                return f"{where}: {runner} gives {tuple(actual.shape)}, {tuple(expected.shape)}"
            if not torch.allclose(actual, expected, **_TOLERANCE):
                return f"{where}: {runner} gives other values"
    return ""


def _tried(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return error
