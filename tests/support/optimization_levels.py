"""A program's file at each level of ONNX Runtime's graph optimizations."""

from __future__ import annotations

import copy
from typing import Any

import onnxruntime  # type: ignore[import-untyped]

import fxexport
from fxexport.errors import FxExportError
from tests.programs.program import Program
from tests.support.harness import compare, feed_of

__all__ = ["LEVELS", "disagreement"]

_LEVEL = onnxruntime.GraphOptimizationLevel
# The first rewrites nothing: the others are held to it.
LEVELS = {
    "none": _LEVEL.ORT_DISABLE_ALL,
    "basic": _LEVEL.ORT_ENABLE_BASIC,
    "extended": _LEVEL.ORT_ENABLE_EXTENDED,
    "all": _LEVEL.ORT_ENABLE_ALL,
}


def disagreement(program: Program) -> str:
    """At which level the file gives something else than without rewriting; empty if at none.

    A refused program has no file.
    """
    try:
        exported = fxexport.export(
            program.make(),
            copy.deepcopy(program.inputs[0]),
            dynamic=program.dynamic,
            verify=False,
        )
    except FxExportError:
        return ""
    sessions = {name: _session(exported.model, level) for name, level in LEVELS.items()}
    names = [spec.name for spec in exported.graph.outputs]
    for number, row in enumerate(program.inputs):
        found: dict[str, Any] = {}
        for level, session in sessions.items():
            try:
                found[level] = list(session.run(names, feed_of(session, exported.graph, row)))
            except Exception as error:
                found[level] = f"raises {type(error).__name__}"
        for level, values in found.items():
            difference = _difference(found["none"], values)
            if difference:
                return f"input set {number}, level {level}: {difference}"
    return ""


def _difference(plain: Any, other: Any) -> str:
    if isinstance(plain, str) or isinstance(other, str):
        return "" if plain == other else f"{plain} without rewriting, {other} with it"
    return compare(plain, other)


def _session(model: Any, level: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = level
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
