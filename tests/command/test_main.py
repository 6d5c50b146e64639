"""The command: what it hands to the export, what it prints, and its exit codes.

The export itself is stood in for here, so that these tests are about the command alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy
import pytest
import torch

import fxexport
from fxexport.command.main import main
from fxexport.errors import ModelError, UnsupportedError, VerificationError
from fxexport.inputs import Dim, TensorSpec
from fxexport.report.model import Report, Verification, VerifiedCase
from fxexport.source.location import SourceLocation

MODEL = """
import torch
from torch import nn

print("the model's own words")

class Net(nn.Module):
    def forward(self, x, n=2):
        if x.sum() > 0:
            return x
        return x + n

example_inputs = (torch.ones(2, 3),)
check_inputs = [(torch.zeros(2, 3),)]
"""


class Recorder:
    """Stands in for the export; keeps the call and behaves as told."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.fails: BaseException | None = None

    def __call__(self, model: Any, inputs: Any, path: Path, **options: Any) -> Any:
        self.calls.append({"model": model, "inputs": inputs, "path": path, **options})
        with options["progress"]("capture"):
            if self.fails is not None:
                raise self.fails
        path.write_bytes(b"onnx")
        return SimpleNamespace(report=self.report(str(path)))

    def report(self, path: str) -> Report:
        report = Report(model="Net", target="onnxruntime", opset=20, path=path)
        report.verification = Verification(ran=False, message="nothing to run it with")
        return report

    @property
    def call(self) -> dict[str, Any]:
        assert len(self.calls) == 1
        return self.calls[0]


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Recorder:
    recorder = Recorder()
    module = ModuleType("fxexport.pipeline")
    module.export = recorder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fxexport.pipeline", module)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODEL)
    return recorder


def test_exports_into_the_current_folder_under_the_files_name(
    export: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["net.py"]) == 0
    assert export.call["path"] == Path("net.onnx")
    assert type(export.call["model"]).__name__ == "Net"
    assert [tuple(value.shape) for value in export.call["inputs"]] == [(2, 3)]
    assert [tuple(case[0].shape) for case in export.call["check_inputs"]] == [(2, 3)]
    assert "net.py:Net -> net.onnx" in capsys.readouterr().out


def test_what_is_not_asked_for_is_left_to_the_export(export: Recorder) -> None:
    main(["net.py"])
    call = export.call
    assert call["dynamic"] is False
    assert call["verify"] is True
    assert call["target"] == "onnxruntime"
    assert call["opset"] is None
    assert call["external_data"] is None
    assert call["kwargs"] == {}


@pytest.mark.parametrize(
    ("arguments", "key", "value"),
    [
        (["--opset", "21"], "opset", 21),
        (["--target", "tensorrt"], "target", "tensorrt"),
        (["--no-verify"], "verify", False),
        (["--require-coverage", "90"], "require_coverage", 90.0),
        ([], "require_coverage", None),
        (["--external-data"], "external_data", True),
        (["--weights", "none"], "weights", "none"),
        ([], "weights", "file"),
        (["--rtol", "1e-3"], "rtol", 1e-3),
        (["--atol=0"], "atol", 0.0),
        ([], "rtol", None),
        (["--verify-timeout", "5"], "verify_timeout", 5.0),
        ([], "verify_timeout", None),
        (["-o", "other.onnx"], "path", Path("other.onnx")),
        (["--output", "folder"], "path", Path("folder/net.onnx")),
    ],
)
def test_options_reach_the_export(
    export: Recorder, tmp_path: Path, arguments: list[str], key: str, value: Any
) -> None:
    (tmp_path / "folder").mkdir()
    assert main(["net.py", *arguments]) == 0
    assert export.call[key] == value


@pytest.mark.parametrize(
    ("arguments", "dynamic"),
    [
        (["net.py", "--dynamic"], True),
        (["--dynamic", "net.py"], True),
        (["--dynamic", "net.py:Net"], True),
        (["--dynamic", "--", "net.py"], True),
        (["net.py", "--dynamic", "-q"], True),
        (["net.py", "--dynamic", "x:0=batch"], {"x": {0: Dim("batch")}}),
        (["--dynamic", "x:0=batch", "net.py"], {"x": {0: Dim("batch")}}),
        (["--dynamic=x:0=batch", "net.py"], {"x": {0: Dim("batch")}}),
        (["--dynamic", "x:0=b[1..8],1=h", "net.py"], {"x": {0: Dim("b", 1, 8), 1: Dim("h")}}),
        (
            ["--dynamic", "x:0=b", "--dynamic", "y:1=w", "net.py"],
            {"x": {0: Dim("b")}, "y": {1: Dim("w")}},
        ),
    ],
)
def test_dynamic_takes_axes_or_none(
    export: Recorder, arguments: list[str], dynamic: bool | dict[str, dict[int, Dim]]
) -> None:
    assert main(arguments) == 0
    assert export.call["dynamic"] == dynamic


