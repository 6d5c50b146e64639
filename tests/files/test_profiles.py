"""Files that were moved, changed by others, or made by others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import onnx.parser
import pytest
import torch

import fxexport
import fxexport.tensorrt
from fxexport.command.main import main
from fxexport.errors import UsageError
from fxexport.file_keys import PROFILES
from fxexport.files.profiles import read_profiles


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.onnx and its weights beside it."""
    folder = tmp_path_factory.mktemp("made")
    torch.manual_seed(0)
    fxexport.export(
        torch.nn.Linear(64, 64),
        (torch.ones(2, 64),),
        folder / "model.onnx",
        dynamic={"input": {0: fxexport.Dim("b", 1, 8, 4)}},
        external_data=True,
        verify=False,
    )
    return folder


def _with_metadata(folder: Path, change: Callable[[str], str], to: Path) -> Path:
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    (entry,) = [entry for entry in model.metadata_props if entry.key == PROFILES]
    entry.value = change(entry.value)
    to.write_bytes(model.SerializeToString())
    shutil.copy(folder / "model.onnx.data", to.parent)
    return to


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "garbage", "cannot be read"),
        (lambda text: "{}", "no 'version'"),
        (lambda text: "null", "cannot be read"),
        (lambda text: text.replace('"float32"', "3"), "3 is no dtype"),
        (lambda text: text.replace('"version": 1', '"version": 99'), "a newer fxexport"),
        (lambda text: text.replace('"input"', '"x"'), "was changed after it was exported"),
        (lambda text: text.replace("64", "32"), r"know input: float32\[b, 32\]"),
        (
            lambda text: '{"version": 1, "profiles": [], "inputs": {}, "relations": []}',
            "know no input",
        ),
    ],
)
def test_metadata_that_disagrees_with_the_file_is_refused(
    made: Path, tmp_path: Path, change: Callable[[str], str], said: str
) -> None:
    path = _with_metadata(made, change, tmp_path / "model.onnx")
    for call in (read_profiles, fxexport.provider_options, fxexport.tensorrt.build):
        with pytest.raises(UsageError, match=said):
            call(path)
    assert main(["profile", str(path)]) == main(["check", str(path), "--no-build"]) == 2


def test_profiles_beyond_what_the_file_was_made_for_are_not_built(
    made: Path, tmp_path: Path
) -> None:
    path = _with_metadata(
        made, lambda text: text.replace("[8, 64]", "[9, 64]"), tmp_path / "m.onnx"
    )
    with pytest.raises(UsageError, match=r"from 1 to 9, but the model was exported for 1\.\.8"):
        fxexport.tensorrt.build(path)


@pytest.mark.parametrize("data", [None, b"short"], ids=["missing", "cut off"])
def test_weights_that_stayed_behind_are_named(
    made: Path, tmp_path: Path, data: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shutil.copy(made / "model.onnx", tmp_path)
    if data is not None:
        (tmp_path / "model.onnx.data").write_bytes(data)
    with pytest.raises(UsageError, match=r"'model\.onnx\.data'"):
        fxexport.tensorrt.build(path)
    assert main(["check", str(path)]) == 2
    assert "belong together" in capsys.readouterr().err
    # Profiles need no weights.
    assert main(["profile", str(path), "--set", "b[1..2..3]", "-q"]) == 0
    assert (tmp_path / "model.onnx.data").exists() is (data is not None)
    assert not list(tmp_path.glob("*.engine"))


def test_a_file_beside_it_that_disagrees_does_not_count(made: Path, tmp_path: Path) -> None:
    for file in made.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "model.profiles.json").write_text("garbage")
    assert read_profiles(tmp_path / "model.onnx") == read_profiles(made / "model.onnx")
    assert main(["profile", str(tmp_path / "model.onnx"), "--set", "b[1..2..3]", "-q"]) == 0
    assert '"profiles"' in (tmp_path / "model.profiles.json").read_text()


def test_an_export_keeps_a_link_and_replaces_its_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.onnx"
    link.symlink_to(tmp_path / "real" / "model.onnx")
    profiles = {"x": ((1,), (2,), (4,))}
    for verify in (True, False):
        exported = fxexport.export(torch.relu, (torch.ones(2),), link, verify=verify)
        assert link.is_symlink() and exported.report.path == str(link)
    exported = fxexport.export(
        lambda x: x + 1, (torch.ones(2),), link, input_names=["x"], profiles=profiles
    )
    assert read_profiles(link).profiles == exported.profiles != []
    assert sorted(file.name for file in (tmp_path / "real").iterdir()) == [
        "model.onnx",
        "model.profiles.json",
    ]
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["link.onnx"]


