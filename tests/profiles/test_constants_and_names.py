"""Profiles of what becomes a constant, and by the names that inputs shall have."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fxexport
from fxexport import Profile
from fxexport.graph import DimRange


def test_a_profile_of_constants_only_is_none() -> None:
    def model(x: torch.Tensor, n: int) -> torch.Tensor:
        return x * n

    words = "--minShapes=n:2 --maxShapes=n:2"
    made = fxexport.export(model, (torch.ones(2), 2), profiles=words, verify=False)
    assert made.profiles == []
    with pytest.raises(
        fxexport.UsageError, match=r"cannot be negative, got -1 \(in --minShapes x:-1"
    ):
        fxexport.export(model, (torch.ones(2), 2), profiles="--minShapes=x:-1 --maxShapes=x:2")
    with pytest.raises(fxexport.UsageError, match="the profile is empty"):
        fxexport.export(model, (torch.ones(2), 2), profiles=[fxexport.Profile()])


@pytest.mark.parametrize("dynamic", [True, None], ids=["all", "profile"])
def test_profiles_by_the_names_that_inputs_shall_have(dynamic: Any) -> None:
    def model(n: int, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(n, 3) + x.sum()

    profile = Profile({"an image": ((1, 8), (2, 8), (4, 8))}, {"count:0": (1, 2, 4)})
    made = fxexport.export(
        model,
        (2, torch.ones(4, 8)),
        input_names=["count:0", "an image"],
        dynamic=dynamic,
        profiles=profile,
        verify=False,
    )
    assert made.profiles == [profile]
    assert [spec.name for spec in made.graph.inputs] == ["count:0", "an image"]


def test_a_profile_of_a_complex_input_has_the_size_of_its_parts() -> None:
    c = torch.randn(3, 4, dtype=torch.complex64)
    sizes = ((1, 4, 2), (3, 4, 2), (5, 4, 2))
    exported = fxexport.export(
        lambda c: c * 2, (c,), dynamic={"c": {0: "n"}}, profiles=Profile({"c": sizes})
    )
    assert exported.graph.inputs[0].shape == (DimRange("n", 1, 5), 4, 2)
    for wrong in (((1, 4), (3, 4), (5, 4)), ((1, 4, 2), (3, 4, 2), (5, 4, 3))):
        with pytest.raises(fxexport.UsageError, match=r"input 'c': .*float32\[n, 4, 2\]"):
            fxexport.export(
                lambda c: c * 2, (c,), dynamic={"c": {0: "n"}}, profiles=Profile({"c": wrong})
            )
