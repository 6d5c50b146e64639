"""What the README says is so: its snippets run, its output is real, its tables are complete."""

from __future__ import annotations

import builtins
import importlib
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

import fxexport
from fxexport.command.main import EXIT_BUG, main
from fxexport.report.json import as_json
from fxexport.report.model import FindingKind, Verification, VerifiedCase

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

LOOKUP = """
SCALE = {"0.5": 1.0, "1.0": 0.5}


def forward(x):
    return x * SCALE[f"{x.shape[0] / 2}"]
""".lstrip()


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


def marked(name: str) -> str:
    match = re.search(rf"^<!-- {name} -->\n```text\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert match is not None, name
    return match[1]


def table_keys(heading: str) -> list[str]:
    """The code in the first column of all tables that follow such a line."""
    tables = [part.lstrip("\n").split("\n\n", 1)[0] for part in README.split(heading)[1:]]
    rows = [row for table in tables for row in table.splitlines()]
    return [key for row in rows for key in re.findall(r"`([^`]+)`", row.split("|")[1])]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's models, as the current one."""
    (tmp_path / "gate.py").write_text(blocks("python")[0])
    (tmp_path / "lookup.py").write_text(LOOKUP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def pipeline() -> Any:
    """The module behind `fxexport.export`."""
    return importlib.import_module("fxexport.pipeline")


# -- the first minute ------------------------------------------------------------------------------


def without_numbers(report: str) -> list[str]:
    """A report without what differs between machines: sizes of files, differences, progress."""
    kept = []
    for line in report.splitlines():
        line = re.sub(r"\d[\d.]* (bytes|KB|MB)$", "SIZE", line)
        kept.append(re.sub(r"(output +)\S+ +\S+ +ok$", r"\1 ok", line).rstrip())
    return kept


def test_the_first_model_gives_the_picture_and_the_report(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate.py", "--dynamic"]) == 0
    assert without_numbers(capsys.readouterr().out) == without_numbers(marked("report"))
    assert main(["show", "gate.onnx"]) == 0
    assert f"\nControl flow: 1 If\n{marked('picture')}\n" in capsys.readouterr().out


def test_tracing_keeps_one_way_of_the_first_model(folder: Path) -> None:
    namespace: dict[str, Any] = {}
    exec(blocks("python")[0], namespace)
    (x,) = namespace["example_inputs"]
    assert namespace["model"](x) is x


def test_the_refusal_shown_is_real(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lookup.py:forward", "--input", "x=float32[2,3]", "--dynamic", "-q"]) == 1
    assert capsys.readouterr().err == marked("refusal")


@pytest.mark.parametrize("command", [block for block in blocks("") if "pip install" in block])
def test_a_command_for_a_fresh_machine_names_what_exists(command: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.search(r"\[(.*)\]", command)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])
    for path in re.findall(r"\S+\.py", command):
        assert (ROOT / path).is_file()
    tool = command.split("&&")[1].split()[0]
    assert tool in project["scripts"] or tool == "pytest"


def test_two_commands_are_given() -> None:
    assert [block.count("\n") for block in blocks("") if "pip install" in block] == [1, 1]


@pytest.mark.parametrize("link", re.findall(r"\]\(([^):#]+)\)", README))
def test_a_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).is_file()


def test_the_python_snippets_run(folder: Path) -> None:
    script = folder / "snippets.py"
    checks = "\nassert exported.report.verification.ok"
    script.write_text("\n".join(blocks("python")[1:]) + checks)
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.glob("*.onnx")} == {
        "gate.onnx",
        "copy.onnx",
        "smoother.onnx",
    }


# -- the tables ------------------------------------------------------------------------------------


def test_the_options_are_those_of_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["--help"]) == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    shown = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", plain))
    assert {key for key in table_keys("| option | |") if key.startswith("--")} == shown