FOREIGN = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[{}, 4] x) => (float[A, 4] y) {{ y = Relu(x) }}
"""


@pytest.mark.parametrize("size", ["batch-size", "s0 + 1", "N"])
def test_files_of_other_exporters(
    tmp_path: Path, size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.onnx"
    model = onnx.parser.parse_model(FOREIGN.format("N"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = size
    onnx.save(model, path)
    assert main(["check", str(path), "--no-build"]) == 2
    assert f"{size} has no largest size" in capsys.readouterr().err
    assert main(["profile", str(path), "--set", f"{size}[1..2..4]", "--as", "trtexec"]) == 0
    assert capsys.readouterr().out == "--minShapes=x:1x4 --optShapes=x:2x4 --maxShapes=x:4x4\n"
    assert main(["check", str(path), "--no-build"]) == 0
    assert onnx.load(path).graph == model.graph


def test_a_size_of_minus_one_is_dynamic(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(FOREIGN.format("N"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    onnx.save(model, tmp_path / "other.onnx")
    (target,) = read_profiles(tmp_path / "other.onnx").inputs
    assert target.describe() == "x: float32[x_d0, 4]"


def test_files_without_dynamic_sizes_take_no_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.onnx"
    onnx.save(onnx.parser.parse_model(FOREIGN.format("3")), path)
    before = path.read_bytes()
    for profile in ("b[1..4]", "--optShapes=x:3x4", "--minShapes=x:1x4 --maxShapes=x:4x4"):
        assert main(["profile", str(path), "--set", profile]) == 2
    said = capsys.readouterr().err
    assert "all of its sizes are fixed" in said and "has 3 there, fixed" in said
    assert main(["check", str(path), "--no-build", "--profile=--optShapes=x:3x4"]) == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("b", "not a profile: 'b'"),
        ("none.json", "there is no file 'none.json'"),
        ("b[1..4],b[1..5]", "given two ranges"),
        ("model_inputs=[]", "model_inputs is empty"),
        ("model_inputs=[dict(input_shapes={})]", "the profile is empty"),
        ("b[1..]", "no largest size"),
    ],
)
def test_words_that_are_no_profile(
    made: Path, tmp_path: Path, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shutil.copy(made / "model.onnx", tmp_path)
    before = Path(path).read_bytes()
    assert main(["profile", str(path), "--set", words]) == 2
    assert said in capsys.readouterr().err
    assert Path(path).read_bytes() == before


@pytest.mark.parametrize("source", [3, None, onnx.ModelProto()])
def test_provider_options_of_what_is_no_file(source: object) -> None:
    with pytest.raises(UsageError, match="expected the path of an ONNX file"):
        fxexport.provider_options(source)  # type: ignore[arg-type]


def test_one_provider_may_be_a_text(made: Path) -> None:
    options = fxexport.provider_options(made / "model.onnx", "CUDAExecutionProvider")
    assert list(options) == ["CUDAExecutionProvider"]
    with pytest.raises(UsageError, match="expected names of providers"):
        fxexport.provider_options(made / "model.onnx", 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", ["textproto", "json"])
def test_text_forms_of_onnx_are_left_alone(made: Path, tmp_path: Path, ending: str) -> None:
    model = onnx.load(made / "model.onnx")
    path = tmp_path / f"model.{ending}"
    onnx.save(model, path)
    before = path.read_bytes()
    assert main(["profile", str(path), "--set", "b[1..2..3]"]) == 2
    assert main(["check", str(path), "--no-build"]) == 2
    assert path.read_bytes() == before


VALUES = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 4] x, int64[1] k) => (float[M, 4] y) <int64[1] z = {0}> { y = Slice(x, z, k, z) }
"""


def test_values_of_one_number_are_named_like_a_dimension(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.onnx"
    onnx.save(onnx.parser.parse_model(VALUES), path)
    assert main(["profile", str(path), "--set", "N[1..2..4],k[1..2..3]", "-q"]) == 0
    (profile,) = read_profiles(path).profiles
    assert profile.values_at("max") == {"k": (3,)}
    pytest.importorskip("tensorrt_rtx")
    assert main(["check", str(path)]) == 0
    capsys.readouterr()
    assert main(["check", str(path), "--profile", "N[1..2..4]", "--json"]) == 4
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "the values of input 'k' decide sizes" in problem["message"]
    assert problem["hint"].startswith("for example --minShapes=k:1")
