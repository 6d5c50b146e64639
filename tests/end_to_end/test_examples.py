"""Every example runs in eager PyTorch, exports with dynamic sizes, and agrees on all its inputs."""

from __future__ import annotations

import copy
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import fxexport
from fxexport.command.main import main
from tests.capture.state.test_state import step_by_step
from tests.support.harness import flatten, run_model

FOLDER = Path(__file__).resolve().parents[2] / "examples"
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


PLAIN = """
import sys
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
given = numpy.load(sys.argv[2])
results = session.run(None, {item.name: given[item.name] for item in session.get_inputs()})
numpy.savez(sys.argv[3], **{str(k): result for k, result in enumerate(results)})
assert not {"torch", "fxexport"} & set(sys.modules)
"""


@pytest.mark.parametrize("name", NAMES)
def test_example_comes_out_of_the_command_and_runs_without_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.onnx"
    assert main([str(FOLDER / f"{name}.py"), "--dynamic", "-o", str(path), "-q"]) == 0
    module = _load(name)
    graph = onnx.load(path).graph
    row = flatten(module.example_inputs)
    given = {item.name: np.asarray(value) for item, value in zip(graph.input, row, strict=True)}
    np.savez(tmp_path / "given.npz", **given)
    files = [str(path), str(tmp_path / "given.npz"), str(tmp_path / "results.npz")]
    subprocess.run([sys.executable, "-c", PLAIN, *files], check=True)
    results = np.load(tmp_path / "results.npz")
    with torch.no_grad():
        expected = flatten(module.model(*copy.deepcopy(module.example_inputs)))
    # Of what may be None, the flag beside it says that it is there.
    places = [k for k, item in enumerate(graph.output) if not item.name.endswith(".present")]
    assert len(expected) == len(places)
    for k, value in zip(places, expected, strict=True):
        np.testing.assert_allclose(results[str(k)], np.asarray(value), rtol=1e-3, atol=1e-4)


def test_the_streaming_example_runs_step_by_step() -> None:
    module = _load("streaming_rnn")
    exported = fxexport.export(copy.deepcopy(module.model), module.example_inputs, state="io")
    paths = [entry.path for entry in exported.graph.state]
    assert paths == ["hidden.0", "hidden.1", "steps"]
    generator = torch.Generator().manual_seed(3)
    frames = [torch.randn(8, generator=generator) * (k % 4 > 0) for k in range(40)]
    step_by_step(exported, lambda: copy.deepcopy(module.model), frames)
