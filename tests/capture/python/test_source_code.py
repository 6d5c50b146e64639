"""A function is read from the file that it was imported from, or not at all."""

from __future__ import annotations

import importlib.util
import linecache
import sys
from pathlib import Path
from types import ModuleType

import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch

import fxexport
from fxexport.capture.python.source_code import ChangedSourceError, find_source

TEXT = """
def model(x):
    if x.sum() > 0:
        return x * {factor}
    return x - 1
"""
X = torch.ones(2)


def load(path: Path, name: str = "program") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(folder: Path, factor: float) -> Path:
    path = folder / "program.py"
    path.write_text(TEXT.format(factor=factor))
    return path


def test_a_file_that_changed_after_the_import_is_not_read(tmp_path: Path) -> None:
    module = load(written(tmp_path, 2.0))
    linecache.clearcache()
    written(tmp_path, 5.0)
    with pytest.raises(ChangedSourceError):
        find_source(module.model)
    with pytest.raises(fxexport.UnsupportedError, match="changed since it was imported"):
        fxexport.export(module.model, (X,), dynamic=True)


def test_a_file_that_was_imported_anew_is_read_anew(tmp_path: Path) -> None:
    path = written(tmp_path, 2.0)
    first = load(path)
    fxexport.export(first.model, (X,), verify=False)
    path = written(tmp_path, 50.0)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        for cached in (tmp_path / "__pycache__").glob("*"):
            cached.unlink()
        second = load(path)
    finally:
        sys.dont_write_bytecode = before
    exported = fxexport.export(second.model, (X,))
    assert exported.report.verification.ok
    assert exported.graph.run(X)[0].tolist() == [50.0, 50.0]


def test_other_lines_in_front_do_not_matter(tmp_path: Path) -> None:
    module = load(written(tmp_path, 2.0))
    found = find_source(module.model)
    assert found is not None and found[1] is None


@pytest.mark.parametrize(
    "function",
    [
        torch.nn.MultiheadAttention.forward,
        torch.nn.functional.interpolate,
        torch.nn.LSTM.forward,
        torch.nn.Module.__init__,
        lambda x: x + 1,
    ],
)
def test_functions_of_all_kinds_are_recognised(function: object) -> None:
    assert find_source(function) is not None  # type: ignore[arg-type]


# fmt: off
LAMBDAS = {
    "returned": (lambda: (lambda x: x * 2 if x.sum() > 0 else x - 1))(),
    "returned over two lines": (lambda: (lambda x: x * 2
        if x.sum() > 0 else x - 1))(),
    "returned twice": (lambda: lambda: lambda x: x * 2 if x.sum() > 0 else x - 1)()(),
    "first of two": [lambda x: x * 2 if x.sum() > 0 else x - 1, lambda x: x * 3][0],
    "second of two": [lambda x: x * 3, lambda x: x * 2 if x.sum() > 0 else x - 1][1],
    "calls one inside": lambda x: (lambda y: y * 2 if y.sum() > 0 else y - 1)(x),
    "inside, with a closure": (lambda k: lambda x: (lambda y: y * k if x.sum() > 0 else y)(x))(2),
    "an argument": (lambda f: lambda x: f(x) if x.sum() > 0 else x - 1)(lambda x: x * 2),
    "a default": lambda x, f=lambda x: x * 2: f(x) if x.sum() > 0 else x - 1,
    "after wider letters": ("äöü", lambda: (lambda x: x * 2 if x.sum() > 0 else x - 1))[1](),
}
# fmt: on


@pytest.mark.parametrize("name", LAMBDAS)
def test_lambdas_on_one_line_are_told_apart(name: str) -> None:
    function = LAMBDAS[name]
    made = fxexport.export(function, (X,), dynamic={"x": {0: "n"}}, verify=False)
    session = onnxruntime.InferenceSession(
        made.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for x in (torch.ones(3), -torch.ones(4)):
        (got,) = session.run(None, {"x": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(got), function(x))
