"""The library call: inputs, dynamic dimensions, names, results.

What it must leave alone is in test_export_purity.py, what it writes in test_export_files.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import fxexport
from fxexport import Dim, UsageError
from fxexport.inputs import TensorSpec
from tests.support.harness import run_model

HERE = __file__


def line_of(text: str) -> int:
    """Number of the only line of this file that holds a text and is no string."""
    lines = Path(HERE).read_text().splitlines()
    (line,) = (k for k, code in enumerate(lines, 1) if text in code and "line_of" not in code)
    return line


def shape_of(exported: fxexport.Exported, name: str) -> tuple[Any, ...]:
    """An input's shape in the file: ints and names."""
    (value,) = (v for v in exported.model.graph.input if v.name == name)
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_param if d.HasField("dim_param") else d.dim_value for d in dims)


def names(values: Any) -> list[str]:
    return [value.name for value in values]


def kinds(exported: fxexport.Exported, node_type: str) -> int:
    return sum(node.op_type == node_type for node in exported.model.graph.node)


def halve(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:  # halve
        return x / 2
    return x - 1


# -- dynamic dimensions ------------------------------------------------------------------------


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.fc(x)  # holds x.shape[1] at 4
        if y.sum() > 0:
            return y
        return -y


def test_nothing_is_dynamic_unless_asked_for() -> None:
    exported = fxexport.export(halve, (torch.ones(2, 3),))
    assert shape_of(exported, "x") == (2, 3)


def test_true_makes_every_dimension_dynamic() -> None:
    exported = fxexport.export(halve, (torch.ones(2, 3),), dynamic=True)
    shape = shape_of(exported, "x")
    assert all(isinstance(size, str) for size in shape)
    assert len(set(shape)) == 2


def test_what_the_model_pins_is_found_with_its_line() -> None:
    exported = fxexport.export(Linear(), (torch.ones(2, 4),), dynamic=True)
    batch, features = shape_of(exported, "x")
    assert isinstance(batch, str)
    assert features == 4
    (pinned,) = exported.report.of_kind("pinned")
    assert "'x'" in pinned.message and "4" in pinned.message
    assert pinned.location is not None
    assert (pinned.location.file, pinned.location.line) == (HERE, line_of("y = self.fc(x)"))


def test_a_pinned_dimension_that_was_asked_for_is_refused_with_its_line() -> None:
    with pytest.raises(fxexport.UnsupportedError, match="dynamic") as refusal:
        fxexport.export(Linear(), (torch.ones(2, 4),), dynamic={"x": {0: "batch", 1: "features"}})
    assert refusal.value.location is not None
    assert refusal.value.location.line == line_of("y = self.fc(x)")


def branch_needs_four(x: torch.Tensor) -> torch.Tensor:
    weight = torch.ones(4, 3)
    if x.sum() > 0:
        return x @ weight
    return (x - 1) @ weight


def test_a_dimension_that_both_ways_of_a_branch_need_is_no_free_dimension() -> None:
    exported = fxexport.export(branch_needs_four, (torch.ones(2, 4),), dynamic=True)
    said = exported.report.of_kind("pinned", "relation", "assumption")
    assert shape_of(exported, "x")[1] == 4 or any("4" in finding.message for finding in said)


def batch_only(dynamic: Any) -> tuple[Any, ...]:
    exported = fxexport.export(halve, (torch.ones(2, 3),), dynamic=dynamic)
    return shape_of(exported, "x")


@pytest.mark.parametrize(
    ("dynamic", "name"),
    [
        ({"x": {0: "batch"}}, "batch"),
        ({"x": {0: Dim("batch")}}, "batch"),
        ({"x": {0: Dim("batch", 1, 8)}}, "batch"),
        ({"x": {0: torch.export.Dim("batch")}}, "batch"),
        ({"x": (torch.export.Dim("batch"), None)}, "batch"),
        (({0: torch.export.Dim("batch")},), "batch"),
        ({"x": [0]}, None),
        ({"x": {0: torch.export.Dim.DYNAMIC}}, None),
        ({"x": {0: torch.export.Dim.AUTO}}, None),
    ],
)
def test_every_form_of_dynamic_makes_the_batch_dynamic(dynamic: Any, name: str | None) -> None:
    size, features = batch_only(dynamic)
    assert features == 3
    assert isinstance(size, str)
    assert name in (None, size)


def test_equal_names_are_one_dimension() -> None:
    def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y if x.shape[0] == y.shape[0] else x

    exported = fxexport.export(
        add, (torch.ones(2), torch.ones(2)), dynamic={"x": {0: "n"}, "y": {0: "n"}}
    )
    assert shape_of(exported, "x") == shape_of(exported, "y") == ("n",)
    assert kinds(exported, "If") == 0


def test_dimensions_that_must_agree_are_reported_as_a_relation() -> None:
    def add(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x.view(-1) @ y.view(-1)

    exported = fxexport.export(add, (torch.ones(2), torch.ones(2)), dynamic=True)
    (relation,) = exported.report.of_kind("relation")
    assert "==" in relation.message
    assert relation.location is not None
    assert relation.location.line == line_of("x.view(-1) @ y.view(-1)")


def small_or_large(x: torch.Tensor) -> torch.Tensor:
    if x.shape[0] > 16:  # decided by the range
        return x * 2
    return x + 1


@pytest.mark.parametrize(
    ("dim", "kept"), [(Dim("b", 1, 8), False), (Dim("b", 17), False), (Dim("b", 1, 17), True)]
)
def test_a_range_decides_conditions_and_that_is_said(dim: Dim, kept: bool) -> None:
    size = max(dim.min, 2)
    exported = fxexport.export(small_or_large, (torch.ones(size),), dynamic={"x": {0: dim}})
    assert kinds(exported, "If") == int(kept)
    folded = exported.report.of_kind("folded")
    assert len(folded) == int(not kept)
    if not kept:
        assert folded[0].location is not None
        assert folded[0].location.line == line_of("# decided by the range")
    assert exported.report.verification is not None and exported.report.verification.ok


def test_a_range_that_the_model_contradicts_is_refused() -> None:
    def fixed(x: torch.Tensor) -> torch.Tensor:
        return x.view(2, 6)

    with pytest.raises(fxexport.FxExportError):
        fxexport.export(fixed, (torch.ones(12),), dynamic={"x": {0: Dim("n", 1, 40)}})


# -- inputs ------------------------------------------------------------------------------------


def spec(*shape: Any) -> TensorSpec:
    return TensorSpec(torch.float32, shape)


def fake(*shape: int) -> torch.Tensor:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        return torch.empty(*shape)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(torch.ones(2, 3, device="meta"), id="meta"),
        pytest.param(fake(2, 3), id="fake"),
        pytest.param(spec(2, 3), id="spec"),
        pytest.param(np.ones((2, 3), np.float32), id="numpy"),
        pytest.param(torch.ones(2, 3), id="real"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda v: (v,), lambda v: {"x": v}, lambda v: v])
def test_an_input_needs_a_shape_and_a_dtype_only(value: Any, wrap: Callable[[Any], Any]) -> None:
    exported = fxexport.export(halve, wrap(value), dynamic={"x": {0: "n"}})
    assert shape_of(exported, "x") == ("n", 3)
    verification = exported.report.verification
    assert verification is not None and verification.ok


def test_a_spec_says_what_is_dynamic() -> None:
    exported = fxexport.export(halve, (spec("batch", Dim("w", 2, 9)),))
    assert shape_of(exported, "x") == ("batch", "w")


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


def nested(boxes: list[torch.Tensor], sizes: dict[str, torch.Tensor], pair: Pair) -> dict[str, Any]:
    total = boxes[0] + boxes[1] + pair.first
    if total.sum() > 0:
        total = total * sizes["h"]
    return {"total": total, "rest": [pair.second, (sizes["w"], total.sum())]}


NESTED = (
    [torch.ones(3), torch.ones(3)],
    {"h": torch.ones(1), "w": torch.zeros(1)},
    Pair(torch.ones(3), torch.zeros(2)),
)


def test_nested_inputs_and_outputs_have_readable_names() -> None:
    exported = fxexport.export(nested, NESTED)
    ins = names(exported.model.graph.input)
    assert ins[:4] == ["boxes_0", "boxes_1", "sizes_h", "sizes_w"]
    assert all(name.startswith("pair") for name in ins[4:])
    outs = names(exported.model.graph.output)
    assert outs[0] == "total"
    assert all(name.startswith("rest") for name in outs[1:])
    assert exported.report.verification is not None and exported.report.verification.ok


def test_names_can_be_given() -> None:
    exported = fxexport.export(
        halve, (torch.ones(2, 3),), input_names=["image"], output_names=["score"]
    )
    assert names(exported.model.graph.input) == ["image"]
    assert names(exported.model.graph.output) == ["score"]


def test_an_output_that_is_an_input_has_a_name_of_its_own() -> None:
    def keep(x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"x": x, "y": x + 1}

    exported = fxexport.export(keep, (torch.ones(2),))
    ins, outs = names(exported.model.graph.input), names(exported.model.graph.output)
    assert len({*ins, *outs}) == 3
    assert exported.report.verification is not None and exported.report.verification.ok


@pytest.mark.parametrize(
    "given",
    [
        {"input_names": ["a", "b"]},
        {"input_names": [""]},
        {"output_names": ["x"]},
        {"output_names": [""]},
        {"output_names": "y"},
        {"output_names": ["a", "b"]},
        {"output_names": ["x", "x"]},
        {"dynamic": {"nothing": {0: "n"}}},
        {"dynamic": {"x": {7: "n"}}},
        {"dynamic": "yes"},
        {"opset": 3},
        {"target": "abacus"},
        {"kwargs": {"z": torch.ones(1)}},
    ],
    ids=str,
)
def test_a_wrong_call_is_a_usage_error(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        fxexport.export(halve, (torch.ones(2, 3),), verify=False, **given)


@pytest.mark.parametrize(
    "inputs", [(), (torch.ones(2), torch.ones(2)), {"y": torch.ones(2)}, {"x": 1, "y": 2}]
)
def test_wrong_inputs_are_a_usage_error(inputs: Any) -> None:
    with pytest.raises(UsageError):
        fxexport.export(halve, inputs, verify=False)


@pytest.mark.parametrize("value", ["text", object(), None, 3])
def test_an_input_that_the_model_cannot_use_is_the_models_error(value: Any) -> None:
    with pytest.raises(fxexport.ModelError, match="sum") as refusal:
        fxexport.export(halve, (value,), verify=False)
    assert refusal.value.location is not None
    assert refusal.value.location.line == line_of("if x.sum() > 0:  # halve")


@pytest.mark.parametrize("model", [3, "model.py", None, [nn.Linear(1, 1)]])
def test_what_is_no_model_is_a_usage_error(model: Any) -> None:
    with pytest.raises(UsageError):
        fxexport.export(model, (torch.ones(2),), verify=False)


def test_a_model_class_is_a_usage_error_that_says_to_make_one() -> None:
    with pytest.raises(UsageError, match="is the class Linear") as refusal:
        fxexport.export(Linear, (torch.ones(2, 4),), verify=False)
    assert "model = Linear(...)" in refusal.value.hint


def scaled(x: torch.Tensor, n: int, factor: float = 0.5, flip: bool = False) -> torch.Tensor:
    for _ in range(n):
        x = x * factor
    return -x if flip else x


def test_python_scalars_are_constants_when_nothing_is_dynamic() -> None:
    exported = fxexport.export(scaled, (torch.ones(2), 3, 0.25, True))
    assert names(exported.model.graph.input) == ["x"]
    said = {finding.message for finding in exported.report.of_kind("constant")}
    assert len(said) == 3
    assert any("n is 3" in text for text in said)


def test_python_scalars_are_inputs_when_dynamic() -> None:
    exported = fxexport.export(scaled, (torch.ones(2), 3, 0.25, True), dynamic=True)
    assert names(exported.model.graph.input) == ["x", "n", "factor", "flip"]
    types = {v.name: v.type.tensor_type.elem_type for v in exported.model.graph.input}
    assert (types["n"], types["factor"], types["flip"]) == (7, 11, 9)
    assert kinds(exported, "Loop") == 1
    assert kinds(exported, "If") == 1


def test_dynamic_python_scalars_agree_for_every_value() -> None:
    x = torch.tensor([1.0, -2.0])
    rows = [(x, n, f, b) for n in (3, 0, 1, 7) for f in (0.25, -2.0) for b in (True, False)]
    outcome = run_model(lambda: scaled, rows)
    assert outcome.status == "agree", outcome.details


def test_keyword_arguments_become_inputs() -> None:
    def add(x: torch.Tensor, *, bias: torch.Tensor) -> torch.Tensor:
        return x + bias

    exported = fxexport.export(add, (torch.ones(2),), kwargs={"bias": torch.ones(2)})
    assert names(exported.model.graph.input) == ["x", "bias"]


# -- what comes back ---------------------------------------------------------------------------


def test_exported_gives_model_graph_and_report() -> None:
    import onnx

    exported = fxexport.export(halve, (torch.ones(2, 3),), dynamic=True)
    onnx.checker.check_model(exported.model, full_check=True)
    assert "branch" in str(exported.graph)
    (result,) = exported.graph.run(torch.full((5, 1), -2.0))
    assert torch.equal(result, torch.full((5, 1), -3.0))
    assert exported.report.of_kind("branch")[0].location is not None
    assert [name for name, _ in exported.report.stages][:2] == ["inputs", "capture"]


@pytest.mark.parametrize("opset", [18, 20, 21])
def test_the_opset_can_be_chosen(opset: int) -> None:
    exported = fxexport.export(halve, (torch.ones(2, 3),), opset=opset)
    (version,) = (o.version for o in exported.model.opset_import if o.domain in ("", "ai.onnx"))
    assert version == opset == exported.report.opset


def test_verify_false_compares_nothing() -> None:
    exported = fxexport.export(halve, (torch.ones(2, 3),), verify=False)
    assert exported.report.verification is None
    assert exported.verify().ok
    assert exported.report.verification is not None


def test_check_inputs_are_compared_too() -> None:
    more = fxexport.export(
        halve, (torch.ones(2, 3),), check_inputs=[(-torch.ones(2, 3),), {"x": torch.zeros(2, 3)}]
    )
    assert more.report.verification is not None
    labels = [case.label for case in more.report.verification.cases]
    assert sum("check" in label for label in labels) == 2


def test_verify_takes_further_inputs() -> None:
    exported = fxexport.export(halve, (torch.ones(2, 3),), verify=False)
    found = exported.verify((-torch.ones(2, 3),))
    assert found.ok
    assert any("check" in case.label for case in found.cases)


def test_both_ways_of_a_branch_are_compared() -> None:
    exported = fxexport.export(halve, (torch.ones(2, 3),))
    assert exported.report.verification is not None
    assert exported.report.verification.uncovered == []
