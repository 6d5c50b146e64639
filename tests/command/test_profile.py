"""`fxexport profile`, the options that give shapes, and provider options for ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

import fxexport
from fxexport import Dim, Profile
from fxexport.command.main import main
from fxexport.files.profiles import read_profiles
from fxexport.profiles import parse_profiles

NET = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.work = torch.nn.Linear(64, 64)

    def forward(self, x):
        if x.shape[1] % 4 != 0:
            raise ValueError("a multiple of 4 is needed")
        return self.work(x)


example_inputs = (torch.ones(2, 8, 64),)
"""
DYNAMIC = "x:0=batch[1..4..8],1=length[4..64]"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.py, and net.onnx with weights of its own beside it."""
    folder = tmp_path_factory.mktemp("profiles")
    (folder / "net.py").write_text(NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["net.py", "--dynamic", DYNAMIC, "--external-data", "--no-verify", "-q"]) == 0
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder."""
    for file in exported.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


Says = Callable[[], tuple[str, str]]


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str]) -> Says:
    return lambda: tuple(capsys.readouterr())  # type: ignore[return-value]


ORIGINAL = Profile({"x": ((1, 4, 64), (4, 8, 64), (8, 64, 64))})


@pytest.mark.parametrize("form", ["trtexec", "polygraphy", "ort", "mmdeploy", "json"])
def test_profiles_are_printed_ready_to_paste(folder: Path, says: Says, form: str) -> None:
    assert main(["profile", "net.onnx", "--as", form]) == 0
    out, _ = says()
    assert parse_profiles(out) == [ORIGINAL]
    # ... and what is printed can be given back.
    assert main(["profile", "net.onnx", "-q", "--set", out]) == 0
    assert read_profiles("net.onnx").profiles == [ORIGINAL]


def test_a_file_tells_of_its_inputs_profiles_and_relations(folder: Path, says: Says) -> None:
    assert main(["profile", "net.onnx"]) == 0
    out, _ = says()
    for text in ("batch: 1..8", "1x4x64  4x8x64  8x64x64", "length % 4 == 0  net.py:11"):
        assert text in out


SMALLER = Profile({"x": ((1, 4, 64), (2, 16, 64), (4, 32, 64))})


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "batch[1..2..4],length[4..16..32]"],
        ["--set", "x:0=[1..2..4],1=[4..16..32]"],
        ["--set", "x:0=[1..2..4],1=[4..16..32],2=[64..64]"],
        ["--set", "--minShapes=x:1x4x64", "--optShapes=x:2x16x64", "--maxShapes=x:4x32x64"],
        ["--set", "--minShapes=x:1x4x64 --optShapes=x:2x16x64 --maxShapes=x:4x32x64"],
        ["--trt-min-shapes", "x:[1,4,64]", "--trt-opt-shapes", "x:[2,16,64]", "--set",
         "--trt-max-shapes", "x:[4,32,64]"],
        ["--set", "smaller.json"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("file_first", [True, False])
def test_profiles_are_replaced(folder: Path, words: list[str], file_first: bool) -> None:
    (folder / "smaller.json").write_text(json.dumps({"profiles": [SMALLER.to_dict()]}))
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    line = ["net.onnx", *words] if file_first else [*words, "net.onnx"]
    assert main(["profile", *line]) == 0
    stored = read_profiles("net.onnx")
    assert stored.profiles == [SMALLER]
    assert (folder / "net.profiles.json").read_text() == stored.to_text()
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"net.onnx", "net.profiles.json"}
    assert set(after) == set(before)
    onnx.checker.check_model("net.onnx")


def test_a_dimension_that_set_leaves_out_keeps_its_range(folder: Path) -> None:
    assert main(["profile", "net.onnx", "-q", "--set", "batch[1..2..4]"]) == 0
    assert read_profiles("net.onnx").profiles[0].shapes["x"].max == (4, 64, 64)


