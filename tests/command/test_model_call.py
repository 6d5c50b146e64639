"""What only the command knows of a model is in the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fxexport.command.main import main

MODEL = """
import torch
from torch import nn

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.work = nn.Linear(3, 2)

    def forward(self, x):
        return self.work(x)

class Double(nn.Module):
    def forward(self, x):
        return x * 2

def make() -> nn.Module:
    return Head()

there = Head()
example_inputs = (torch.ones(1, 3),)
"""


@pytest.mark.parametrize(
    ("name", "told"), [("Head", True), ("there", False), ("make", False), ("Double", False)]
)
def test_weights_of_a_model_that_the_command_has_made_are_told_to_be_new(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    told: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODEL)
    assert main([f"net.py:{name}", "--no-verify", "--report", "json"]) == 0
    found = [one for one in json.loads(capsys.readouterr().out)["findings"]
             if one["code"] == "FX014"]  # fmt: skip
    assert [one["message"] for one in found] == [
        "Head() was called to make the model: its weights are those that it begins with, and none "
        "were loaded"
    ] * told
