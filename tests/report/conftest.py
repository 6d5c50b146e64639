"""What the tests of the report share."""

from __future__ import annotations

from pathlib import Path

import pytest

CODE = """\
import torch

def forward(x, items):
    y = x[0]

    if x[1] > 0:
        y = y + 1
    return y
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "model.py"
    path.write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return path
