"""Functions of matrices that hang on weights alone are computed at export."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import fxexport

pytest.importorskip("onnxruntime")


def exported(model: Any, *inputs: Tensor) -> Any:
    torch.manual_seed(0)
    return fxexport.export(model.eval(), inputs, dynamic=({0: "rows"},))


def kinds(file: Any) -> Counter[str]:
    return Counter(node.op_type for node in file.model.graph.node)


def folded(file: Any) -> int:
    return sum("weights alone" in found.message for found in file.report.findings)


@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("rows", [4, 6, 3])
def test_an_orthogonal_layer_is_a_product(orthogonal_map: str, rows: int) -> None:
    layer = parametrizations.orthogonal(nn.Linear(4, rows), orthogonal_map=orthogonal_map)
    file = exported(layer, torch.randn(3, 4))
    assert file.report.verification.ok
    assert kinds(file)["Gemm"] == 1
    assert not kinds(file).keys() & {"Loop", "MatMul", "Trilu"}
    assert folded(file)


class Mixed(nn.Module):
    """A function of a weight, one of an input, and one of both."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4) + 3 * torch.eye(4))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        both = torch.linalg.pinv(self.weight + x.mean())
        return x @ torch.linalg.pinv(self.weight) * 2, torch.linalg.pinv(x), both


def test_what_an_input_reaches_stays() -> None:
    file = exported(Mixed(), torch.randn(3, 4))
    assert file.report.verification.ok
    assert folded(file) == 1
    alone = kinds(exported(Alone(), torch.randn(3, 4)))["Loop"]
    assert kinds(file)["Loop"] == 2 * alone


class Alone(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.pinv(x)


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        q, r = torch.linalg.qr(self.weight)
        for row in x:
            if row.sum() > 0:
                x = x @ q
        return x @ r


def test_results_are_used_in_branches_and_loops() -> None:
    file = exported(Branching(), torch.randn(3, 4))
    assert file.report.verification.ok
    assert folded(file)
    assert kinds(file)["Loop"] == 1


class Singular(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x @ torch.linalg.inv(self.weight)


def test_a_weight_without_a_result_raises_when_the_file_runs() -> None:
    session = pytest.importorskip("onnxruntime").InferenceSession
    file = fxexport.export(Singular(), (torch.randn(2, 3),), verify=False)
    running = session(file.model.SerializeToString(), providers=["CPUExecutionProvider"])
    with pytest.raises(Exception, match="linalg"):
        running.run(None, {file.graph.inputs[0].name: torch.randn(2, 3).numpy()})


class Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return x @ torch.linalg.qr(self.weight + torch.rand_like(self.weight)).Q


def test_random_numbers_are_drawn_at_each_call() -> None:
    file = exported(Random(), torch.randn(3, 4))
    assert not folded(file)
    assert kinds(file)["RandomUniformLike"] == 1


def test_weights_without_values_are_left_alone() -> None:
    with torch.device("meta"):
        model = Branching()
    file = fxexport.export(model, (torch.randn(3, 4),), dynamic=({0: "rows"},), verify=False)
    assert not folded(file)