def test_the_kinds_of_findings_are_those_of_the_report() -> None:
    assert sorted(table_keys("| kind | |")) == sorted(get_args(FindingKind))


def test_the_json_keys_are_those_of_the_report() -> None:
    text = README.split("`--report json` prints", 1)[1].split("\n\n", 1)[0]
    assert set(as_json()) <= set(re.findall(r"`(\w+)`", text))


def test_the_names_used_are_public() -> None:
    for name in re.findall(r"`(\w+Error)`", README):
        assert name in fxexport.__all__ or hasattr(builtins, name)


# -- exit codes ------------------------------------------------------------------------------------


def promised() -> set[int]:
    rows = README.split("| exit code | |", 1)[1].split("\n\n", 1)[0]
    return {int(code) for code in re.findall(r"^\| (\d+) \|", rows, re.MULTILINE)}


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, ["gate.py"]),
        (0, ["gate.py", "--no-verify"]),
        (1, ["lookup.py:forward", "--input", "x=float32[2,3]", "--dynamic"]),
        (1, ["gate.py", "--input", "x=float32[2,7]"]),
        (1, ["gate.py", "--dynamic", "x:1=width"]),
        (2, ["no_such_file.py"]),
        (2, ["lookup.py"]),
        (2, ["gate.py", "--input", "y=float32[1]"]),
        (2, ["gate.py", "-o", "no_such_folder/gate.onnx"]),
        (2, ["gate.py", "--opset", "17"]),
        (0, ["gate.py", "--target", "tensorrt"]),
        (2, ["gate.py", "--target", "abacus"]),
    ],
)
def test_exit_codes(folder: Path, code: int, arguments: list[str]) -> None:
    assert code in promised()
    assert main([*arguments, "-q"]) == code
    assert bool(list(folder.glob("*.onnx"))) == (code == 0)


def test_a_file_that_disagrees_is_kept_under_another_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Verification(ran=True, cases=[VerifiedCase("example inputs", ok=False)], message="no")
    monkeypatch.setattr("fxexport.exported.verify", lambda *args, **kwargs: wrong)
    (folder / "gate.onnx").write_text("older")
    assert 3 in promised()
    assert main(["gate.py", "-q"]) == 3
    assert (folder / "gate.onnx").read_text() == "older"
    assert (folder / "gate.unverified.onnx").is_file()
    assert "`model.unverified.onnx`" in README


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (RuntimeError("x"), 70)])
def test_an_export_that_breaks_off_leaves_the_older_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def breaks(*args: Any, **kwargs: Any) -> Any:
        raise error

    (folder / "gate.onnx").write_text("older")
    monkeypatch.setattr(pipeline(), "lower", breaks)
    assert code in promised() | {EXIT_BUG}
    assert main(["gate.py", "-q"]) == code
    assert [(path.name, path.read_text()) for path in folder.glob("*.onnx*")] == [
        ("gate.onnx", "older")
    ]


# -- the limits ------------------------------------------------------------------------------------

REFUSED = {
    "text of a float as a key": 'return x * {"1.0": 1.0, "1.5": 3.0}[f"{x.shape[0] / 2}"]',
    "text of a float is returned": 'return x, f"{x.sum().item():.2f}"',
    "two items are one object": """
        boxes = [{"v": x}] * x.shape[0]
        boxes[0]["v"] = x * 2
        return boxes[-1]["v"]
    """,
    "items of unequal rank are returned": """
        rows = []
        for i in range(x.shape[0]):
            rows.append(x[i] if i > 1 else x)
        return rows
    """,
    "match takes a dynamic value apart": """
        match (x.shape[0], x.shape[1]):
            case (2, n):
                return x * n
            case _:
                return x
    """,
    "a long sequence at a dynamic index": """
        items = [float(i) for i in range(65)]
        return x * items[x.shape[0]]
    """,
    "reading values out": "return x + torch.from_numpy(x.numpy())",
    "a copy that is a view at size 1": """
        y = x.clone()
        z = y.t().contiguous()
        z[0] = 1.0
        return y
    """,
    "other memory": "x = x.clone(); x.set_(x * 2); return x",
    "data is assigned": "x = x.clone(); x.data = x * 2; return x",
    "other sizes in a branch": """
        y = x.clone()
        if x.sum() > 0:
            y.t_()
        return y
    """,
    "random numbers of Python": "import random; random.shuffle([1, 2]); return x",
    "factors of complex matrices": "return torch.linalg.pinv(x + 1j)",
}