def test_several_profiles(folder: Path, says: Says) -> None:
    assert main(["profile", "net.onnx", "--set", "batch[1..2]", "--set", "batch[4..8]"]) == 0
    assert len(read_profiles("net.onnx").profiles) == 2
    assert main(["profile", "net.onnx", "--as", "trtexec"]) == 0
    assert "--profile=1 --minShapes=x:4x4x64" in says()[0]


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        (["--set", "batch[1..9]"], "goes from 1 to 9, but the model was exported for 1..8"),
        (["--set", "length[5..64]"], "needs length % 4 == 0, and the profile breaks that at min"),
        (["--set", "width[1..9]"], "no dimension 'width'"),
        (["--set", "y:0=[1..9]"], "there is no such input"),
        (["--set", "x:2=[1..9]"], "axis 2 of x: float32[batch, length, 64] is fixed"),
        (["--set", "x:7=[1..9]"], "has no axis '7'"),
        (["--set", "x:0=other[1..8]"], "is called 'batch' in the file"),
        (["--set", "batch[1..]"], "'batch[1..]' has no largest size"),
        (["--set", "batch[1..a..8]"], "batch[1..a..8]"),
        (["--set", "--optShapes=x:1x4"], "2 sizes were given"),
        (["--set", "--optShapes=y:1x4x64"], "names 'y', and there is no such input"),
        (["--set", "nonsense"], "'nonsense'"),
        (["--set"], "expected profiles"),
        (["--optShapes=x:1x4x64"], "is it to replace"),
        (["--as", "yaml"], "'yaml'"),
        (["--bogus"], "--bogus"),
    ],
    ids=str,
)
def test_what_is_wrong_is_quoted_and_changes_nothing(
    folder: Path, says: Says, arguments: list[str], quoted: str
) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert main(["profile", "net.onnx", *arguments]) == 2
    assert quoted in says()[1]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize("file", ["missing.onnx", "net.py", "empty.onnx", "."])
def test_what_is_no_onnx_file(folder: Path, says: Says, file: str) -> None:
    (folder / "empty.onnx").write_bytes(b"")
    assert main(["profile", file]) == 2
    assert file in says()[1]


def test_a_write_that_fails_changes_nothing(
    folder: Path, says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    moves: list[Any] = []
    real = __import__("os").replace

    def full(source: Any, target: Any) -> None:
        moves.append(target)
        if len(moves) == 2:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr("os.replace", full)
    assert main(["profile", "net.onnx", "--set", "batch[1..2]"]) == 2
    assert "No space left" in says()[1]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_file_of_another_exporter(tmp_path: Path, says: Says) -> None:
    path = str(tmp_path / "other.onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, None])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3, None])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [out])), path)
    assert main(["profile", path, "--as", "trtexec"]) == 2
    assert "n, x_d2 have no largest size" in says()[1]
    assert main(["profile", path, "-q", "--set", "n[1..2..4],x_d2[8..8]"]) == 0
    assert read_profiles(path).profiles == [Profile({"x": ((1, 3, 8), (2, 3, 8), (4, 3, 8))})]


def test_metadata_that_cannot_be_read(folder: Path, says: Says) -> None:
    model = onnx.load("net.onnx", load_external_data=False)
    (kept,) = (one for one in model.metadata_props if one.key == "pkg.fxexport.profiles")
    for text, quoted in (("{}", "cannot be read"), ('{"version": 99}', "newer fxexport")):
        kept.value = text
        (folder / "net.onnx").write_bytes(model.SerializeToString())
        assert main(["profile", "net.onnx"]) == 2
        assert quoted in says()[1]


# -- the export's own options ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "--minShapes=x:1x4x64 --optShapes=x:2x16x64 --maxShapes=x:4x32x64",
        "--trt-min-shapes x:[1,4,64] --trt-opt-shapes x:[2,16,64] --trt-max-shapes x:[4,32,64]",
        "--dynamic x:0=b[1..2..4],1=l[4..16..32]",
    ],
)
def test_options_of_the_export(folder: Path, words: str) -> None:
    assert main([*words.split(), "net.py", "-q", "-o", "new.onnx", "--no-verify"]) == 0
    assert read_profiles("new.onnx").profiles == [SMALLER]


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        ("--minShapes=x:1x4x64", "'x' has no max shape"),
        ("--optShapes=x:1xA", "'x:1xA'"),
        ("--optShapes", "--optShapes needs a value"),
        ("--profile=a --optShapes=x:2x8x64", "'a'"),
        ("--dynamic x:0=b[4..2..8]", "--dynamic 'x:0=b[4..2..8]'"),
    ],
)
def test_options_that_are_wrong(folder: Path, says: Says, words: str, quoted: str) -> None:
    assert main(["net.py", *words.split()]) == 2
    assert quoted in says()[1]


