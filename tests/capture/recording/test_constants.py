"""Conditions on constants are decided at export, and on nothing that may be another one later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import fxexport
from tests.support.harness import run_model

X = torch.tensor([[1.0, -2.0], [0.5, 3.0], [2.0, 0.25]])
TABLE = torch.tensor([0.5, 2.0])


def _ifs(exported: fxexport.Exported) -> int:
    return len(exported.report.of_kind("branch"))


class _OnBuffer(nn.Module):
    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mode", torch.tensor([value, 0.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.mode.sum() > 0:
            return x * 2
        return x + 1


class _OnParameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gain if self.gain > 0.2 else x


class _Written(_OnBuffer):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        self.mode += 1
        return y


class _Rebound(_OnBuffer):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        self.mode = self.mode + 1
        return y


class _Flag(nn.Module):
    """A flag that is asked as it is, and set afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("started", torch.tensor(0.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * 2 if self.started else x + 1
        self.started += 1
        return y


def test_a_condition_on_a_constant_is_decided_and_reported_with_its_line() -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        t = torch.tensor([1.0, -1.0])
        if (t > 0).all():
            return x + 1
        return x * 2

    exported = fxexport.export(model, (X,), dynamic=True)
    assert not _ifs(exported)
    (finding,) = exported.report.of_kind("folded")
    assert "constants and stored tensors alone: it is False" in finding.message
    assert finding.location is not None
    assert finding.location.line == model.__code__.co_firstlineno + 2


def test_what_hangs_on_an_input_on_a_size_or_on_chance_is_kept() -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        one = torch.ones(2)
        if one.sum() + x.sum() * 0 > 1:
            x = x + 1
        if torch.arange(x.shape[0]).sum() > 2:
            x = x * 2
        if torch.rand(2).sum() + one.sum() > -1:
            x = x - 3
        return x

    exported = fxexport.export(model, (X,), dynamic=True)
    assert _ifs(exported) == 3
    assert not exported.report.of_kind("folded")


@pytest.mark.parametrize(("size", "kept"), [(4096, False), (4097, True)])
def test_only_small_constants_are_computed(size: int, kept: bool) -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        return x + 1 if torch.arange(size).sum() > 2 else x

    exported = fxexport.export(model, (X,))
    assert bool(_ifs(exported)) == kept


def test_a_table_of_the_module_that_nobody_writes_is_a_constant() -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        for k in range(2):
            x = x * TABLE[k] if TABLE[k] > 1 else x + TABLE[k]
        return x

    assert not _ifs(fxexport.export(model, (X,)))


def test_a_buffer_decides_where_the_file_holds_it(tmp_path: Path) -> None:
    exported = fxexport.export(_OnBuffer(), (X,))
    assert not _ifs(exported)
    assert exported.report.of_kind("folded")


@pytest.mark.parametrize("weights", ["external", "none"])
def test_weights_that_others_put_into_the_file_decide_nothing(weights: str, tmp_path: Path) -> None:
    exported = fxexport.export(
        _OnBuffer(), (X,), tmp_path / "model.onnx", weights=weights, verify=weights == "external"
    )
    assert _ifs(exported) == 1
    assert not exported.report.of_kind("folded")


@pytest.mark.parametrize("weights", ["external", "none"])
def test_constants_of_forward_decide_whoever_brings_the_weights(
    weights: str, tmp_path: Path
) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x) if torch.tensor(0.5) > 0 else x

    path = tmp_path / "model.onnx"
    exported = fxexport.export(Model(), (X,), path, weights=weights, verify=False)
    assert not _ifs(exported)


def test_a_trained_weight_decides_nothing() -> None:
    exported = fxexport.export(_OnParameter(), (X,))
    assert _ifs(exported) == 1
    assert not exported.report.of_kind("folded")


@pytest.mark.parametrize("model", [_Written, _Rebound, _Flag])
@pytest.mark.parametrize("state", ["drop", "io"])
def test_what_a_call_changes_decides_nothing(model: Any, state: str) -> None:
    exported = fxexport.export(model(), (X,), state=state)
    assert _ifs(exported) == 1
    assert not exported.report.of_kind("folded")
    if state == "io":
        (entry,) = exported.graph.state
        for start in (entry.initial * 0 - 5, entry.initial * 0 + 5):
            y, _ = exported.graph.run(X, start)
            assert torch.equal(y, X * 2 if start.sum() > 0 or model is _Flag else X + 1)


def test_state_under_another_name_decides_nothing() -> None:
    inner = _OnBuffer(0.0)
    other = inner.mode

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x * 2 if other[0] > 0 else x + 1
            self.inner.mode += 1
            return y

    # Verification puts the state of each call where the attribute is, and not under other names.
    exported = fxexport.export(Model(), (X,), state="io", verify=False)
    y, state = exported.graph.run(X, torch.tensor([3.0, 3.0]))
    assert torch.equal(y, X * 2)
    assert torch.equal(state, torch.tensor([4.0, 4.0]))


def test_a_loop_whose_end_constants_decide_is_written_out_or_kept() -> None:
    def model(x: torch.Tensor, factor: float) -> torch.Tensor:
        sigma = torch.tensor(4.0)
        while sigma > 0.3:
            x = x * 0.9 + sigma * 0.01
            sigma = sigma * factor
        return x

    for factor, loops in ((0.5, 0), (0.95, 1)):

        def one(x: torch.Tensor, factor: float = factor) -> torch.Tensor:
            return model(x, factor)

        exported = fxexport.export(one, (X,))
        assert len(exported.report.of_kind("loop")) == loops
        outcome = run_model(lambda: one, [(X,), (-X,)])
        assert outcome.status == "agree", outcome.details


def test_numbers_that_are_read_of_constants_are_numbers() -> None:
    def model(x: torch.Tensor) -> Any:
        sizes = torch.tensor([1, 2])
        first = int(sizes[0]) + int(sizes.sum().item())
        scale = float(torch.linspace(0, 1, 5).std())
        return x[:first] * scale, [x + k for k in sizes.tolist()]

    exported = fxexport.export(model, (torch.randn(5, 2),))
    assert [tuple(node.meta["val"].shape) for node in exported.graph.module.graph.nodes
            if node.op == "placeholder"] == [(5, 2)]  # fmt: skip
    assert len(exported.graph.outputs) == 3
