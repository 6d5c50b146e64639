"""Everything that is printed as JSON is as its JSON Schema says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jsonschema")
pytest.importorskip("onnxruntime")

import jsonschema

import fxexport
from fxexport import pipeline
from fxexport.command.main import main
from fxexport.report import json_schema
from fxexport.report.json import SchemaName

NAMES: tuple[SchemaName, ...] = ("report", "check", "outline", "differences", "scan")

MODEL = """
import torch

def good(x, n: int):
    x = -x
    if x.sum() > 0 and n > 2:
        x = x * 2
    while x.max() > 1:
        x = x / 2
    return x, x[x > 0], n

def refused(x):
    y = x.numpy()
    return y

def refused_twice(x):
    y = x.numpy()
    z = x.sum().numpy()
    return x

def raises(x):
    raise ValueError("no")

def hard(x):
    if x.sum() > 0:
        x = x * 2 if x.sum() < -1 and x.sum() > 1 else x
    return x

example_inputs = (torch.ones(2, 3),)
"""

GOOD = ["net.py:good", "--input", "x=float32[2,3]", "--input", "n=3"]
RANGE = ["--dynamic", "x:0=rows[1..8]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schema")
    (folder / "net.py").write_text(MODEL)
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert main([*GOOD, *RANGE, "-q", "-o", "good.onnx"]) == 0
        assert main(["net.py:hard", "-q", "-o", "other.onnx", "--no-verify"]) == 0
    finally:
        os.chdir(before)
    return folder


def printed(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str], name: SchemaName
) -> tuple[int, Any]:
    """The exit code and the JSON of a command, which is valid."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        code = main(arguments)
    finally:
        os.chdir(before)
    data = json.loads(capsys.readouterr().out)
    check(data, name)
    return code, data


def check(data: Any, name: SchemaName) -> None:
    schema = json_schema(name)
    validator = jsonschema.validators.validator_for(schema)
    validator(schema).validate(data)
    assert data["schema"] == 1


def nested(schema: Any) -> list[dict[str, Any]]:
    """All schemas inside of one."""
    inner = schema.values() if isinstance(schema, dict) else schema
    found = [one for value in inner if isinstance(value, dict | list) for one in nested(value)]
    return [schema, *found] if isinstance(schema, dict) else found


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_and_strict(name: SchemaName) -> None:
    schema = json_schema(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    for inner in nested(schema):
        if "properties" in inner and isinstance(inner.get("required"), list):
            assert inner["additionalProperties"] is False
            assert inner["required"] == list(inner["properties"])


def test_what_schemas_share_is_the_same_in_all() -> None:
    shared: dict[str, Any] = {}
    for name in NAMES:
        for key, value in json_schema(name)["$defs"].items():
            if key not in ("value", "loop", "step", "model", "construct"):
                assert shared.setdefault(key, value) == value, (name, key)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--json-schema"], "report"),
        (["verify", "--json-schema"], "report"),
        (["check", "--json-schema"], "check"),
        (["show", "--json-schema"], "outline"),
        (["diff", "--json-schema"], "differences"),
        (["scan", "--json-schema"], "scan"),
    ],
)
def test_the_command_prints_its_schema(
    arguments: list[str], name: SchemaName, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == json_schema(name)


def test_a_good_export(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*GOOD, *RANGE, "--report", "json", "-o", "json.onnx"]
    code, data = printed(arguments, folder, capsys, "report")
    assert (code, data["ok"], data["error"]) == (0, True, None)
    assert data["versions"]["fxexport"] == fxexport.__version__
    assert data["versions"]["torch"] and data["versions"]["onnxruntime"]
    assert data["versions"]["tensorrt"] is None
    (x,) = data["inputs"]
    assert x["shape"] == [
        {"name": "rows", "value": None, "min": 1, "max": 8},
        {"name": None, "value": 3, "min": None, "max": None},
    ]
    for output in data["outputs"]:
        assert all(set(size) == set(x["shape"][0]) for size in output["shape"])


def test_numbers_and_sizes_that_vary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*GOOD, "--dynamic", "--report", "json", "-o", "json.onnx", "--no-verify"]
    code, data = printed(arguments, folder, capsys, "report")
    x, n = data["inputs"]
    assert (code, x["kind"], n["kind"]) == (0, "tensor", "int")
    assert set(x) == set(n)


