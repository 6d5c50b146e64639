"""What a scan reads off source, and that it runs nothing of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fxexport.codes.ids import Code
from fxexport.command.main import main
from fxexport.errors import UsageError
from fxexport.scan.data import annotations_in, scan_as_json
from fxexport.scan.model import Called, FoundModel, sites_in
from fxexport.scan.project import scan


def model_of(tmp_path: Path, body: str, before: str = "", init: str = "pass") -> FoundModel:
    """The one model of a file, of whose class this is the rest."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    text = f"{before}\nclass M(nn.Module):\n    def __init__(self):\n        {init}\n{indented}\n"
    (tmp_path / "m.py").write_text(text)
    (file,) = scan([tmp_path / "m.py"], jobs=1)
    assert file.problem == ""
    (model,) = file.models
    return model


def forward(tmp_path: Path, *lines: str, given: str = "x", before: str = "", init: str = "pass"):  # type: ignore[no-untyped-def]
    """The sites of a forward method as (kind, what decides), in order."""
    body = f"def forward(self, {given}):\n" + "\n".join(f"    {line}" for line in lines)
    return [
        (site.kind, site.decides.value)
        for site in sites_in(model_of(tmp_path, body, before, init).steps)
    ]


@pytest.mark.parametrize(
    ("condition", "decides"),
    [
        ("x.sum() > 0", "values"),
        ("bool(x[0])", "values"),
        ("x.max().item() > self.limit", "values"),
        ("(x > 0).any() and self.training", "values"),
        ("torch.isnan(x).all()", "values"),
        ("x.shape[0] > 4", "sizes"),
        ("x.size(1) % 2", "sizes"),
        ("len(x) > 1", "sizes"),
        ("x.numel() == 0", "sizes"),
        ("x.mean(0).shape[-1] > n", "sizes"),
        ("self.training", "configuration"),
        ("x is None", "configuration"),
        ("x.dim() == 3 and x.is_cuda", "configuration"),
        ("len(x.shape) == 4", "configuration"),
        ("x.dtype == torch.float16", "configuration"),
        ("isinstance(x, tuple)", "configuration"),
        ("n > 3", "configuration"),
        ("self.mask.any()", "values"),
        ("self.weight.sum() > 0", "values"),
        ("self.other > 0", "configuration"),
    ],
)
def test_what_a_condition_hangs_on(tmp_path: Path, condition: str, decides: str) -> None:
    init = "self.register_buffer('mask', None); self.weight = nn.Parameter(None)"
    found = forward(
        tmp_path, f"if {condition}:", "    x = x + 1", "return x", given="x, n: int = 2", init=init
    )
    assert found == [("if", decides)]


@pytest.mark.parametrize(
    ("loop", "decides"),
    [
        ("for row in x:", "sizes"),
        ("for k in range(x.shape[0]):", "sizes"),
        ("for k in range(int(x.max())):", "values"),
        ("for k in range(self.depth):", "configuration"),
        ("for k, row in enumerate(x):", "sizes"),
        ("for a, layer in zip(x, self.layers):", "sizes"),
        ("for layer in self.layers:", "configuration"),
        ("while x.sum() > 0:", "values"),
        ("while k < x.shape[1]:", "sizes"),
    ],
)
def test_what_the_number_of_iterations_hangs_on(tmp_path: Path, loop: str, decides: str) -> None:
    (found,) = forward(tmp_path, "k = 0", loop, "    x = x * 2", "return x")
    assert found == (loop.split()[0], decides)


def test_variables_carry_what_they_hang_on(tmp_path: Path) -> None:
    found = forward(
        tmp_path,
        "b, c = x.shape",
        "half = b // 2",
        "done = self.flag",
        "for k in range(3):",
        "    if done:",
        "        break",
        "    done = x.sum() > k",
        "if half > 2: pass",
    )
    assert found == [("for", "configuration"), ("if", "values"), ("if", "sizes")]


def test_paths_of_an_if_are_merged(tmp_path: Path) -> None:
    found = forward(
        tmp_path, "n = 1", "if self.a:", "    n = x.sum()", "if n > 0: pass", "return x"
    )
    assert found == [("if", "configuration"), ("if", "values")]


def test_other_constructs_are_sites(tmp_path: Path) -> None:
    found = forward(
        tmp_path,
        "y = x if x.sum() > 0 else -x",
        "assert x.shape[0] > 1",
        "rows = [r for r in x if r.sum() > 0]",
        "match int(x[0]):",
        "    case 0: pass",
        "return y",
    )
    assert found == [
        ("conditional", "values"), ("assert", "sizes"), ("comprehension", "values"),
        ("match", "values"),
    ]  # fmt: skip