def test_dynamic_takes_an_axis_without_a_name(export: Recorder) -> None:
    assert main(["net.py", "--dynamic", "x:0"]) == 0
    assert set(export.call["dynamic"]["x"]) == {0}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--dynamic", "--dynamic", "x:0=b"],
        ["--dynamic", "x:first=b"],
        ["--input", "x"],
        ["--input", "x=float99[2]"],
        ["--input", "other=float32[2]"],
        ["--opset", "new"],
        ["--report", "xml"],
        ["--weights", "some"],
        ["--rtol", "little"],
        ["--rtol", "1e-3", "--no-verify"],
        ["--verify-timeout", "5", "--no-verify"],
        ["--verify-timeout", "soon"],
        ["--check-inputs", "none.npz"],
        ["--check-inputs", "net.py"],
        ["--input", "x=@none.npy"],
        ["--bogus"],
        ["-q", "-v"],
        ["second.py"],
        ["-o", "no/such/folder/net.onnx"],
        ["-o", "net.py"],
    ],
)
def test_wrong_usage_exits_with_2_and_exports_nothing(
    export: Recorder, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["net.py", *arguments]) == 2
    assert export.calls == []
    captured = capsys.readouterr()
    assert "error: " in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There is no file"),
        ("def f(:", "not valid Python"),
        ("x = 1", "defines no model"),
        ("model = 1", "not a model"),
        ("from torch import nn\nmodel = nn.Linear(1, 1)", "no example input for input"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_bad_model_file_exits_with_2(
    export: Recorder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    message: str,
) -> None:
    if text is not None:
        (tmp_path / "bad.py").write_text(text)
    assert main(["bad.py", "-q"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert list(tmp_path.glob("*.onnx")) == []


def test_inputs_from_the_command_line_replace_and_add(export: Recorder) -> None:
    assert main(["net.py", "--input", "x=int64[4,5]", "--input", "n=7"]) == 0
    assert export.call["inputs"] == (TensorSpec(torch.int64, (4, 5)), 7)


def test_inputs_come_from_files(export: Recorder, tmp_path: Path) -> None:
    numpy.save(tmp_path / "x.npy", numpy.ones((4, 3), "float32"))
    numpy.savez(tmp_path / "more.npz", x=numpy.zeros((5, 3), "float32"))
    arguments = ["--input", "x=@x.npy", "--check-inputs", "more.npz", "--check-inputs", "x.npy"]
    assert main(["net.py", *arguments]) == 0
    (x,) = export.call["inputs"]
    assert x.tolist() == [[1.0] * 3] * 4
    own, named, one = export.call["check_inputs"]
    assert tuple(own[0].shape) == (2, 3)
    assert named.source == "more.npz"
    assert list(named.named) == ["x"]
    assert one.call.shape == (4, 3)


def test_a_model_is_exported_in_eval_mode_and_the_report_says_so(
    export: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["net.py"]) == 0
    assert export.call["model"].training is False
    assert "eval mode" in capsys.readouterr().out


def test_train_keeps_the_mode(export: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["net.py", "--train"]) == 0
    assert export.call["model"].training is True
    assert "eval mode" not in capsys.readouterr().out


def test_quiet_prints_only_the_path(export: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["net.py", "-q"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "net.onnx\n"
    assert captured.err == "the model's own words\n"


def test_stages_are_plain_lines_off_a_terminal(
    export: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["net.py"])
    err = capsys.readouterr().err.splitlines()
    assert [line for line in err if line.endswith("...")] == [
        "load the model ...",
        "capture the model ...",
    ]


def test_the_json_report_is_all_that_is_printed(
    export: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["net.py", "--report", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["ok"] is True
    assert (shown["model"], shown["path"], shown["size_bytes"]) == ("net.py:Net", "net.onnx", 4)


HERE = SourceLocation("net.py", 9, "forward")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnsupportedError("cannot keep this", location=HERE, hint="do that"), 1),
        (ModelError("it raised", location=HERE), 1),
        (fxexport.UsageError("cannot keep this"), 2),
        (fxexport.OutputError("read-only"), 2),
        (OSError(errno.ENOSPC, "No space left on device"), 2),
        (RuntimeError("what?"), 70),
    ],
)
@pytest.mark.parametrize("report", ["text", "json"])
def test_a_failed_export_says_why_and_exits_with_its_code(
    export: Recorder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    report: str,
) -> None:
    export.fails = error
    assert main(["net.py", "--report", report]) == code
    captured = capsys.readouterr()
    said = error.args[-1]
    if report == "text":
        assert captured.out == ""
        assert said in captured.err
        assert ("net.py:9 in forward" in captured.err) == (getattr(error, "location", None) is HERE)
    else:
        shown = json.loads(captured.out)
        assert shown["ok"] is False
        assert said in shown["error"]["message"]
        assert shown["error"]["exit_code"] == code
    assert not (tmp_path / "net.onnx").exists()


def disagree(recorder: Recorder) -> None:
    error = VerificationError("output y differs")
    report = recorder.report("net.unverified.onnx")
    report.verification = Verification(ran=True, message="output y differs")
    error.exported = SimpleNamespace(report=report)  # type: ignore[assignment]
    recorder.fails = error


def test_a_disagreement_exits_with_3_and_still_reports(
    export: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    disagree(export)
    assert main(["net.py"]) == 3
    captured = capsys.readouterr()
    assert "net.unverified.onnx does NOT agree" in captured.out
    assert "output y differs" in captured.err


def test_a_disagreement_is_in_the_json_with_the_report(
    export: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    disagree(export)
    assert main(["net.py", "--report=json"]) == 3
    shown = json.loads(capsys.readouterr().out)
    assert (shown["ok"], shown["path"]) == (False, "net.unverified.onnx")
    assert shown["error"]["type"] == "VerificationError"


def test_a_disagreement_that_was_only_reported_is_no_success(
    export: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = export.report("net.onnx")
    report.verification = Verification(True, [VerifiedCase("a", True), VerifiedCase("b", False)])
    monkeypatch.setattr(export, "report", lambda path: report)
    assert main(["net.py", "-q"]) == 3


@pytest.mark.parametrize("arguments", [[], ["-q"], ["--report", "json"]])
def test_an_interrupt_exits_with_130(
    export: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    export.fails = KeyboardInterrupt()
    assert main(["net.py", *arguments]) == 130
    assert "Interrupted" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py"]


def test_an_interrupt_while_the_model_loads_exits_with_130(
    export: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    assert main(["slow.py"]) == 130
    assert export.calls == []


def test_wrong_usage_is_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--report", "json", "--bogus", "net.py"]) == 2
    shown = json.loads(capsys.readouterr().out)
    assert "--bogus" in shown["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--version"], 0, f"fxexport {fxexport.__version__}"),
        (["--help"], 0, "--dynamic"),
        (["-h"], 0, "--dynamic"),
        ([], 2, "Usage"),
    ],
)
def test_asks_about_the_command_are_answered(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert main(arguments) == code
    assert said in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
@pytest.mark.parametrize("arguments", ["--version", "--help", "--bogus --report json"])
def test_output_that_cannot_be_written_is_no_traceback(arguments: str) -> None:
    done = subprocess.run(
        f"{shlex.quote(sys.executable)} -m fxexport {arguments} > /dev/full",
        shell=True,
        capture_output=True,
        text=True,
        cwd=Path(fxexport.__file__).parents[1],
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "could not be printed" in done.stderr


def test_verbose_shows_the_models_own_traceback(
    export: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.py").write_text("def deep():\n    raise ValueError('deep inside')\ndeep()\n")
    assert main(["bad.py", "-v"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert 'bad.py", line 2, in deep' in err


def test_the_process_is_left_as_it_was(export: Recorder) -> None:
    def state() -> tuple[Any, ...]:
        return list(sys.path), list(sys.argv), sys.stdout, sys.stderr, "net" in sys.modules

    before = state()
    main(["net.py"])
    export.fails = RuntimeError()
    with contextlib.suppress(Exception):
        main(["net.py"])
    assert state() == before


def test_files_beside_the_model_are_importable_during_the_export(
    export: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "a_late_helper.py").write_text("VALUE = 3")
    (folder / "net.py").write_text(MODEL)
    seen: list[int] = []
    inner: Callable[..., Any] = export.__call__

    def importing(*args: Any, **options: Any) -> Any:
        import a_late_helper  # type: ignore[import-not-found]

        seen.append(a_late_helper.VALUE)
        return inner(*args, **options)

    monkeypatch.setattr(sys.modules["fxexport.pipeline"], "export", importing)
    assert main(["elsewhere/net.py"]) == 0
    assert seen == [3]
    assert "a_late_helper" not in sys.modules
