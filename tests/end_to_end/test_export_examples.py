"""PyTorch's own examples of programs for torch.export, as they are installed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.harness import run_model

examples = pytest.importorskip("torch._export.db.examples")
EXAMPLES: dict[str, Any] = {
    name: case
    for name, case in examples.all_examples().items()
    if not getattr(case, "example_kwargs", None)
}


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_agrees_or_is_refused(name: str, dynamic: bool) -> None:
    case = EXAMPLES[name]
    inputs = [tuple(copy.deepcopy(case.example_args))]
    outcome = run_model(lambda: copy.deepcopy(case.model), inputs, dynamic=dynamic)
    supported = case.support_level.name == "SUPPORTED"
    assert outcome.status == "agree" or (not supported and outcome.status == "refused")
