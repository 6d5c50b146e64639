"""Engines are built in a child process; whatever becomes of it, this process goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import pytest
import torch

import fxexport
import fxexport.tensorrt
from fxexport.command.main import main
from fxexport.errors import UsageError
from fxexport.targets.tensorrt.build import package as packages
from fxexport.targets.tensorrt.build.options import BuildOptions
from fxexport.targets.tensorrt.build.process import run_child

needs_builder = pytest.mark.skipif(
    packages.importlib.util.find_spec("tensorrt_rtx") is None, reason="needs tensorrt-rtx-cu13"
)

# The builder crashes on this one: a size from an input's value inside a branch.
CRASHING = """
g (float[N, 4] x, bool c, int64[1] k) => (float[M, 4] y) <int64[1] z = {0}> {
  y = If (c) <
    then_branch = tb () => (float[P, 4] t) { t = Slice(x, z, k, z) },
    else_branch = eb () => (float[Q, 4] e) { e = Neg(x) }
  >
}
"""
GOOD = """
g (float[N, 4] x, bool c) => (float[M, 4] y) {
  y = If (c) <
    then_branch = tb () => (float[N, 4] t) { t = Relu(x) },
    else_branch = eb () => (float[N, 4] e) { e = Neg(x) }
  >
}
"""
PROFILE = {"x": ((1, 4), (2, 4), (8, 4))}


def write(folder: Path, graph: str) -> Path:
    text = f'<ir_version: 9, opset_import: ["" : 18]>\n{graph}'
    path = folder / "model.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def request(path: Path, **more: Any) -> dict[str, Any]:
    ranges = {"kind": "shape", "min": [1, 4], "opt": [2, 4], "max": [8, 4]}
    values = {"kind": "value", "min": [1], "opt": [2], "max": [4]}
    return {
        "package": "tensorrt_rtx",
        "title": "TensorRT-RTX",
        "model": str(path),
        "engine": "",
        "profiles": [{"x": ranges, "k": values}],
        "options": BuildOptions().to_dict(),
        "hardware_level": "NONE",
        **more,
    }


@needs_builder
def test_an_engine_is_written_beside_the_model(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    steps: list[str] = []
    result = fxexport.tensorrt.build(
        path, profiles=PROFILE, on_message=lambda message: steps.append(message["event"])
    )
    assert result.ok and not result.executed
    assert result.path == str(tmp_path / "model.engine")
    assert (tmp_path / "model.engine").stat().st_size == result.size_bytes > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.engine", "model.onnx"]
    assert {"start", "step", "finish"} <= set(steps)
    assert "not run" in result.describe()


@needs_builder
def test_a_crash_of_the_builder_is_an_outcome(tmp_path: Path) -> None:
    outcome = run_child(request(write(tmp_path, CRASHING)))
    assert not outcome.ok
    assert outcome.crash or outcome.errors


@needs_builder
def test_what_crashes_the_builder_is_refused_before(tmp_path: Path) -> None:
    with pytest.raises(fxexport.tensorrt.RefusedError, match="inside an if, a slice"):
        fxexport.tensorrt.build(write(tmp_path, CRASHING), profiles=PROFILE)


def test_a_child_that_dies_is_told_by_its_signal(tmp_path: Path) -> None:
    # The package to import is one that kills the process.
    (tmp_path / "dies.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        outcome = run_child(request(tmp_path / "model.onnx", package="dies"))
    assert outcome.crash == "signal SIGSEGV"


def test_a_child_over_its_time_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text("import time\ntime.sleep(60)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        outcome = run_child(request(tmp_path / "model.onnx", package="sleeps"), timeout=0.5)
    assert outcome.timed_out and not outcome.ok


@needs_builder
def test_a_build_over_its_time_leaves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    with pytest.raises(fxexport.tensorrt.BuildError, match="longer than") as caught:
        fxexport.tensorrt.build(path, profiles=PROFILE, timeout=0.001)
    assert caught.value.exit_code == 4
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


@needs_builder
def test_ctrl_c_ends_the_child_and_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(message: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fxexport.tensorrt.build(write(tmp_path, GOOD), profiles=PROFILE, on_message=interrupted)
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


@needs_builder
def test_a_refused_engine_leaves_the_older_one(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("Relu(x)", "Det(x)"))
    (tmp_path / "model.engine").write_bytes(b"older")
    with pytest.raises(fxexport.tensorrt.RefusedError, match="Det"):
        fxexport.tensorrt.build(path, profiles=PROFILE)
    assert (tmp_path / "model.engine").read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 2


@needs_builder
def test_without_a_range_the_dimension_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="N has no largest size"):
        fxexport.tensorrt.build(write(tmp_path, GOOD), package="tensorrt_rtx")


def test_a_profile_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    for wrong in ({"z": PROFILE["x"]}, {"x": ((1, 5), (2, 5), (3, 5))}):
        with pytest.raises(UsageError):
            fxexport.tensorrt.build(path, profiles=wrong)


def test_a_missing_package_is_said_with_the_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="not installed") as caught:
        packages.find_package()
    assert "pip install tensorrt-rtx-cu13" in caught.value.hint
    assert main([str(_gate(tmp_path)), "--target", "tensorrt", "--build"]) == 2
    assert "not installed" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.onnx"))


def test_options_that_the_package_does_not_have_are_refused() -> None:
    rtx = packages.TensorRTPackage("tensorrt_rtx", "1.7")
    for options in (
        BuildOptions(fp16=True),
        BuildOptions(bf16=True),
        BuildOptions(version_compatible=True),
        BuildOptions(hardware_compatibility_level="ampere+"),
        BuildOptions(timing_cache_file="x"),
    ):
        with pytest.raises(UsageError, match="TensorRT-RTX"):
            options.check_for(rtx)
        options.check_for(packages.TensorRTPackage("tensorrt", "10.9"))
    with pytest.raises(UsageError, match="ampere"):
        BuildOptions(hardware_compatibility_level="hopper+")
    with pytest.raises(UsageError, match="above 0"):
        BuildOptions(workspace=0)


def _gate(folder: Path) -> Path:
    path = folder / "gate.py"
    path.write_text(
        "import torch\n\n"
        "def model(x):\n"
        "    if x.sum() > 0:\n"
        "        x = x * 2 if x.max() > 1 else x + 1\n"
        "    return x\n\n"
        "example_inputs = (torch.ones(2, 4),)\n"
    )
    return path


@needs_builder
def test_the_command_builds_and_says_that_nothing_was_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["gate.py", "--dynamic", "x:0=batch[1..8]", "--target", "tensorrt", "--build"]
    _gate(tmp_path)
    assert main([*words, "--report", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["build"]["ok"] and report["build"]["executed"] is False
    assert (tmp_path / "gate.engine").stat().st_size == report["build"]["size_bytes"]
    assert main([*words, "--memPoolSize", "workspace:64M"]) == 0
    assert "built, not run, by TensorRT-RTX" in capsys.readouterr().out
    assert main([*words, "--build-timeout", "0.001"]) == 4
    assert "longer than" in capsys.readouterr().err
    assert main(["check", "gate.onnx"]) == 0
    assert "an engine can be built" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--build"], "--build needs --target tensorrt"),
        (["--fp16"], "need --build"),
        (["--target", "tensorrt", "--build", "--memPoolSize", "tactic:3"], "only the pool"),
        (["--target", "tensorrt", "--build", "--memPoolSize", "much"], "expected MiB"),
        (["--target", "tensorrt", "--build", "--build-timeout", "0"], "above 0"),
    ],
)
def test_wrong_words_are_refused_before_the_export(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(_gate(tmp_path)), *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_time_limit_that_is_none_is_refused(
    seconds: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--target", "tensorrt", "--build", "--build-timeout", seconds]
    assert main([str(_gate(tmp_path)), *words]) == 2
    assert main(["check", str(_gate(tmp_path)), "--build-timeout", seconds]) == 2
    assert capsys.readouterr().err.count("expected seconds above 0") == 2
    with pytest.raises(fxexport.UsageError, match="above 0"):
        fxexport.tensorrt.build("gate.onnx", timeout=float(seconds))


@pytest.mark.parametrize(
    "wrong",
    [
        {"workspace": "a"},
        {"workspace": float("nan")},
        {"workspace": float("inf")},
        {"workspace": 1e30},
        {"workspace": True},
        {"optimization_level": 6},
        {"optimization_level": 2.5},
        {"optimization_level": "3"},
        {"hardware_compatibility_level": None},
    ],
    ids=str,
)
def test_settings_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(fxexport.UsageError):
        fxexport.tensorrt.BuildOptions(**wrong)


@pytest.mark.parametrize("model", [3, None, "exported.model"])
def test_what_is_no_model_is_refused(model: Any) -> None:
    given = onnx.ModelProto() if isinstance(model, str) else model
    for call in (fxexport.tensorrt.build, fxexport.tensorrt.check):
        with pytest.raises(fxexport.UsageError, match="expected the path of an ONNX file"):
            call(given)


def test_an_engine_does_not_replace_its_model(tmp_path: Path) -> None:
    path = tmp_path / "gate.onnx"
    fxexport.export(
        torch.nn.Linear(32, 32), (torch.ones(2, 32),), path, external_data=True, verify=False
    )
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    (tmp_path / "link.engine").symlink_to(path)
    for engine in (path, tmp_path / "gate.onnx.data", tmp_path / "link.engine"):
        with pytest.raises(fxexport.UsageError, match="would replace the model"):
            fxexport.tensorrt.build(path, engine)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


@needs_builder
def test_an_engine_in_a_folder_has_the_name_of_its_model(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    (tmp_path / "engines").mkdir()
    result = fxexport.tensorrt.build(path, tmp_path / "engines", profiles=PROFILE)
    assert result.path == str(tmp_path / "engines" / "model.engine")
    assert [file.name for file in (tmp_path / "engines").iterdir()] == ["model.engine"]


@needs_builder
def test_check_takes_profiles_in_every_syntax(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _gate(tmp_path)
    assert main(["gate.py", "--dynamic", "--no-verify", "-q", "--target", "tensorrt"]) == 0
    assert main(["check", "gate.onnx"]) == 2
    assert "x_d0, x_d1 have no largest size" in capsys.readouterr().err
    shapes = ["--minShapes=x:1x8", "--optShapes=x:2x8", "--maxShapes=x:4x8"]
    assert main(["check", "gate.onnx", *shapes]) == 0
    assert main(["check", "gate.onnx", "--profile", " ".join(shapes), "--no-build"]) == 0
    assert main(["check", "gate.onnx", "--profile", "x_d0[1..2..4],x_d1[8..8]", "--no-build"]) == 0
    assert main(["check", "gate.onnx", "--profile=0", *shapes, "--no-build"]) == 0
    assert main(["check", "gate.onnx", "--profile", "y[1..2]", "--no-build"]) == 2
    assert main(["check", "gate.onnx", *shapes, "--build-timeout", "0.001"]) == 4
    capsys.readouterr()
    assert main(["check", "none.onnx", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False and "none.onnx" in said["error"]["message"]


@needs_builder
def test_a_growing_tensor_is_not_narrowed_in_silence(tmp_path: Path) -> None:
    """TensorRT would give (1, 4) for this where PyTorch gives (N, 4)."""

    def model(x: torch.Tensor) -> torch.Tensor:
        y = x[:1] * 0
        for _ in range(x.shape[0]):
            y = y + x
        return y

    path = str(tmp_path / "model.onnx")
    profiles = {"x": ((1, 4), (2, 4), (4, 4))}
    made = fxexport.export(model, (torch.ones(2, 4),), path, profiles=profiles, target="tensorrt")
    assert made.report.verification is not None and made.report.verification.ok
    assert fxexport.tensorrt.build(made).ok