def test_a_model_called_like_a_command(folder: Path) -> None:
    (folder / "profile").write_text(NET)
    (folder / "profile.py").write_text(NET)
    assert main(["./profile.py", "-q", "--no-verify"]) == 0
    assert main(["profile.py", "-q", "--no-verify"]) == 0


def test_the_report_tells_of_profiles(folder: Path, says: Says) -> None:
    assert main(["net.py", "--dynamic", DYNAMIC, "--report", "json"]) == 0
    data = json.loads(says()[0])
    assert data["profiles"] == [ORIGINAL.to_dict()]
    assert data["no_profile"] == ""
    labels = [case["label"] for case in data["verification"]["cases"]]
    assert "profile max: batch=8, length=64" in labels
    assert main(["net.py", "--dynamic", "x:0=batch[1..8],1=length", "--no-verify"]) == 0
    assert "length has no largest size" in says()[0]


# -- ONNX Runtime ----------------------------------------------------------------------------------


def test_provider_options(folder: Path) -> None:
    expected = {
        "trt_profile_min_shapes": "x:1x4x64",
        "trt_profile_opt_shapes": "x:4x8x64",
        "trt_profile_max_shapes": "x:8x64x64",
    }
    options = fxexport.provider_options("net.onnx")
    assert list(options) == ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
    assert options["TensorrtExecutionProvider"] == expected
    assert options["CUDAExecutionProvider"] == {"cudnn_conv_algo_search": "HEURISTIC"}
    rtx = fxexport.provider_options("net.onnx", ["NvTensorRTRTXExecutionProvider"])
    assert list(rtx["NvTensorRTRTXExecutionProvider"]) == [
        key.replace("trt_", "nv_") for key in expected
    ]
    with pytest.raises(fxexport.UsageError, match="'ROCM'"):
        fxexport.provider_options("net.onnx", ["ROCM"])


def test_provider_options_of_an_export() -> None:
    x = torch.ones(2, 3)
    exported = fxexport.export(
        lambda x: x * 2, (x,), dynamic={"x": {0: Dim("b", 1, 4)}}, verify=False
    )
    tensorrt = exported.provider_options()["TensorrtExecutionProvider"]
    assert tensorrt["trt_profile_max_shapes"] == "x:4x3"
    fixed = fxexport.export(lambda x: x * 2, (x,), verify=False).provider_options()
    assert fixed["TensorrtExecutionProvider"] == {}
    assert fixed["CUDAExecutionProvider"] == {"cudnn_conv_algo_search": "EXHAUSTIVE"}


def test_a_range_of_one_size_on_the_command_line_is_a_fixed_size(folder: Path) -> None:
    dynamic = "x:0=batch[1..8],1=length[4..64],2=wide[64..64]"
    assert main(["net.py", "--dynamic", dynamic, "-o", "fixed.onnx", "--no-verify", "-q"]) == 0
    (stored,) = read_profiles("fixed.onnx").profiles
    assert [stored.shapes["x"].min[2], stored.shapes["x"].max[2]] == [64, 64]
    shape = onnx.load("fixed.onnx").graph.input[0].type.tensor_type.shape
    assert shape.dim[2].dim_value == 64
