"""What is returned and is not alike on all paths: its outputs, their names, and strict outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import pytest
import torch

import fxexport
import fxexport.tensorrt
from fxexport.errors import UnsupportedError, UsageError

X = torch.tensor([[1.0, 2.0], [3.0, -4.0]])


def int_or_float(x: torch.Tensor) -> Any:
    return x, 1 if x.sum() > 0 else 2.5


def tensor_or_none(x: torch.Tensor) -> Any:
    return x, x.sum(0) if x.sum() > 0 else None


def other_rank(x: torch.Tensor) -> Any:
    return x if x.sum() > 0 else x.sum(0)


def other_dtype(x: torch.Tensor) -> Any:
    return x if x.sum() > 0 else x > 0


def key_on_a_path(x: torch.Tensor) -> Any:
    out = {"x": x}
    if x.sum() > 0:
        out["more"] = x.sum(0)
    return out


def other_length(x: torch.Tensor) -> Any:
    return (x, x.sum(0)) if x.sum() > 0 else (x, x.sum(0), x.sum())


def text_of_a_path(x: torch.Tensor) -> Any:
    return x, "high" if x.sum() > 0 else "low"


def text_of_a_size(x: torch.Tensor) -> Any:
    return x, f"{x.shape[0]} rows"


UNLIKE = [int_or_float, tensor_or_none, other_rank, other_dtype, key_on_a_path, other_length]


@pytest.mark.parametrize("model", [*UNLIKE, text_of_a_path], ids=lambda model: model.__name__)
def test_strict_outputs_refuse_what_is_not_alike_by_its_line(model: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="outputs are strict") as caught:
        fxexport.export(model, (X,), outputs="strict", verify=False)
    first = model.__code__.co_firstlineno
    assert caught.value.location is not None
    assert first < caught.value.location.line <= first + 4


def test_strict_outputs_take_what_is_alike() -> None:
    def model(x: torch.Tensor) -> Any:
        y = x.relu() if x.sum() > 0 else x * 2
        return {"y": y, "n": x.shape[0], "text": "constant", "nothing": None}

    exported = fxexport.export(model, (X,), dynamic=True, outputs="strict")
    assert [spec.name for spec in exported.graph.outputs] == ["y", "n"]


def test_outputs_is_one_of_two_words() -> None:
    with pytest.raises(UsageError, match="outputs must be one of 'merge', 'strict', got 'none'"):
        fxexport.export(text_of_a_path, (X,), outputs="none")


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (tensor_or_none, ["output_0", "output_1", "output_1.present"]),
        (key_on_a_path, ["x_1", "more", "more.present"]),
        (other_length, ["output_0", "output_1", "output_2", "output_2.present"]),
        (text_of_a_path, ["output_0", "output_1"]),
    ],
)
def test_what_may_be_missing_has_a_flag_beside_it(
    model: Callable[..., Any], names: list[str]
) -> None:
    exported = fxexport.export(model, (X,))
    assert [spec.name for spec in exported.graph.outputs] == names


@pytest.mark.parametrize("model", [text_of_a_path, text_of_a_size])
def test_returned_text_is_a_tensor_of_strings_that_is_verified(model: Callable[..., Any]) -> None:
    exported = fxexport.export(model, (X,), dynamic=True)
    assert exported.report.verification is not None
    (_, text) = exported.model.graph.output
    assert text.type.tensor_type.elem_type == onnx.TensorProto.STRING
    assert list(text.type.tensor_type.shape.dim) == []
    _, eager = exported.graph.run(-X)
    assert eager == model(-X)[1]


def test_a_wrong_text_is_a_difference() -> None:
    from fxexport.graph import OutputSpec
    from fxexport.verify.compare import compare_outputs

    spec = OutputSpec("y", "text")
    (same,) = compare_outputs([spec], ["a"], ["a"], None, 1.0)
    (other,) = compare_outputs([spec], ["a"], ["b"], None, 1.0)
    assert same.ok
    assert not other.ok
    assert other.message == "PyTorch gives 'a', the file 'b'"


def test_text_that_is_put_together_needs_an_opset_that_can() -> None:
    with pytest.raises(UnsupportedError, match="no operator before opset 20") as caught:
        fxexport.export(text_of_a_size, (X,), dynamic=True, opset=18)
    assert caught.value.location is not None


@pytest.mark.parametrize("model", [text_of_a_path, text_of_a_size])
def test_returned_text_is_refused_for_tensorrt_by_its_line(model: Callable[..., Any]) -> None:
    with pytest.raises(fxexport.tensorrt.RefusedError, match="TensorRT has no text") as caught:
        fxexport.export(model, (X,), dynamic=True, target="tensorrt", verify=False)
    assert caught.value.location is not None
    assert caught.value.location.line == model.__code__.co_firstlineno + 1