KEPT = {
    "try around what may raise": """
        try:
            if x.shape[0] % 2:
                raise ValueError("odd")
        except ValueError:
            return x
        return x * 2
    """,
    "a write to one of two tensors": """
        a, b = x.clone(), x * 2
        c = a if x.sum() > 0 else b
        c.add_(1)
        return a, b
    """,
    "buffers swapped each trip": """
        now, after = x.clone(), torch.empty_like(x)
        for _ in range(x.shape[0]):
            after.copy_(now * 0.5)
            now, after = after, now
        return now
    """,
    "text is returned": 'return x, "many" if x.shape[0] > 2 else "few"',
    "tuples of unequal length are returned": "return (x, x.sum()) if x.sum() > 0 else (x,)",
    "items of unequal rank": """
        rows = []
        for i in range(x.shape[0]):
            rows.append(x[i] if i > 1 else x)
        return sum(row.sum() for row in rows)
    """,
    "a list of lists of dynamic length": """
        groups = []
        for i in range(x.shape[0]):
            groups.append([x[j] for j in range(i)])
        return len(groups[0])
    """,
    "an item is changed in place": """
        rows = [row * 2 for row in x]
        rows[0] += 1
        return torch.stack(rows)
    """,
    "a tensor or None is returned": """
        found = None
        if x.sum() > 0:
            found = x * 2
        return x, found
    """,
    "unequal ranks": "return x if x.sum() > 0 else x.sum()",
    "unequal dtypes": "return x if x.sum() > 0 else x > 0",
    "an int or a float is returned": """
        k = 1
        if x.sum() > 0:
            k = 0.5
        return x, k
    """,
    "text of a size as a key": 'return x * {"2": 1.0, "3": 2.0}[f"{x.shape[0]}"]',
    "text of a size is compared": 'return x if str(x.shape[0]) == "3" else x * 2',
    "a generator with an if of its own": """
        def parts():
            if x.sum() > 0:
                yield x
            yield x * 2

        return sum(parts())
    """,
    "sorting by dynamic values": "return x * sorted([x.shape[0], 2, 7])[0]",
}


def written(folder: Path, body: str) -> Any:
    """A function of a file of its own with this body."""
    file = folder / "limit.py"
    text = "import torch\n\n\ndef forward(x):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    file.write_text(text)
    namespace: dict[str, Any] = {}
    exec(compile(text, str(file), "exec"), namespace)
    return namespace["forward"]


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_a_limit_is_a_refusal(tmp_path: Path, body: str) -> None:
    forward = written(tmp_path, body)
    with pytest.raises(fxexport.UnsupportedError):
        fxexport.export(forward, (torch.randn(3, 3),), dynamic={"x": {0: "n"}}, verify=False)


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT)
def test_what_was_a_limit_once_is_kept(tmp_path: Path, body: str) -> None:
    forward = written(tmp_path, body)
    fxexport.export(forward, (torch.randn(3, 3),), dynamic={"x": {0: "n"}})


def test_state_starts_as_it_was_at_export() -> None:
    class Counter(torch.nn.Module):
        calls: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x + self.calls

    exported = fxexport.export(Counter(), (torch.zeros(2),))
    assert "forgets" in " ".join(f.message for f in exported.report.of_kind("note"))
    for _ in range(2):
        assert exported.graph.run(torch.zeros(2))[0].tolist() == [1, 1]
