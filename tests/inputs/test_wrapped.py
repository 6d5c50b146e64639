"""Models that stand in something which changes how they run: the file is that of the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import fxexport
from fxexport.inputs.binding import signature_of
from fxexport.inputs.wrapped import unwrapped

pytest.importorskip("onnxruntime")


class Halved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
        x = self.layer(x)
        while x.abs().sum() > limit:
            x = x / 2
        return x


class Adapted(nn.Module):
    """As adapters are: it takes anything, and hands it on."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.base_model = model

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.base_model(*args, **kwargs)


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    store = torch.distributed.FileStore(os.fspath(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def compiled(model: nn.Module) -> nn.Module:
    return torch.compile(model, backend=_never)  # type: ignore[return-value]


def _never(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
    raise AssertionError("the check compiled the model")


def compiled_in_place(model: nn.Module) -> nn.Module:
    model.compile(backend=_never)
    return model


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "DataParallel": nn.DataParallel,
    "compile": compiled,
    "compile in place": compiled_in_place,
    "compile in DataParallel": lambda model: nn.DataParallel(compiled(model)),
    "averaged": torch.optim.swa_utils.AveragedModel,
    "adapter": Adapted,
    "adapter in adapter": lambda model: Adapted(Adapted(model)),
}


class Around(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: torch.Tensor, limit: torch.Tensor) -> Any:
        return self.part(x * 2, limit) + 1


def assert_is_that_of_the_model(model: nn.Module) -> None:
    torch.manual_seed(0)
    inputs = [(torch.randn(n, 3) * 9, torch.tensor(limit)) for n, limit in ((2, 5.0), (4, 999.0))]
    exported = fxexport.export(model, inputs[0], dynamic={"x": {0: "n"}}, check_inputs=inputs[1:])
    assert [spec.name for spec in exported.graph.inputs] == ["x", "limit"]
    assert exported.operators().get("Loop") == 1
    assert exported.report.verification is not None
    assert exported.report.verification.ok


@pytest.mark.parametrize("wrapper", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapped_model_has_its_own_inputs_and_control_flow(
    wrapper: Callable[[nn.Module], nn.Module],
) -> None:
    assert_is_that_of_the_model(wrapper(Halved().eval()))


def test_so_has_one_for_several_processes(one_process: None) -> None:
    assert_is_that_of_the_model(nn.parallel.DistributedDataParallel(Halved().eval()))


@pytest.mark.parametrize("wrapper", [compiled, nn.DataParallel, WRAPPERS["averaged"]])
def test_a_wrapped_part_of_a_model_is_read(wrapper: Callable[[nn.Module], nn.Module]) -> None:
    assert_is_that_of_the_model(Around(wrapper(Halved().eval())))


def test_so_is_one_for_several_processes(one_process: None) -> None:
    assert_is_that_of_the_model(Around(nn.parallel.DistributedDataParallel(Halved().eval())))


def test_a_wrapper_is_told_and_one_with_hooks_is_kept() -> None:
    model = nn.DataParallel(compiled(Halved()))
    assert unwrapped(model)[1] == ["DataParallel", "torch.compile"]
    report = fxexport.export(model, (torch.ones(2, 3), torch.tensor(1.0)), verify=False).report
    assert any("torch.compile in DataParallel" in note.message for note in report.of_kind("note"))
    model.register_forward_hook(lambda module, args, result: result + 1)
    assert unwrapped(model) == (model, [])


def test_only_a_module_that_takes_anything_has_the_parameters_of_what_it_holds() -> None:
    assert list(signature_of(Adapted(Halved()).forward).parameters) == ["x", "limit"]  # type: ignore[union-attr]

    class Two(Adapted):
        def __init__(self) -> None:
            super().__init__(Halved())
            self.other = nn.ReLU()

    assert list(signature_of(Two().forward).parameters) == ["args", "kwargs"]  # type: ignore[union-attr]
