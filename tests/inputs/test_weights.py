"""Models whose weights have no values are refused at once, or exported without weights."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import fxexport
from fxexport.file_keys import WEIGHTS

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


class Mixed(nn.Module):
    """Weights of several kinds: tied ones, small and large, a buffer that is in no checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 300)
        self.norm = nn.BatchNorm1d(300)
        self.embedding = nn.Embedding(10, 300)
        self.tied = self.embedding.weight
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("places", torch.arange(300.0), persistent=False)

    def forward(self, x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.linear(x)).relu() + self.embedding(i)
        if y.sum() > 0:
            y = y * self.scale + self.places
        return y @ self.tied.t()


MIXED = (torch.randn(3, 4), torch.tensor([1, 2, 3]))


def mixed(kind: str) -> nn.Module:
    if kind == "meta":
        with torch.device("meta"):
            return Mixed().eval()
    with FakeTensorMode() if kind == "fake" else contextlib.nullcontext():
        return Mixed().eval()


def outside(path: Path) -> list[str]:
    """The initializers that a file refers to a data file for."""
    proto = onnx.load(path, load_external_data=False)
    found = proto.graph.initializer
    return [each.name for each in found if each.data_location == onnx.TensorProto.EXTERNAL]


@pytest.mark.parametrize("kind", ["meta", "fake", "real"])
def test_a_file_without_weights_takes_them_where_it_is_loaded(kind: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    exported = fxexport.export(mixed(kind), MIXED, path, dynamic=True, weights="none")
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]
    verification = exported.report.verification
    assert verification is not None
    assert verification.ran == (kind == "real")
    assert verification.ok or verification.message == "its weights have no values"
    model = mixed("real")
    names = outside(path)
    assert set(names) >= {"linear.weight", "norm.running_var", "scale"}
    assert ("places" in names) == (kind != "real")  # no checkpoint has it
    options = onnxruntime.SessionOptions()
    tensors = {**model.state_dict(), "places": model.places}
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(tensors[name].numpy()) for name in names]
    options.add_external_initializers(names, values)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for x, i in (MIXED, (-MIXED[0][:2], MIXED[1][:2])):
        (got,) = session.run(None, {"x": x.numpy(), "i": i.numpy()})
        torch.testing.assert_close(
            torch.from_numpy(got), model(x, i).detach(), rtol=1e-4, atol=1e-4
        )


def test_a_data_file_that_is_written_afterwards_fits(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    fxexport.export(mixed("meta"), MIXED, path, weights="none")
    model = mixed("real")
    tensors = {**model.state_dict(), "places": model.places}
    with open(tmp_path / "model.onnx.data", "wb") as file:
        for each in onnx.load(path, load_external_data=False).graph.initializer:
            entry = {item.key: item.value for item in each.external_data}
            if entry:
                assert entry["location"] == "model.onnx.data"
                file.seek(int(entry["offset"]))
                file.write(tensors[each.name].numpy().tobytes())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"x": MIXED[0].numpy(), "i": MIXED[1].numpy()})
    wanted = model(*MIXED).detach()
    torch.testing.assert_close(torch.from_numpy(got), wanted, rtol=1e-4, atol=1e-4)


def test_a_file_without_weights_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    exported = fxexport.export(mixed("meta"), MIXED, path, weights="none")
    (note,) = (
        found for found in exported.report.of_kind("note") if "not in the file" in found.message
    )
    assert note.message.startswith(f"{len(outside(path))} weights")
    (said,) = (item for item in exported.model.metadata_props if item.key == WEIGHTS)
    assert json.loads(said.value)["left_out"] == outside(path)


def test_an_older_data_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.with_name("model.onnx.data").write_bytes(b"weights of a day's training")
    fxexport.export(mixed("meta"), MIXED, path, weights="none")
    assert path.with_name("model.onnx.data").read_bytes() == b"weights of a day's training"


def test_state_without_values_has_no_file(tmp_path: Path) -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("steps", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.steps += 1
            return x * self.steps

    with torch.device("meta"):
        model = Counts()
    exported = fxexport.export(model, (X,), tmp_path / "m.onnx", weights="none", state="io")
    assert [spec.name for spec in exported.graph.inputs] == ["x", "state.steps"]
    assert [each.name for each in tmp_path.iterdir()] == ["m.onnx"]


def test_weights_go_beside_the_file(tmp_path: Path) -> None:
    fxexport.export(mixed("real"), MIXED, tmp_path / "m.onnx", weights="external")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": "no"}, "weights must be one of 'file', 'external', 'none'"),
        ({"weights": "none", "external_data": True}, "exclude each other"),
        ({"weights": "external", "external_data": False}, "exclude each other"),
    ],
)
def test_wrong_places_for_weights_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(fxexport.UsageError, match=words):
        fxexport.export(nn.Linear(4, 4), (X,), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("opset", ["18", 18.5, True, 3])
def test_an_opset_is_a_whole_number(opset: object) -> None:
    with pytest.raises(fxexport.UsageError, match="opset"):
        fxexport.export(nn.Linear(4, 4), (X,), opset=opset, verify=False)  # type: ignore[arg-type]
