"""The contract in a file's metadata."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import fxexport


def program(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if x.shape[1] % 2 != 0:
        raise ValueError("odd")
    if x.sum() > 0:
        assert x.max() < 10, "small"
        x = x * 2
    return x * (torch.ones(16).narrow(0, 0, y.shape[0]) + y).sum()


def contract(**options: Any) -> dict[str, Any]:
    exported = fxexport.export(
        program,
        (torch.ones(2, 4), torch.ones(3)),
        dynamic={"x": {0: "batch", 1: "n"}, "y": {0: "m"}},
        verify=False,
        **options,
    )
    props = {p.key: p.value for p in exported.model.metadata_props}
    found: dict[str, Any] = json.loads(props["pkg.fxexport.contract"])
    return found


def test_the_contract_says_what_must_hold() -> None:
    found = contract()
    assert found["version"] == 1 and found["checked"] is True
    assert found["dimensions"]["batch"] == {
        "min": 0, "max": None, "at": [{"input": "x", "axis": 0}],
    }  # fmt: skip
    assert found["dimensions"]["m"]["max"] == 16
    (even,) = (one for one in found["relations"] if one["text"] == "n % 2 == 0")
    assert even["expression"] == "d0 % 2 == 0" and even["names"] == ["n"]
    assert even["place"].startswith("test_contract.py:")
    # A batch of nothing has no maximum.
    texts = [guard["text"] for guard in found["guards"]]
    assert len(texts) == 2 and "AssertionError: small" in texts and "largest" in texts[0]
    assert all(guard["place"].startswith("test_contract.py:") for guard in found["guards"])
    assert found["unchecked"] == [] and found["pins"] == [] and found["values"] == {}


@pytest.mark.parametrize("options", [{"guards": False}])
def test_a_file_without_guards_says_so(options: Any) -> None:
    found = contract(**options)
    assert found["checked"] is False and found["guards"] == []
    texts = [one["text"] for one in found["unchecked"]]
    assert "AssertionError: small" in texts
    assert found["relations"]


def test_equal_dimensions_and_pins_are_told() -> None:
    def alike(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x + y) @ torch.ones(4, 2)

    exported = fxexport.export(alike, (torch.ones(3, 4), torch.ones(3, 4)), dynamic=True)
    props = {p.key: p.value for p in exported.model.metadata_props}
    found = json.loads(props["pkg.fxexport.contract"])
    assert any("4" in pin["text"] for pin in found["pins"])
    names = [relation["names"] for relation in found["relations"]]
    assert ["x_d0", "y_d0"] in names or len(found["dimensions"]["x_d0"]["at"]) == 2
