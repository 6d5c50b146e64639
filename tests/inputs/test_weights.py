"""Models whose weights have no values are refused before anything else is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import fxexport

X = torch.ones(3, 4)


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return nn.Linear(4, 4)


def fake() -> nn.Module:
    with FakeTensorMode():
        return nn.Linear(4, 4)


class Sparse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.eye(4).to_sparse())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.table


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.LazyLinear(5), "lazy"),
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.LazyBatchNorm1d()), "'1.weight'.*lazy"),
        (on_meta, "meta"),
        (fake, "fake"),
        (Sparse, "layout"),
    ],
)
def test_weights_without_values_are_refused(make: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(fxexport.UsageError, match=words):
        fxexport.export(make(), (X,))


def test_the_graph_of_a_model_on_meta_can_be_had_but_no_file(tmp_path: Path) -> None:
    exported = fxexport.export(on_meta(), (X,), verify=False)
    assert exported.graph.outputs
    with pytest.raises(fxexport.FxExportError, match="'weight' is on the device 'meta'"):
        exported.save(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("opset", ["18", 18.5, True, 3])
def test_an_opset_is_a_whole_number(opset: object) -> None:
    with pytest.raises(fxexport.UsageError, match="opset"):
        fxexport.export(nn.Linear(4, 4), (X,), opset=opset, verify=False)  # type: ignore[arg-type]