def test_findings_say_their_columns_and_nodes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, data = printed(
        [*GOOD, "--report", "json", "-o", "json.onnx", "--no-verify"], folder, capsys, "report"
    )
    found = {one["kind"]: one for one in data["findings"]}
    line = found["loop"]["location"]
    text = MODEL.splitlines()[line["line"] - 1]
    assert text[line["column"] - 1 : line["end_column"] - 1] == "while x.max() > 1:"
    assert any("loop" in name.lower() for name in found["loop"]["nodes"])
    assert found["branch"]["nodes"]


@pytest.mark.parametrize(
    ("model", "errors"), [("refused", 1), ("refused_twice", 2), ("raises", 1), ("missing", 1)]
)
def test_a_refusal(
    folder: Path, capsys: pytest.CaptureFixture[str], model: str, errors: int
) -> None:
    code, data = printed([f"net.py:{model}", "--report", "json"], folder, capsys, "report")
    assert code in (1, 2)
    assert data["ok"] is False
    assert 1 + len(data["error"]["others"]) == errors


def test_a_refusal_says_the_part_of_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, data = printed(["net.py:refused", "--report", "json"], folder, capsys, "report")
    place = data["error"]["location"]
    assert place["code"] == "y = x.numpy()"
    assert (place["column"], place["end_column"]) == (9, 18)


def test_a_disagreement(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fxexport.register_lowering("aten::neg", lambda op, x: op.Abs(x)):
        code, data = printed(
            [*GOOD, "--report", "json", "-o", "wrong.onnx"], folder, capsys, "report"
        )
    assert (code, data["ok"], data["verification"]["ok"]) == (3, False, False)


def test_forced_goals(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = printed(
        ["net.py:hard", "--report", "json", "-o", "hard.onnx"], folder, capsys, "report"
    )
    assert code == 0
    assert "forced" in [goal["reached"] for goal in data["verification"]["goals"]]
    assert data["verification"]["coverage"]["forced"] > 0


def test_a_bug_of_ours(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(pipeline, "export", fails)
    code, data = printed(["net.py:hard", "--report", "json"], folder, capsys, "report")
    assert (code, data["error"]["exit_code"]) == (70, 70)


def test_wrong_usage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = printed(["net.py:good", "--report", "json", "--opset"], folder, capsys, "report")
    assert (code, data["error"]["code"]) == (2, "FX901")


@pytest.mark.parametrize(("model", "expected"), [("good", 0), ("hard", 2)])
def test_the_comparison_of_an_older_file(
    folder: Path, capsys: pytest.CaptureFixture[str], model: str, expected: int
) -> None:
    arguments = ["verify", "good.onnx", "--model", f"net.py:{model}", "--json"]
    code, _ = printed(
        [*arguments, "--input", "x=float32[2,3]", "--input", "n=3"], folder, capsys, "report"
    )
    assert code == expected


@pytest.mark.parametrize("file", ["good.onnx", "no.onnx"])
def test_a_check(folder: Path, capsys: pytest.CaptureFixture[str], file: str) -> None:
    code, data = printed(["check", file, "--json", "--no-build"], folder, capsys, "check")
    assert (data["error"] is None) == (file == "good.onnx") == (code != 2)


@pytest.mark.long
def test_an_engine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorrt_rtx")
    words = ["net.py:hard", "--target", "tensorrt", "--build", "--report", "json"]
    code, data = printed([*words, "-o", "engine.onnx"], folder, capsys, "report")
    assert (code, data["build"]["ok"]) == (0, True)
    assert data["versions"]["tensorrt"] == data["build"]["builder"]
    _, data = printed(["check", "engine.onnx", "--json"], folder, capsys, "check")
    assert data["versions"]["tensorrt"]


def test_an_outline(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, data = printed(["show", "good.onnx", "--json"], folder, capsys, "outline")
    assert data["inputs"][0]["shape"][0]["name"] == "rows"


def test_differences(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = printed(["diff", "good.onnx", "other.onnx", "--json"], folder, capsys, "differences")
    assert code == 1


def test_a_scan(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "models.py").write_text(
        "import torch\n"
        "def helper(y):\n    return y if y.sum() > 0 else -y\n"
        "class Net(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        for row in x:\n            x = helper(x)\n"
        "        return torch.tensor(x.tolist())\n"
    )
    (folder / "broken.py").write_text("def (:\n")
    code, data = printed(["scan", ".", "--format", "json"], folder, capsys, "scan")
    assert code == 0
    assert any(file["models"] for file in data["files"])
