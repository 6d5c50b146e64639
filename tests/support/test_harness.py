"""The harness tells agreement, differences, refusals and crashes apart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import onnx
import pytest
import torch
from torch import fx

import fxexport
from fxexport.errors import UnsupportedError
from fxexport.graph import OutputSpec
from fxexport.report import Report
from tests.support.harness import compare, flatten, run_model


@pytest.mark.parametrize(
    ("expected", "actual", "difference"),
    [
        (torch.ones(2), torch.ones(2), ""),
        (torch.ones(2), torch.ones(2) + 1e-7, ""),
        (torch.ones(2), torch.ones(2) * 1.01, "values"),
        (torch.ones(2), torch.ones(2, 1), "shape"),
        (torch.ones(2), torch.ones(2).double(), "dtype"),
        (torch.ones(2).long(), torch.tensor([1, 2]), "expected"),
        (3, torch.tensor(3), ""),
        (3, torch.tensor(3.0), "dtype"),
        (True, torch.tensor(1), "dtype"),
        (0.5, torch.tensor(0.5, dtype=torch.float64), ""),
        (torch.tensor(float("nan")), torch.tensor(float("nan")), ""),
        (torch.tensor(float("nan")), torch.tensor(0.0), "values"),
    ],
)
def test_compare_finds_the_difference(expected: Any, actual: Any, difference: str) -> None:
    found = compare([expected], [actual])
    assert (difference in found) if difference else found == ""


def test_compare_counts_outputs() -> None:
    assert "1 outputs, got 0" in compare([torch.ones(1)], [])


def test_flatten_keeps_order_and_drops_none_and_text() -> None:
    assert flatten({"b": (1, None, [2.0]), "a": "text", "c": {"d": True}}) == [1, 2.0, True]


def _doubled_if_positive(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.sum() > 0 else x * 3


def _file_with_one_branch() -> onnx.ModelProto:
    """`x * 2` whatever x is, as an exporter would write it that bakes the example's branch in."""
    float_type, shape = onnx.TensorProto.FLOAT, ["n"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "x"], ["y"])],
        "baked",
        [onnx.helper.make_tensor_value_info("x", float_type, shape)],
        [onnx.helper.make_tensor_value_info("y", float_type, shape)],
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)


def _exported(run: Any) -> Any:
    graph = SimpleNamespace(
        inputs=[SimpleNamespace(name="x", dtype=torch.float32)],
        outputs=[OutputSpec("y")],
        run=run,
        graphs=list,
        module=fx.GraphModule({}, fx.Graph()),
    )
    return SimpleNamespace(graph=graph, model=_file_with_one_branch(), report=Report())


POSITIVE, NEGATIVE = (torch.tensor([1.0, 2.0]),), (torch.tensor([-1.0]),)


@pytest.mark.parametrize(
    ("run", "inputs", "status", "details"),
    [
        (lambda x: (x * 2,), [POSITIVE], "agree", ""),
        (lambda x: (x * 2,), [POSITIVE, NEGATIVE], "wrong", "input set 1, graph"),
        (lambda x: (_doubled_if_positive(x),), [POSITIVE, NEGATIVE], "wrong", "ONNX Runtime"),
        (lambda x: (), [POSITIVE], "wrong", "outputs"),
    ],
)
def test_a_baked_branch_is_wrong(
    run: Any, inputs: Any, status: str, details: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setitem(vars(fxexport), "export", lambda *_, **__: _exported(run))
    outcome = run_model(lambda: _doubled_if_positive, inputs)
    assert (outcome.status, details in outcome.details) == (status, True)


@pytest.mark.parametrize(
    ("error", "status"), [(UnsupportedError("not kept"), "refused"), (KeyError("bug"), "crashed")]
)
def test_a_refusal_is_not_a_crash(
    error: Exception, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setitem(vars(fxexport), "export", export)
    assert run_model(lambda: _doubled_if_positive, [POSITIVE]).status == status


def test_a_file_that_answers_outside_of_its_promise_is_wrong() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return x + 1

    rows = [(torch.ones(n),) for n in (2, 3)]
    held = {"x": {0: fxexport.Dim("n", 2, 3)}}
    outside = [(torch.ones(n),) for n in (0, 1, 4)]
    assert run_model(lambda: program, rows, dynamic=held, outside=outside).status == "agree"
    answers = run_model(lambda: program, rows, dynamic=True, outside=outside)
    assert answers.status == "wrong"
    assert "outside set 0: the file answers" in answers.details
