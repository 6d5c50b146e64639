"""Targets are found by their folders, and imported when they are used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import fxexport
from fxexport import targets

ABACUS = """
from fxexport.errors import UnsupportedError
from fxexport.passes import eliminate_dead_code
from fxexport.targets.target import Target


def check(graph, model):
    if any(node.op_type == "Exp" for node in model.graph):
        raise UnsupportedError("an abacus has no exponentials")
    return ["beads are slow"]


TARGET = Target("abacus", passes=(eliminate_dead_code,), best_opset=19, check=check)
"""


@pytest.fixture
def abacus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "abacus"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "target.py").write_text(ABACUS)
    monkeypatch.setattr(targets, "__path__", [*targets.__path__, str(tmp_path)])
    for name in ("fxexport.targets.abacus", "fxexport.targets.abacus.target"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "abacus"


def double(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def test_a_folder_is_a_target(abacus: str) -> None:
    assert targets.target_names() == ["abacus", "onnxruntime", "tensorrt"]
    exported = fxexport.export(double, (torch.ones(3),), target=abacus, verify=False)
    assert exported.model.opset_import[0].version == 19
    assert "beads are slow" in [finding.message for finding in exported.report.findings]


def test_what_a_target_refuses_is_not_exported(abacus: str) -> None:
    with pytest.raises(fxexport.UnsupportedError, match="no exponentials"):
        fxexport.export(torch.exp, (torch.ones(3),), target=abacus, verify=False)


@pytest.mark.parametrize("name", targets.target_names())
def test_a_target_is_named_as_its_folder(name: str) -> None:
    assert targets.target_named(name).name == name


def test_an_unknown_target_is_wrong_usage() -> None:
    with pytest.raises(fxexport.UsageError, match="knows: onnxruntime, tensorrt"):
        targets.target_named("abacus")


def test_max_trips_are_refused_where_no_target_needs_them(abacus: str) -> None:
    with pytest.raises(fxexport.UsageError, match="for target 'tensorrt'; 'abacus' needs no bound"):
        targets.check_max_trips(4, targets.target_named(abacus))


def test_only_the_target_in_use_is_imported() -> None:
    code = (
        "import sys, fxexport.pipeline\n"
        "from fxexport.targets import target_named\n"
        "target_named('onnxruntime')\n"
        "rooms = ('fxexport.passes.tensorrt', 'fxexport.targets.tensorrt')\n"
        "print([name for name in sys.modules if name.startswith(rooms)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
