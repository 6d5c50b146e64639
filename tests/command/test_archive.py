"""TorchScript archives on the command line: exported, or refused without a pickle being read."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fxexport.command.archive import load_archive
from fxexport.command.main import main
from fxexport.errors import UsageError
from tests.support.scripted import scripted


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.work = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            x = self.work(x)
        for row in x:
            x = x + row
        return x

    @torch.jit.export
    def halve(self, x: torch.Tensor, limit: float = 1.0) -> torch.Tensor:
        while bool(x.abs().max() > limit):
            x = x / 2
        return x


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(0)
    torch.jit.save(scripted(Gate().eval()), str(tmp_path / "gate.pt"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "gate.pt"


def test_an_archive_is_exported_with_its_branches_and_lines(archive: Path, capsys: Any) -> None:
    assert main(["gate.pt", "--input", "x=float32[n,4]"]) == 0
    out = capsys.readouterr().out
    assert "test_archive.py" in out
    assert "if x.sum() > 0:" in out
    assert "for row in x:" in out
    assert (archive.parent / "gate.onnx").exists()


def test_another_method_is_exported_by_name(archive: Path, capsys: Any) -> None:
    assert main(["gate.pt", "--method", "halve", "--input", "x=float32[n]"]) == 0
    assert "while bool(x.abs().max() > limit):" in capsys.readouterr().out


def test_a_method_that_is_not_there_is_named(archive: Path, capsys: Any) -> None:
    assert main(["gate.pt", "--method", "train_step", "--input", "x=float32[n]"]) == 2
    err = capsys.readouterr().err
    assert "train_step" in err
    assert "forward, halve" in err


def test_an_archive_has_no_objects_to_choose_from(archive: Path, capsys: Any) -> None:
    assert main(["gate.pt:Gate", "--input", "x=float32[2,4]"]) == 2
    assert "--method" in capsys.readouterr().err


def test_an_archive_without_inputs_says_what_the_model_takes(archive: Path, capsys: Any) -> None:
    assert main(["gate.pt"]) == 2
    assert "--input x=" in capsys.readouterr().err


def test_an_archive_has_no_python_source(archive: Path, capsys: Any) -> None:
    assert main(["gate.pt", "--capture", "python", "--input", "x=float32[2,4]"]) == 2
    assert "no Python source" in capsys.readouterr().err


class _Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (self.path, "w"))


@pytest.mark.parametrize("kind", ["pickle", "torch.save", "old torch.save", "disguised"])
def test_a_pickle_is_never_read(kind: str, tmp_path: Path, capsys: Any) -> None:
    path, trace = tmp_path / "model.pt", tmp_path / "trace"
    bomb = _Bomb(str(trace))
    if kind == "pickle":
        path.write_bytes(pickle.dumps(bomb))
    elif kind == "disguised":  # all the names of an archive, around a pickle that runs code
        with zipfile.ZipFile(path, "w") as file:
            for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
                file.writestr(f"model/{name}", pickle.dumps(bomb, protocol=2))
            file.writestr("model/version", "3\n")
    else:
        torch.save(bomb, path, _use_new_zipfile_serialization=kind == "torch.save")
    assert main([str(path), "--input", "x=float32[2]"]) == 2
    assert not trace.exists()
    assert "model.pt" in capsys.readouterr().err


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def _damaged(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in parts.items():
            file.writestr(name, data[: len(data) // 2] if name.endswith(".py") else data)


def _without_weights(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist() if "/data/" not in name}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in parts.items():
            file.writestr(name, data)


@pytest.mark.parametrize("damage", [_truncated, _damaged, _without_weights])
def test_a_damaged_archive_is_wrong_usage(damage: Any, archive: Path, capsys: Any) -> None:
    damage(archive)
    assert main(["gate.pt", "--input", "x=float32[2,4]"]) == 2
    err = capsys.readouterr().err
    assert "gate.pt" in err
    assert "bug" not in err


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no TorchScript archive"), (b"hello", "no TorchScript archive"), (b"PK\x03\x04", "cut")],
)
def test_what_is_no_archive_is_said(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        load_archive(path)


def test_a_zip_of_something_else_is_said(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(UsageError, match="no TorchScript archive"):
        load_archive(path)


def test_an_exported_program_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    program = torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.export.save(program, str(tmp_path / "model.pt2"))
    (tmp_path / "model.pt2").rename(path)
    with pytest.raises(UsageError, match=r"torch\.export"):
        load_archive(path)
