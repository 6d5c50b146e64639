"""Every example runs in eager PyTorch, exports with dynamic sizes, and agrees on all its inputs."""

from __future__ import annotations

import copy
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.harness import flatten, run_model

FOLDER = Path(__file__).resolve().parent.parent / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _inputs(module: ModuleType) -> list[tuple[Any, ...]]:
    return [module.example_inputs, *module.check_inputs]


@pytest.mark.parametrize("name", NAMES)
def test_example_knows_nothing_of_the_exporter(name: str) -> None:
    assert "fxexport" not in (FOLDER / f"{name}.py").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_example_gives_the_same_inputs_and_outputs_each_time(name: str) -> None:
    first, second = _load(name), _load(name)
    for one, two in zip(_inputs(first), _inputs(second), strict=True):
        with torch.no_grad():
            results = flatten(first.model(*one)), flatten(second.model(*two))
        for a, b in zip(*results, strict=True):
            assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))


@pytest.mark.parametrize("name", NAMES)
def test_example_exports_and_agrees(name: str) -> None:
    module = _load(name)
    outcome = run_model(lambda: copy.deepcopy(module.model), _inputs(module))
    assert outcome.status == "agree", outcome.details