def test_methods_functions_and_bases_are_followed_with_what_they_get(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text(
        "def pick(a, b):\n    if b:\n        return a.sum()\n    return b\n\n"
        "class Base:\n    def step(self, x):\n        if x.shape[0] > 1:\n            return x\n"
    )
    (package / "model.py").write_text(
        "from .base import Base, pick as choose\n\n"
        "class M(Base):\n    def forward(self, x):\n        x = self.step(x)\n"
        "        if choose(x, True) > 0:\n            return x\n        return choose(x, x)\n"
    )
    (file,) = scan([tmp_path], jobs=1)
    (model,) = file.models
    calls = [step for step in model.steps if isinstance(step, Called)]
    assert [(call.name, Path(call.file).name) for call in calls] == [
        ("self.step", "base.py"), ("choose", "base.py"), ("choose", "base.py"),
    ]  # fmt: skip
    assert [(site.line, site.decides.value) for site in sites_in(model.steps)] == [
        (8, "sizes"), (2, "configuration"), (6, "values"), (2, "values"),
    ]  # fmt: skip


def test_recursion_ends(tmp_path: Path) -> None:
    before = "def down(x):\n    if x.sum() > 0:\n        return down(x - 1)\n    return x\n"
    assert forward(tmp_path, "return down(x)", before=before) == [("if", "values")]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("y = x.numpy()", Code.VALUE_NEEDED),
        ("self.cache.data = x", Code.MEMORY),
        ("p = random.random()", Code.RANDOM_AT_EXPORT),
        ("x.resize_(3)", Code.MEMORY),
    ],
)
def test_what_an_export_refuses_is_told_with_its_code(
    tmp_path: Path, line: str, code: Code
) -> None:
    model = model_of(tmp_path, f"def forward(self, x):\n    {line}\n    return x")
    (hint,) = model.hints
    assert (hint.code, hint.source) == (code, line)


def test_nothing_of_the_source_runs(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    before = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"
    forward(tmp_path, "if x.sum() > 0: pass", before=before)
    assert not marker.exists()


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_scanned(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def f(:\n")
    (tmp_path / "null.py").write_bytes(b"x = 1\0\n")
    (tmp_path / "code.py").write_bytes(b"# coding: latin-1\nx = '\xe9'\n")
    (tmp_path / "good.py").write_text("class M:\n    def forward(self, x):\n        return x\n")
    found = scan([tmp_path], jobs=1)
    assert [(Path(one.path).name, bool(one.problem)) for one in found] == [
        ("bad.py", True), ("good.py", False), ("null.py", True),
    ]  # fmt: skip


def test_many_files_are_scanned_side_by_side_with_the_same_result(tmp_path: Path) -> None:
    for k in range(120):
        (tmp_path / f"m{k}.py").write_text(
            f"class M{k}:\n    def forward(self, x):\n        if x.sum() > {k}: return x\n"
        )
    assert scan([tmp_path], jobs=2) == scan([tmp_path], jobs=1)


def test_hidden_and_installed_folders_are_left_out(tmp_path: Path) -> None:
    for folder in (".git", "__pycache__", "site-packages"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.py").write_text("class M:\n    def forward(self): pass\n")
    assert scan([tmp_path], jobs=1) == []


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        scan([tmp_path / "gone"])
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(UsageError, match="no Python file"):
        scan([tmp_path / "a.txt"])


SOURCE = """
class Gate(nn.Module):
    def forward(self, x):
        if self.training:
            return x
        if x.sum() > 0:
            x = x.numpy()
        return x

class Plain(nn.Module):
    def forward(self, x):
        return x if self.flag else -x
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "gate.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_shows_what_the_run_decides(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan", "."]) == 0
    out = capsys.readouterr().out
    assert "Gate.forward  line 3\n├── if              6  if x.sum() > 0:  [values]\n" in out
    assert "└── FX101           7  x = x.numpy()  the values of a tensor go to NumPy\n" in out
    assert "Plain.forward" not in out
    assert "2 models in 1 files" in out
    assert "1 models that configuration alone decides" in out


def test_the_command_shows_all_on_request(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "gate.py", "--all"]) == 0
    out = capsys.readouterr().out
    assert "Plain.forward" in out
    assert "if self.training:  [configuration]" in out


def test_the_command_prints_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "gate.py", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data == json.loads(scan_as_json(scan(["gate.py"])))
    gate = data["files"][0]["models"][0]
    assert [step["decides"] for step in gate["steps"]] == ["configuration", "values"]
    assert gate["hints"][0]["code"] == "FX101"


def test_the_command_prints_annotations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "gate.py", "--format", "github"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "::warning file=gate.py,line=7,title=fxexport FX101::the values of a tensor go to NumPy",
        "::notice file=gate.py,line=6,title=fxexport FX001::if: decided by values of tensors",
    ]
    assert main(["scan", "gate.py", "--format", "sarif"]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"][0]["results"]) == 2
    assert len(annotations_in(scan(["gate.py"]))) == 2


def test_a_missing_path_is_wrong_usage(folder: Path) -> None:
    assert main(["scan", "nowhere"]) == 2
