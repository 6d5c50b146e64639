"""Engines run beside PyTorch; skipped without a GPU and TensorRT."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from tests.gpu.checks import CHECKS, check_program, check_shape_outside_the_profile

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
    pytest.mark.skipif(
        not any(importlib.util.find_spec(name) for name in ("tensorrt", "tensorrt_rtx")),
        reason="needs TensorRT",
    ),
]


@pytest.mark.parametrize("name", CHECKS)
def test_the_engine_gives_what_pytorch_gives(name: str) -> None:
    assert check_program(name) == ""


def test_a_shape_outside_of_the_profile_is_refused_with_the_profile() -> None:
    assert check_shape_outside_the_profile() == ""
