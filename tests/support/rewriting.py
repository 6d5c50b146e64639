"""Running passes on programs, and comparing what comes of them with the programs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from fxexport.passes import Pass, eliminate_dead_code, run_passes

from fxexport.capture import CaptureRequest, capture
from fxexport.graph import CapturedGraph
from fxexport.inputs import prepare_inputs
from fxexport.lowering import decomposition_for, keep_composite
from fxexport.report import Report
from tests.support.harness import compare, flatten, run_model

Inputs = Sequence[tuple[Any, ...]]


def captured(program: Callable[..., Any], *example: Any) -> CapturedGraph:
    """The graph before any pass, all sizes dynamic."""
    call = program.forward if isinstance(program, torch.nn.Module) else program
    prepared = prepare_inputs(call, copy.deepcopy(example), None, True, None)
    request = CaptureRequest(
        model=program,
        inputs=prepared.specs,
        hints=prepared.hints,
        rebuild=prepared.rebuild,
        pinnable=prepared.pinnable,
        output_names=(),
        decomposition_for=decomposition_for,
        keep_composite=keep_composite,
    )
    return capture(request, Report())


def rewritten(program: Callable[..., Any], inputs: Inputs, *passes: Pass) -> CapturedGraph:
    """The graph after passes; it gives what the program gives on all inputs."""
    graph = run_passes(captured(program, *inputs[0]), (eliminate_dead_code, *passes))
    for row in inputs:
        expected = flatten(program(*copy.deepcopy(row)))
        assert compare(expected, graph.run(*copy.deepcopy(row))) == ""
    graph.module.graph.lint()
    return graph


def agrees_for_tensorrt(program: Callable[..., Any], inputs: Inputs) -> None:
    """The file in TensorRT's dialect gives what the program gives, in ONNX Runtime."""
    outcome = run_model(lambda: program, inputs, target="tensorrt")
    assert outcome.status == "agree", outcome.details


def nodes_of(graph: CapturedGraph, target: Any, *, root: bool | None = None) -> list[torch.fx.Node]:
    """The calls of a function: everywhere, in the root alone, or in the bodies alone."""
    modules = list(graph.graphs())
    chosen = modules if root is None else modules[:1] if root else modules[1:]
    return [n for module in chosen for n in module.graph.nodes if n.target is target]
