"""A file raises where its program does, at every level of optimisation, and names text and line."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

import fxexport
from tests.support.guarded import GUARDED, Guarded
from tests.support.harness import compare, flatten

onnxruntime = pytest.importorskip("onnxruntime")
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


def session(model: Any, level: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(file: Any, row: tuple[Any, ...]) -> list[Any]:
    feed = {
        spec.name: value.numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        for spec, value in zip(file.get_inputs(), flatten(row), strict=True)
    }
    found: list[Any] = file.run(None, feed)
    return found


@pytest.mark.parametrize("case", GUARDED, ids=str)
def test_the_file_raises_where_the_program_does(case: Guarded) -> None:
    exported = fxexport.export(
        case.program, copy.deepcopy(case.good[0]), dynamic=True, verify=False
    )
    model = exported.model
    for level in LEVELS:
        file = session(model, level)
        for row in case.good:
            expected = flatten(case.program(*copy.deepcopy(row)))
            assert compare(expected, run(file, row)) == ""
        for row in case.bad:
            with pytest.raises(Exception, match=rf"{case.says}.*\(guarded.py:\d+\)"):
                run(file, row)


@pytest.mark.parametrize("level", LEVELS)
def test_flags_of_an_empty_tensor_are_all_set(level: str) -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        assert (x > 0).all()
        return x * 2

    exported = fxexport.export(program, (torch.ones(3, 2),), dynamic=True, verify=False)
    file = session(exported.model, level)
    for size in (0, 1, 3):
        assert compare([torch.ones(size, 2) * 2], run(file, (torch.ones(size, 2),))) == ""
    for wrong in ([[1.0, 0]], [[-1.0, 1], [1, 1]], [[float("nan"), 1]]):
        with pytest.raises(Exception, match=r"test_guards\.py"):
            run(file, (torch.tensor(wrong),))


def test_all_flags_of_a_tensor_cost_three_nodes() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        assert (x > 0).all()
        return x * 2

    exported = fxexport.export(program, (torch.ones(3, 2),), dynamic=True, verify=False)
    operators = [node.op_type for node in exported.model.graph.node]
    assert sorted(operators) == ["Cast", "Greater", "Mul", "Range", "ReduceMin"]
