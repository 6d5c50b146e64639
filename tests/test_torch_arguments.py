"""Arguments by the names that they have in `torch.onnx.export`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch

import fxexport
from fxexport.torch_arguments import taken

EXAMPLE = (torch.ones(2, 3),)


def doubled(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        x = x * 2
    return x


def export(**arguments: Any) -> fxexport.Exported:
    return fxexport.export(doubled, verify=False, **arguments)


def notes(exported: fxexport.Exported) -> list[str]:
    return [note.message for note in exported.report.of_kind("note")]


def test_a_call_of_pytorchs_exporter_is_one_of_this(tmp_path: Path) -> None:
    exported = export(
        args=EXAMPLE,
        f=tmp_path / "model.onnx",
        input_names=["in"],
        output_names=["out"],
        dynamic_axes={"in": {0: "batch size"}, "out": {0: "batch size"}},
        opset_version=17,
        training=torch.onnx.TrainingMode.EVAL,
        export_params=True,
        do_constant_folding=True,
    )
    assert (tmp_path / "model.onnx").exists()
    assert str(exported.report.inputs[0]["shape"][0]["name"]) == "batch_size"
    assert exported.model.opset_import[0].version == 18
    assert notes(exported) == [
        "opset 17 was asked for: the file has 18, the oldest",
        "do_constant_folding has no meaning here, and is left out",
    ]


def test_dynamic_shapes_are_dynamic() -> None:
    exported = export(args=EXAMPLE, dynamic_shapes=({0: torch.export.Dim("rows")},))
    assert exported.report.inputs[0]["shape"][0]["name"] == "rows"


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({0: "rows"}, []),
        ([0], []),
        ({1: "columns"}, ["dynamic names dimension 1 of 'y', which is always 3"]),
        ({2: "more"}, ["dynamic names dimension 2 of 'y', which has 2"]),
    ],
)
def test_an_output_that_dynamic_names_has_the_sizes_that_follow(axes: Any, told: list[str]) -> None:
    exported = export(inputs=EXAMPLE, dynamic={"x": {0: "rows"}, "y": axes}, output_names=["y"])
    assert notes(exported) == told


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dynamic_axis": {}}, "no argument 'dynamic_axis'"),
        ({"opset_version": 20, "opset": 20}, "opset_version says what opset says"),
        ({"dynamic_axes": {}, "dynamic_shapes": {}}, "dynamic_shapes says what dynamic says"),
        ({"f": io.BytesIO()}, "f: expected a path, got a BytesIO"),
        ({"export_params": False}, "export_params=False"),
        ({"keep_initializers_as_inputs": True}, "keep_initializers_as_inputs=True"),
        ({"training": torch.onnx.TrainingMode.TRAINING}, "training="),
        ({"custom_opsets": {"mine": 1}}, "custom_opsets="),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(fxexport.UsageError, match=message):
        export(**{"args": EXAMPLE, **given})


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(fxexport.UsageError) as caught:
        export(args=EXAMPLE, input_name=["x"])
    assert caught.value.hint == "did you mean 'input_names'?"


def test_what_changes_nothing_is_taken() -> None:
    given = {"training": None, "custom_opsets": {}, "export_modules_as_functions": False}
    assert taken(given, (), (), 18) == ({}, ())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("0", "dim_0"), ("b-1", "b_1"), ("batch size", "batch_size"), ("2n", "_2n"), ("n", "n")],
)
def test_any_name_of_a_dimension_is_taken(name: str, expected: str) -> None:
    exported = export(inputs=EXAMPLE, dynamic={"x": {0: name}})
    assert exported.report.inputs[0]["shape"][0]["name"] == expected
