"""Bad input through the whole command: a clear message, the right exit code, no half a file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fxexport
from fxexport.command.main import main

ROOT = Path(fxexport.__file__).parents[1]

GOOD = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 300)

    def forward(self, x, y=None):
        if x.sum() > 0:
            return self.fc(x)
        return -self.fc(x)


model = Net()
example_inputs = (torch.ones(2, 4),)
"""

HEAD = "import torch\nfrom torch import nn\n"
RUNS = "example_inputs = (torch.ones(2, 4),)\n"

# name -> (the model's file, arguments, exit code, what the message says)
CASES: dict[str, tuple[str | None, str, int, list[str]]] = {
    "no such file": (None, "", 2, ["no file", "net.py"]),
    "a syntax error": ("def f(:\n    pass\n", "", 2, ["net.py:1", "not valid Python"]),
    "an import error": ("import no_such_package\n", "", 2, ["no_such_package", "net.py:1"]),
    "an exception at the top": ("x = 1\n1 / 0\n", "", 2, ["ZeroDivisionError", "net.py:2"]),
    "an exit at the top": ("import sys\nsys.exit(0)\n", "", 2, ["net.py"]),
    "no model": ("x = 1\n", "", 2, ["no model"]),
    "several candidates": (
        HEAD + "class A(nn.Module):\n    pass\nclass B(nn.Module):\n    pass\n",
        "",
        2,
        ["A", "B"],
    ),
    "a wrong object": (HEAD + "model = 3\n", "", 2, ["model", "not a model"]),
    "a wrong name": (GOOD, ":nothing", 2, ["nothing", "Net"]),
    "a constructor that raises": (
        HEAD + "class A(nn.Module):\n    def __init__(self):\n        raise KeyError('weights')\n",
        "",
        2,
        ["weights", "net.py:5"],
    ),
    "a constructor that needs arguments": (
        HEAD + "class A(nn.Module):\n    def __init__(self, size):\n        super().__init__()\n",
        "",
        2,
        ["A", "size"],
    ),
    "no inputs": (HEAD + "model = nn.Linear(4, 4)\n", "", 2, ["input", "--input"]),
    "an input of another name": (GOOD, "--input z=float32[2,4]", 2, ["z", "x"]),
    "an input that cannot be read": (GOOD, "--input x=float99[2,4]", 2, ["float99"]),
    "an unknown dimension": (GOOD, "--dynamic x:9=n", 2, ["9", "x"]),
    "dynamic of an unknown input": (GOOD, "--dynamic z:0=n", 2, ["z", "x"]),
    "too many inputs": (
        GOOD + "example_inputs = (torch.ones(2, 4), None, torch.ones(1))\n",
        "",
        2,
        ["argument"],
    ),
    "inputs of a wrong kind": (
        GOOD + "example_inputs = ({1, 2},)\n",
        "",
        1,
        ["'set'", "net.py:12"],
    ),
    "example inputs that raise": (
        GOOD + "def example_inputs():\n    raise KeyError('no data')\n",
        "",
        2,
        ["no data", "example_inputs"],
    ),
    "a wrong shape": (GOOD, "--input x=float32[2,5]", 1, ["net.py:14", "self.fc(x)"]),
    "a wrong rank": (GOOD, "--input x=float32[]", 1, ["net.py:14"]),
    "a wrong dtype": (GOOD, "--input x=int64[2,4]", 1, ["net.py:13", "dtype"]),
    "a model that raises": (
        HEAD + "def model(x):\n    raise ValueError('wrong weather')\n" + RUNS,
        "",
        1,
        ["ValueError", "wrong weather", "net.py:4"],
    ),
    "a model that has a typo": (
        HEAD + "def model(x):\n    y = x.summ()\n    return y\n" + RUNS,
        "",
        1,
        ["summ", "net.py:4"],
    ),
    "a model that returns no tensor": (
        HEAD + "def model(x):\n    return 'text'\n" + RUNS,
        "",
        1,
        ["no tensor"],
    ),
    "an unsupported construct": (
        HEAD + "def model(x):\n    return {r for r in x if r.sum() > 0}\n" + RUNS,
        "--dynamic",
        1,
        ["net.py:4", "r.sum() > 0"],
    ),
    "an unsupported operator": (
        HEAD + "def model(x):\n    return torch.hash_tensor(x)\n" + RUNS,
        "",
        1,
        ["net.py:4", "hash_tensor", "register_lowering"],
    ),
    "an old opset": (GOOD, "--opset 7", 2, ["opset", "18"]),
    "an unknown target": (GOOD, "--target abacus", 2, ["abacus", "onnxruntime"]),
    "no folder": (GOOD, "-o no/such/folder/net.onnx", 2, ["no/such/folder"]),
    "a file where a folder is": (GOOD, "-o net.py/net.onnx", 2, ["net.py"]),
    "the model's own file": (GOOD, "-o net.py", 2, ["own file"]),
    "an unknown option": (GOOD, "--bogus", 2, ["--bogus"]),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepare(folder: Path, text: str | None, options: str) -> list[str]:
    if text is not None:
        (folder / "net.py").write_text(text)
    if options.startswith(":"):
        return [f"net.py{options}"]
    return ["net.py", *options.split()]


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths if p.suffix != ".pyc"}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_told_clearly(
    folder: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    text, options, code, said = CASES[case]
    (folder / "net.onnx").write_bytes(b"an older model")
    arguments = prepare(folder, text, options)
    before = files(folder)
    assert main(arguments) == code
    captured = capsys.readouterr()
    shown = " ".join(captured.err.split())
    for part in said:
        assert part in shown
    assert captured.out == ""
    assert "This is a bug" not in shown
    assert files(folder) == before


@pytest.mark.parametrize("case", ["a wrong shape", "a model that raises", "an import error"])
def test_nothing_but_the_message_is_shown(folder: Path, case: str) -> None:
    """In a process of its own, where PyTorch's log goes to the terminal."""
    arguments = prepare(folder, *CASES[case][:2])
    done = subprocess.run(
        [sys.executable, "-m", "fxexport", *arguments, "-q"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == CASES[case][2]
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_told_in_json(
    folder: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    text, options, code, said = CASES[case]
    arguments = prepare(folder, text, options)
    assert main([*arguments, "--report", "json"]) == code
    shown = json.loads(capsys.readouterr().out)
    assert shown["ok"] is False
    error = shown["error"]
    assert error["exit_code"] == code
    assert error["message"]
    whole = json.dumps(shown, ensure_ascii=False)
    location = error.get("location")
    if location:
        whole += f" {location['file']}:{location['line']}"
    for part in said:
        assert part in whole


@pytest.mark.parametrize("code", [1, 2])
def test_refusals_of_the_model_name_file_line_and_code(
    folder: Path, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    text = CASES["an unsupported construct"][0] if code == 1 else "x = 1\n1 / 0\n"
    arguments = prepare(folder, text, "--dynamic")
    assert main([*arguments, "--report=json"]) == code
    location = json.loads(capsys.readouterr().out)["error"]["location"]
    assert Path(location["file"]).name == "net.py"
    assert location["line"] == (4 if code == 1 else 2)


# -- the disk ----------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o500)
    assert main([*prepare(folder, GOOD, ""), "-o", "closed/net.onnx"]) == 2
    assert "permission" in capsys.readouterr().err
    assert files(closed) == {}


def full_disk(*args: Any, **kwargs: Any) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("report", ["text", "json"])
def test_a_full_disk_is_told(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    report: str,
) -> None:
    arguments = prepare(folder, GOOD, "")
    (folder / "net.onnx").write_bytes(b"an older model")
    before = files(folder)
    monkeypatch.setattr("fxexport.files.model._write_message", full_disk)
    assert main([*arguments, "--report", report]) == 2
    captured = capsys.readouterr()
    assert "No space left" in (captured.err if report == "text" else captured.out)
    assert files(folder) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 KiB; skips where this process may not mount one."""
    place = tmp_path / "small"
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("extra", [[], ["--external-data"]])
def test_a_really_full_disk_is_told(
    folder: Path, small_disk: Path, capsys: pytest.CaptureFixture[str], extra: list[str]
) -> None:
    big = GOOD.replace("nn.Linear(4, 300)", "nn.Linear(4, 30000)")
    (small_disk / "net.onnx").write_bytes(b"old")
    arguments = prepare(folder, big, "")
    assert main([*arguments, "-o", str(small_disk / "net.onnx"), *extra]) == 2
    assert "No space left" in capsys.readouterr().err
    assert files(small_disk) == {"net.onnx": b"old"}


# -- Ctrl-C ------------------------------------------------------------------------------------

INTERRUPTS = {
    "while it loads": "import signal\nsignal.raise_signal(signal.SIGINT)\n" + GOOD,
    "while it is captured": GOOD.replace(
        "        if x.sum",
        "        import signal; signal.raise_signal(signal.SIGINT)\n        if x.sum",
    ),
}


@pytest.mark.parametrize("moment", INTERRUPTS)
def test_ctrl_c_exits_with_130(
    folder: Path, capsys: pytest.CaptureFixture[str], moment: str
) -> None:
    arguments = prepare(folder, INTERRUPTS[moment], "")
    before = files(folder)
    assert main(arguments) == 130
    captured = capsys.readouterr()
    assert "Interrupted" in captured.err
    assert "Traceback" not in captured.err
    assert files(folder) == before


@pytest.mark.parametrize("place", ["fxexport.files.model._copy_bytes", "fxexport.exported.verify"])
def test_ctrl_c_in_the_middle_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> Any:
        signal.raise_signal(signal.SIGINT)

    module, name = place.rsplit(".", 1)
    monkeypatch.setattr(sys.modules[module], name, interrupt)
    arguments = prepare(folder, GOOD, "")
    before = files(folder)
    assert main(arguments) == 130
    assert files(folder) == before


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_from_outside_leaves_nothing(folder: Path) -> None:
    pause = "        import sys, time; sys.stderr.write('waiting\\n'); time.sleep(60)\n"
    waits = GOOD.replace("        if x.sum", pause + "        if x.sum")
    arguments = prepare(folder, waits, "")
    before = files(folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "fxexport", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "waiting" in line:
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    assert files(folder) == before


# -- a file that disagrees ---------------------------------------------------------------------


def test_a_file_that_disagrees_exits_with_3_and_is_kept_aside(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "net.onnx").write_bytes(b"an older model")
    arguments = prepare(folder, GOOD, "")
    with fxexport.register_lowering("aten::neg", lambda op, x: op.Abs(x)):
        assert main(arguments) == 3
    captured = capsys.readouterr()
    assert "net.unverified.onnx" in captured.out + captured.err
    assert "does NOT agree" in captured.out
    after = files(folder)
    assert after["net.onnx"] == b"an older model"
    assert after["net.unverified.onnx"]


def test_the_good_model_of_these_tests_is_exported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(prepare(folder, GOOD, "--dynamic")) == 0
    assert (folder / "net.onnx").exists()
    assert "net.onnx" in capsys.readouterr().out
