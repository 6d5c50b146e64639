"""What an export gives, as its user has it: printed, in notebooks, copied, in other processes."""

from __future__ import annotations

import copy
import html
import json
import multiprocessing
import pickle
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

pytest.importorskip("onnxruntime")

import onnx
import onnxruntime

import fxexport
from fxexport.command.main import main
from fxexport.errors import UsageError
from fxexport.tensorrt import BuildError, BuildResult, RefusedError


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.look, self.work = nn.Linear(32, 1), nn.Linear(32, 32)
        self.register_buffer("calls", torch.zeros(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls = self.calls + 1
        if self.look(x).sum() > 0:
            x = self.work(x).relu()
        return x + self.calls.sum()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> fxexport.Exported:
    path = tmp_path_factory.mktemp("exported") / "gate.onnx"
    dynamic = {"x": {0: fxexport.Dim("rows", 1, 8)}}
    return fxexport.export(Gate().eval(), (torch.randn(2, 32),), path, dynamic=dynamic, state="io")


def test_a_report_prints_as_the_command_prints_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "net.py").write_text(
        "import torch\ndef double(x):\n    return x * 2 if x.sum() > 0 else x\n"
        "example_inputs = (torch.ones(3),)\n"
    )
    assert main(["net.py:double"]) == 0
    printed = capsys.readouterr().out
    import sys

    monkeypatch.syspath_prepend(str(tmp_path))
    net = __import__("net")
    report = fxexport.export(net.double, net.example_inputs, "net.onnx").report
    report.model = "net.py:double"
    print(report)
    assert capsys.readouterr().out == printed
    report = fxexport.verify_file("net.onnx", net.double, net.example_inputs)
    assert "net.onnx against double\n" in str(report)
    del sys.modules["net"]


def test_a_printed_report_has_no_colour(
    exported: fxexport.Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in str(exported.report)


def test_an_export_is_told_in_two_lines(exported: fxexport.Exported) -> None:
    first, second = repr(exported).splitlines()
    assert first.startswith("Gate -> ")
    assert "gate.onnx: ONNX opset" in first
    assert first.endswith("takes x float32[rows, 32], state.calls float32[2]")
    assert second.startswith("It agrees with PyTorch in ")
    assert second.endswith("Goals: 2 of 2 (2 by inputs, 0 forced).")


def test_many_inputs_stay_on_their_line() -> None:
    def total(*xs: torch.Tensor) -> torch.Tensor:
        return torch.stack(xs).sum()

    made = fxexport.export(total, tuple(torch.ones(2) for _ in range(9)), verify=False)
    assert repr(made).splitlines()[0].endswith("xs_3 float32[2], and 5 more")
    assert "(in memory)" in repr(made)
    assert repr(made).splitlines()[1] == "Exported; not compared with PyTorch."


class Frames(HTMLParser):
    """Reads the frames of some HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.inner = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.inner = dict(attrs).get("srcdoc") or ""
        assert "sandbox" in dict(attrs)


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(exported: fxexport.Exported) -> None:
    shown = exported._repr_html_()
    frame = Frames(shown)
    assert frame.tags == ["iframe"]
    assert frame.inner.startswith("<!doctype html>")
    assert "self.look(x).sum()" in re.sub("<[^>]+>", "", html.unescape(frame.inner))
    assert "<script" not in frame.inner
    assert '<base href="about:srcdoc">' in frame.inner  # else its links would leave the frame
    assert exported.report._repr_html_() == shown


@pytest.mark.parametrize("through", ["report.save", "save_report"])
@pytest.mark.parametrize(
    ("name", "begins"),
    [("r.html", "<!doctype html>"), ("r.json", "{\n"), ("r.sarif", "{\n"), ("r.txt", "✔ ")],
)
def test_the_ending_says_how_a_report_is_saved(
    exported: fxexport.Exported, tmp_path: Path, through: str, name: str, begins: str
) -> None:
    save = exported.report.save if through == "report.save" else exported.save_report
    save(tmp_path / name)
    text = (tmp_path / name).read_text()
    assert text.startswith(begins)
    assert name != "r.sarif" or json.loads(text)["version"] == "2.1.0"


# -- copies ------------------------------------------------------------------------------------


def pickled(one: Any) -> Any:
    return pickle.loads(pickle.dumps(one))


def run(path: Path, exported: fxexport.Exported) -> numpy.ndarray:
    session = onnxruntime.InferenceSession(str(path))
    feed = {"x": numpy.ones((3, 32), numpy.float32), **exported.initial_state}
    result: numpy.ndarray = session.run(None, feed)[0]
    return result


def test_what_was_pickled_saves_the_same_file(exported: fxexport.Exported, tmp_path: Path) -> None:
    again = pickled(exported)
    assert repr(again) == repr(exported)
    assert str(again.report) == str(exported.report)
    assert again.profiles == exported.profiles
    assert again.operators() == exported.operators()
    assert again.provider_options() == exported.provider_options()
    exported.save(tmp_path / "a.onnx")
    for k, external in enumerate((False, True)):
        again.save(tmp_path / f"{k}.onnx", external_data=external)
        numpy.testing.assert_array_equal(
            run(tmp_path / f"{k}.onnx", again), run(tmp_path / "a.onnx", exported)
        )
        assert (tmp_path / f"{k}.profiles.json").is_file()
        assert (tmp_path / f"{k}.state.npz").is_file()
    assert again.model.graph.initializer == exported.model.graph.initializer
    assert pickled(again).initial_state.keys() == {"state.calls"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda one: one.graph,
        lambda one: one.prepared,
        lambda one: one.reference,
        lambda one: one.verify(),
        lambda one: one.verify_file("gate.onnx"),
    ],
)
def test_what_stays_in_its_process_is_asked_for_in_vain(
    exported: fxexport.Exported, ask: Callable[[fxexport.Exported], Any]
) -> None:
    with pytest.raises(UsageError, match="this export was pickled"):
        ask(pickled(exported))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int8, torch.bool])
def test_weights_of_every_dtype_survive(dtype: torch.dtype, tmp_path: Path) -> None:
    weight = torch.arange(4096).reshape(64, 64).to(dtype)
    made = fxexport.export(lambda x: weight[x], (torch.tensor([3]),), verify=False)
    again = pickled(made)
    assert again.model.graph.initializer == made.model.graph.initializer
    again.save(tmp_path / "m.onnx")
    onnx.checker.check_model(str(tmp_path / "m.onnx"))


def test_weights_that_are_left_out_stay_out(tmp_path: Path) -> None:
    model = nn.Linear(64, 64, device="meta")
    made = fxexport.export(model, (torch.ones(2, 64),), weights="none", verify=False)
    again = pickled(made)
    assert len(pickle.dumps(made)) < 64 * 64
    for name, one in (("a.onnx", made), ("b.onnx", again)):
        one.save(tmp_path / name)
    files = [onnx.load(tmp_path / f"{k}.onnx", load_external_data=False) for k in "ab"]
    left = [[(x.name, x.data_location) for x in file.graph.initializer] for file in files]
    assert left[0] == left[1]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_runs_and_verifies(
    exported: fxexport.Exported, copied: Callable[[Any], fxexport.Exported]
) -> None:
    again = copied(exported)
    assert again.graph is exported.graph
    assert (again.report is exported.report) == (copied is copy.copy)
    assert again.verify().ok


def of_another_process(exported: fxexport.Exported, path: str) -> fxexport.Exported:
    exported.save(path)
    exported.report.add("note", "was here")
    return exported


def fails_in_another_process() -> None:
    fxexport.export(lambda x: x.numpy(), (torch.ones(2),))


def test_an_export_goes_through_other_processes(
    exported: fxexport.Exported, tmp_path: Path
) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        again = pool.apply(of_another_process, (exported, str(tmp_path / "m.onnx")))
        with pytest.raises(fxexport.UnsupportedError) as caught:
            pool.apply(fails_in_another_process)
    assert again.report.of_kind("note")[-1].message == "was here"
    assert (tmp_path / "m.onnx").is_file()
    assert caught.value.location is not None
    assert caught.value.location.columns is not None


# -- errors ------------------------------------------------------------------------------------


def refusal(model: Callable[..., Any]) -> fxexport.FxExportError:
    with pytest.raises(fxexport.FxExportError) as caught:
        fxexport.export(model, (torch.ones(2),), dynamic=True)
    return caught.value


def two_refusals(x: torch.Tensor) -> torch.Tensor:
    x.numpy()
    x.sum().numpy()
    return x


def every_error() -> list[fxexport.FxExportError]:
    kinds = [
        getattr(fxexport, name)
        for name in fxexport.__all__
        if name.endswith("Error") and name != "MissingLoweringError"
    ]
    build = BuildError(BuildResult(False, builder="TensorRT 1"))
    missing = fxexport.MissingLoweringError("no", operator="aten::svd", hint="h")
    return [*(kind("what", hint="hint") for kind in kinds), build, missing, RefusedError("r")]


@pytest.mark.parametrize("error", every_error(), ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy])
def test_every_error_survives(
    error: fxexport.FxExportError, again: Callable[[Any], fxexport.FxExportError]
) -> None:
    other = again(error)
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert other.args == error.args
    for name in ("message", "location", "hint", "code", "exit_code", "operator", "secondary"):
        assert getattr(other, name, None) == getattr(error, name, None), name


def test_a_refusal_survives_with_all_that_it_carries() -> None:
    error = refusal(two_refusals)
    other = pickled(error)
    assert [str(one) for one in other.others] == [str(one) for one in error.others] != []
    assert other.location == error.location


def test_a_disagreement_survives_with_what_was_exported() -> None:
    with (
        fxexport.register_lowering("aten::neg", lambda op, x: op.Abs(x)),
        pytest.raises(fxexport.VerificationError) as caught,
    ):
        fxexport.export(lambda x: -x, (torch.ones(2),))
    other = pickled(caught.value)
    assert other.exported.report.verification.ok is False
    assert other.exported.model.graph.node


def test_ipython_shows_a_refusal_as_the_command_prints_it() -> None:
    shown = refusal(two_refusals)._render_traceback_()
    assert shown[0].startswith("UnsupportedError[FX")
    at, *_ = [k for k, line in enumerate(shown) if line.endswith(" |     x.numpy()")]
    assert shown[at + 1].endswith(" |     ^^^^^^^^^")
    assert len([line for line in shown if line.startswith("UnsupportedError[")]) == 2
    assert not any("fxexport/" in line for line in shown)


def test_plain_python_shows_a_traceback() -> None:
    import traceback

    error = refusal(two_refusals)
    assert "Traceback (most recent call last)" in "".join(traceback.format_exception(error))
    assert str(error) in "".join(traceback.format_exception(error))


def test_a_session_of_ipython_shows_no_internals() -> None:
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    capture = pytest.importorskip("IPython.utils.capture")
    shell = interactive.InteractiveShell()
    cell = (
        "import torch, fxexport\n"
        "def model(x):\n    return x.numpy()\n"
        "fxexport.export(model, (torch.ones(2),))\n"
    )
    with capture.capture_output() as output:
        result = shell.run_cell(cell)
    assert isinstance(result.error_in_exec, fxexport.UnsupportedError)
    assert "return x.numpy()" in output.stdout
    assert "Traceback" not in output.stdout
    assert "capture/" not in output.stdout
