"""Loops whose tensors change their sizes build, and agree at min, opt and max of the profile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fxexport
import fxexport.tensorrt
from tests.passes.tensorrt.capacity.test_give_capacity import PROGRAMS

pytest.importorskip("onnxruntime")
pytest.importorskip("tensorrt_rtx")

NAMES = (
    "looks_back_at_all",
    "suppresses",
    "suffixes",
    "halves_an_image",
    "indexes",
    "one_way_only",
)
CHOSEN = [(program, inputs) for program, inputs in PROGRAMS if program.__name__ in NAMES]


@pytest.mark.parametrize(("program", "inputs"), CHOSEN, ids=lambda v: getattr(v, "__name__", ""))
def test_it_builds(
    program: Callable[..., Any], inputs: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    tensors = [row[0] for row in inputs]
    low, high = (
        tuple(max(1, function(t.shape[d] for t in tensors)) for d in range(tensors[0].ndim))
        for function in (min, max)
    )
    name = program.__code__.co_varnames[0]
    made = fxexport.export(
        program,
        tensors[0],
        tmp_path / "model.onnx",
        profiles={name: (low, tuple(tensors[0].shape), high)},
        target="tensorrt",
    )
    assert made.report.verification is not None and made.report.verification.ok
    assert fxexport.tensorrt.build(made, timeout=120).ok
