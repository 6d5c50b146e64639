"""What an export leaves on disk: a whole file or none, and what stands in it."""

from __future__ import annotations

import itertools
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

import fxexport
from fxexport import register_lowering

X = (torch.ones(2, 4),)
HERE = __file__


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.scale: torch.Tensor
        self.register_buffer("scale", torch.full((4,), 2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        if x.sum() > 0:  # the branch
            x = x * self.scale
        for row in x:  # the loop
            x = x + row.relu()
        return x


class Refused(Net):
    def forward(self, x: torch.Tensor) -> Any:
        x = super().forward(x)
        return torch.from_numpy(x.numpy() * 2)


def make() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def line_of(text: str) -> int:
    lines = Path(HERE).read_text().splitlines()
    (line,) = (k for k, code in enumerate(lines, 1) if text in code and "line_of" not in code)
    return line


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from all_nodes(attribute.g)


# -- whole or not at all -----------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["no older file", "an older file"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param:
        (tmp_path / "model.onnx").write_bytes(b"an older model")
    return tmp_path


@pytest.mark.parametrize("verify", [False, True])
def test_an_export_leaves_one_file(folder: Path, verify: bool) -> None:
    exported = fxexport.export(make(), X, folder / "model.onnx", verify=verify)
    assert list(files(folder)) == ["model.onnx"]
    assert exported.report.path == str(folder / "model.onnx")
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)


def test_the_file_runs_in_plain_onnx_runtime(tmp_path: Path) -> None:
    import onnxruntime  # type: ignore[import-untyped]

    path = tmp_path / "model.onnx"
    fxexport.export(make(), X, path, dynamic=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for rows in (0, 1, 5):
        x = torch.randn(rows, 4)
        (result,) = session.run(None, {"x": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(result), make()(x).detach())


def test_a_refused_export_changes_nothing(folder: Path) -> None:
    before = files(folder)
    with pytest.raises(fxexport.UnsupportedError):
        fxexport.export(Refused(), X, folder / "model.onnx", dynamic=True)
    assert files(folder) == before


def interrupt(*args: Any, **kwargs: Any) -> Any:
    signal.raise_signal(signal.SIGINT)
    raise AssertionError("not reached")


def during_capture(monkeypatch: pytest.MonkeyPatch) -> Net:
    model = make()
    model.layers[1].register_forward_pre_hook(interrupt)
    return model


def during(module: str, name: str, call: int = 1) -> Callable[[pytest.MonkeyPatch], Net]:
    """An interrupt at the n-th call of a function."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> Net:
        home = sys.modules[module]
        original = getattr(home, name)
        calls = itertools.count(1)

        def counted(*args: Any, **kwargs: Any) -> Any:
            return (interrupt if next(calls) == call else original)(*args, **kwargs)

        monkeypatch.setattr(home, name, counted)
        return make()

    return patch


MOMENTS = {
    "capture": during_capture,
    "lowering": during("fxexport.pipeline", "lower"),
    "writing": during("fxexport.files.model", "_copy_bytes"),
    "verification": during("fxexport.exported", "verify"),
    "the first renaming": during("os", "replace"),
    "the second renaming": during("os", "replace", 2),
    "the third renaming": during("os", "replace", 3),
}


@pytest.mark.parametrize("external", [None, True])
@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str, external: bool | None
) -> None:
    before = files(folder)
    big = nn.Linear(32, 32)  # large enough for a place of its own in the file
    with monkeypatch.context() as patches:
        model = MOMENTS[moment](patches)
        model.add_module("big", big)
        if (moment, external) == ("the third renaming", None):
            pytest.skip("one file is renamed twice only")
        with pytest.raises(KeyboardInterrupt):
            fxexport.export(
                lambda x: model(x) + big.weight.sum(),
                X,
                folder / "model.onnx",
                external_data=external,
            )
    assert files(folder) == before


def full(*args: Any, **kwargs: Any) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("place", ["fxexport.files.model._write_message", "os.replace"])
def test_a_full_disk_changes_nothing_and_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    before = files(folder)
    with monkeypatch.context() as patches:
        patches.setattr(place, full)
        with pytest.raises(fxexport.OutputError, match="No space left"):
            fxexport.export(make(), X, folder / "model.onnx")
    assert files(folder) == before


@pytest.mark.parametrize("name", ["nowhere/model.onnx", "."])
def test_a_path_that_cannot_be_written_is_refused_before_the_capture(
    tmp_path: Path, name: str
) -> None:
    model = make()
    model.register_forward_pre_hook(interrupt)
    with pytest.raises(fxexport.OutputError):
        fxexport.export(model, X, tmp_path / name)
    assert files(tmp_path) == {}


# -- what stands beside the model --------------------------------------------------------------


class Counting(nn.Module):
    """Keeps state from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self.total = torch.zeros(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.total = self.total + x.sum(0)
        return self.total


RANGED = {"x": {0: fxexport.Dim("n", 1, 8)}}
COMPANIONS = ("model.profiles.json", "model.state.npz")


def export_counting(path: Path, **options: Any) -> fxexport.Exported:
    return fxexport.export(Counting(), X, path, dynamic=RANGED, state="io", **options)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("external", [None, True])
def test_profiles_and_state_appear_with_the_model(
    tmp_path: Path, verify: bool, external: bool | None
) -> None:
    export_counting(tmp_path / "model.onnx", verify=verify, external_data=external)
    assert set(files(tmp_path)) == {"model.onnx", *COMPANIONS}


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("companion", COMPANIONS)
def test_a_companion_that_cannot_be_written_keeps_the_model_away(
    folder: Path, companion: str, verify: bool
) -> None:
    (folder / companion).unlink(missing_ok=True)
    (folder / companion).mkdir()
    before = {path.name for path in folder.iterdir()}
    old = (folder / "model.onnx").read_bytes() if "model.onnx" in before else None
    with pytest.raises(fxexport.OutputError, match="it is a folder"):
        export_counting(folder / "model.onnx", verify=verify)
    assert {path.name for path in folder.iterdir()} == before
    assert old is None or (folder / "model.onnx").read_bytes() == old


@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("verify", [True, False])
def test_a_renaming_that_fails_leaves_all_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int, verify: bool
) -> None:
    path = tmp_path / "model.onnx"
    export_counting(path)
    before = files(tmp_path)
    with monkeypatch.context() as patches:
        during("os", "replace", call + 3 * verify)(patches)
        with pytest.raises(KeyboardInterrupt):
            export_counting(path, verify=verify)
    assert files(tmp_path) == before


def test_save_writes_what_stands_beside_the_model(tmp_path: Path) -> None:
    exported = fxexport.export(Counting(), X, dynamic=RANGED, state="io")
    exported.save(tmp_path / "model.onnx")
    assert set(files(tmp_path)) == {"model.onnx", *COMPANIONS}


@pytest.mark.parametrize("verify", [True, False])
def test_companions_of_an_older_model_go_away_and_files_of_others_stay(
    tmp_path: Path, verify: bool
) -> None:
    path = tmp_path / "model.onnx"
    export_counting(path)
    fxexport.export(make(), X, path, verify=verify)
    assert set(files(tmp_path)) == {"model.onnx"}
    others = {"model.profiles.json": b"[]", "model.state.npz": b"my own"}
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    fxexport.export(make(), X, path, verify=verify)
    assert {name: files(tmp_path)[name] for name in others} == others


# -- a file that does not agree ----------------------------------------------------------------


def test_a_wrong_file_is_kept_aside_and_the_older_one_stays(folder: Path) -> None:
    before = files(folder)
    with (
        register_lowering("aten::relu", lambda op, x: op.Neg(x)),
        pytest.raises(fxexport.VerificationError, match=r"model\.unverified\.onnx") as disagreement,
    ):
        fxexport.export(make(), X, folder / "model.onnx")
    after = files(folder)
    assert after.pop("model.unverified.onnx")
    assert after == before
    error = disagreement.value
    assert error.exit_code == 3
    assert error.exported is not None
    verification = error.exported.report.verification
    assert verification is not None and verification.ran and not verification.ok
    assert error.exported.report.path.endswith("model.unverified.onnx")


def test_the_first_difference_is_told_with_the_users_line() -> None:
    with (
        register_lowering("aten::relu", lambda op, x: op.Neg(x)),
        pytest.raises(fxexport.VerificationError) as disagreement,
    ):
        fxexport.export(make(), X)
    location = disagreement.value.location
    assert location is not None
    assert location.line in (line_of("# the loop"), line_of("row.relu()"))


def test_a_good_export_after_a_wrong_one_replaces_only_its_own_file(tmp_path: Path) -> None:
    with (
        register_lowering("aten::relu", lambda op, x: op.Neg(x)),
        pytest.raises(fxexport.VerificationError),
    ):
        fxexport.export(make(), X, tmp_path / "model.onnx")
    fxexport.export(make(), X, tmp_path / "model.onnx")
    onnx.checker.check_model(str(tmp_path / "model.onnx"))


# -- data files --------------------------------------------------------------------------------


def test_weights_go_beside_the_model_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = nn.Linear(32, 32)
    fxexport.export(model, (torch.ones(1, 32),), path, external_data=True)
    assert set(files(tmp_path)) == {"model.onnx", "model.onnx.data"}
    weight = next(t for t in onnx.load(path).graph.initializer if t.name == "weight")
    expected = model.weight.detach()
    torch.testing.assert_close(torch.tensor(onnx.numpy_helper.to_array(weight)), expected)


def test_weights_beyond_the_limit_go_beside_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import inspect

    import fxexport.files.model as writing

    defaults = inspect.signature(writing.write_model).parameters
    assert defaults["limit"].default == writing.SINGLE_FILE_LIMIT < 2**31
    small = {**(writing.write_model.__kwdefaults__ or {}), "limit": 4000}
    monkeypatch.setattr(writing.write_model, "__kwdefaults__", small)
    for size, expected in ((16, {"a.onnx"}), (64, {"a.onnx", "b.onnx", "b.onnx.data"})):
        path = tmp_path / ("a.onnx" if size == 16 else "b.onnx")
        fxexport.export(nn.Linear(size, size), (torch.ones(1, size),), path)
        assert set(files(tmp_path)) == expected


def test_save_writes_the_same_file_as_the_export(tmp_path: Path) -> None:
    exported = fxexport.export(make(), X, tmp_path / "a.onnx")
    exported.save(tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


# -- what stands in the file -------------------------------------------------------------------


def metadata(node: onnx.NodeProto) -> dict[str, str]:
    return {prop.key: prop.value for prop in node.metadata_props}


def test_every_node_names_the_users_file_and_line() -> None:
    model = fxexport.export(make(), X, dynamic=True).model
    nodes = list(all_nodes(model.graph))
    assert {"If", "Loop"} <= {node.op_type for node in nodes}
    for node in nodes:
        trace = metadata(node).get("pkg.torch.onnx.stack_trace", "")
        assert f"{HERE}:" in trace, (node.op_type, node.name, metadata(node))
    lines = {
        node.op_type: re.search(rf"{re.escape(HERE)}:(\d+)", str(metadata(node)))
        for node in nodes
        if node.op_type in ("If", "Loop", "Relu")
    }
    found = {kind: int(match[1]) for kind, match in lines.items() if match}
    assert found == {
        "If": line_of("# the branch"),
        "Loop": line_of("# the loop"),
        "Relu": line_of("row.relu()"),
    }


def test_nodes_inside_a_module_name_it() -> None:
    model = fxexport.export(make(), X).model
    linear = [node for node in all_nodes(model.graph) if node.op_type in ("Gemm", "MatMul")]
    assert len(linear) == 2
    said = [" ".join(metadata(node).values()) for node in linear]
    assert all(f"layers.{k}" in text for k, text in enumerate(said)), said


def test_weights_keep_their_names() -> None:
    model = fxexport.export(make(), X).model
    names = {tensor.name for tensor in model.graph.initializer}
    assert {"layers.0.weight", "layers.1.bias", "scale"} <= names


def test_branches_and_loops_have_readable_names() -> None:
    model = fxexport.export(make(), X, dynamic=True).model
    names = {node.op_type: node.name for node in model.graph.node}
    assert names["If"] == f"forward_L{line_of('# the branch')}_if"
    assert names["Loop"] == f"forward_L{line_of('# the loop')}_loop"


def test_names_are_unique_over_all_graphs() -> None:
    model = fxexport.export(make(), X, dynamic=True).model
    nodes = list(all_nodes(model.graph))
    outputs = [name for node in nodes for name in node.output if name]
    assert len(outputs) == len(set(outputs))
    named = [node.name for node in nodes]
    assert len(named) == len(set(named))
