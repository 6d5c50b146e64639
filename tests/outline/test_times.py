"""The shares of the time that ifs and loops take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fxexport.command.main import main
from fxexport.errors import UsageError
from fxexport.outline.data import outline_as_json
from fxexport.outline.dot import outline_as_dot
from fxexport.outline.model import Construct, constructs_in
from fxexport.outline.read import outline_of
from fxexport.outline.times import share_text, with_times
from tests.outline.files import looping


def event(kind: str, name: str, time: float) -> dict[str, Any]:
    return {"cat": kind, "name": name, "dur": time, "ts": 0, "ph": "X"}


def written(path: Path, *events: dict[str, Any]) -> Path:
    path.write_text(json.dumps(list(events)))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    looping(tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def test_a_loop_has_its_part_of_all_runs(file: Path, tmp_path: Path) -> None:
    profile = written(
        tmp_path / "p.json",
        event("Session", "session_initialization", 9000),
        event("Node", "add_kernel_time", 50),
        event("Node", "the_loop_kernel_time", 100),
        event("Session", "model_run", 300),
        event("Node", "the_loop_kernel_time", 50),
        event("Session", "model_run", 300),
    )
    outline = with_times(outline_of(file), profile)
    (loop,) = constructs_in(outline.steps)
    assert loop.share == 0.25
    assert "25 % of the time" in outline_as_dot(outline)
    (step,) = (one for one in json.loads(outline_as_json(outline))["steps"] if "kind" in one)
    assert step["time_share"] == 0.25
    assert "time" not in outline_as_dot(outline_of(file))


def test_onnx_runtimes_own_profile_is_read(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    feed = {one.name: np.ones([], np.float32) for one in session.get_inputs()}
    session.run(None, feed)
    profile = session.end_profiling()
    (loop,) = (one for one in with_times(outline_of(file), profile).steps
               if isinstance(one, Construct))  # fmt: skip
    assert loop.share is not None
    assert 0 < loop.share <= 1
    assert main(["show", str(file), "--times", profile]) == 0
    assert "% of the time" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no JSON", "is no profile of ONNX Runtime's"),
        ("{}", "is no profile of ONNX Runtime's"),
        ('[{"cat": "Node"}, 3]', "is no profile of ONNX Runtime's"),
        (json.dumps([event("Session", "model_run", 3)]), "no if or loop of"),
    ],
)
def test_what_is_no_profile_of_the_file_is_refused(
    file: Path, tmp_path: Path, text: str, said: str
) -> None:
    profile = tmp_path / "p.json"
    profile.write_text(text)
    with pytest.raises(UsageError, match=said):
        with_times(outline_of(file), profile)
    with pytest.raises(UsageError, match="cannot be read"):
        with_times(outline_of(file), tmp_path / "none.json")


def test_shares_in_words() -> None:
    assert [share_text(one) for one in (None, 0.0, 0.004, 0.126, 1.0)] == [
        "", "0 % of the time", "<1 % of the time", "13 % of the time", "100 % of the time",
    ]  # fmt: skip
