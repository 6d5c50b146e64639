"""How deep ifs may stand in each other: as deep as ONNX Runtime reads a file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.capturing import agrees, refused


def early_returns(count: int, folder: Path) -> Callable[..., Any]:
    """A function that leaves at one of so many lines."""
    lines = ["def program(x, t):"]
    for k in range(count):
        lines += [f"    if t == {k}:", f"        return x + {k}"]
    path = folder / f"early_returns_{count}.py"
    path.write_text("\n".join([*lines, "    return x * 2", ""]))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Any] = module.program
    return found


def test_thirty_ifs_in_each_other_are_kept(tmp_path: Path) -> None:
    rows = [(torch.ones(2), torch.tensor(k)) for k in (0, 17, 29, 30)]
    agrees(early_returns(30, tmp_path), rows)


@pytest.mark.parametrize("count", [31, 70])
def test_more_are_refused_before_anything_is_written(count: int, tmp_path: Path) -> None:
    error = refused(early_returns(count, tmp_path), [(torch.ones(2), torch.tensor(0))])
    assert "inside each other" in error.message
    assert error.location is not None and error.location.line == 62
