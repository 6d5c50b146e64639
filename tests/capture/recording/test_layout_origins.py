"""Whether real kernels lay out their results as fake ones do, where that is taken for granted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fxexport import _torch_compat as compat
from fxexport.capture.recording import layout_origins
from tests.support.operator_samples import operators

KNOWN = layout_origins._CONTIGUOUS | layout_origins._FOLLOWING


def strides(x: torch.Tensor) -> tuple[int, ...]:
    """Those that tell anything."""
    return tuple(step for n, step in zip(x.shape, x.stride(), strict=True) if n != 1)


class Compared(TorchDispatchMode):
    """Runs the known operators on fake tensors as well, and keeps those that differ."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.wrong: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::")
        if name in KNOWN and not func._schema.is_mutable:
            mode = compat.fake_mode(compat.SizeEnv(lambda *_: None, lambda *_: None))
            mode.allow_non_fake_inputs = True
            with mode:
                fakes = compat.map_tensors(fake_of, (args, kwargs))
                expected = func(*fakes[0], **fakes[1])
            self._compare(name, compat.tensors_among((out,), {}), expected)
        return out

    def _compare(self, name: str, real: list[torch.Tensor], fake: Any) -> None:
        self.seen.add(name)
        for one, other in zip(real, compat.tensors_among((fake,), {}), strict=True):
            if one.numel() and strides(one) != strides(other):
                self.wrong.append(f"{name}: {one.stride()} for {other.stride()}")


def fake_of(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype)


def permuted(value: Any, seed: int) -> Any:
    """The same tensor, lying in memory in another order."""
    if not isinstance(value, torch.Tensor) or value.dim() < 2:
        return value
    order = torch.randperm(value.dim(), generator=torch.Generator().manual_seed(seed)).tolist()
    back = [order.index(d) for d in range(value.dim())]
    return value.detach().permute(order).contiguous().permute(back)


def named(operator: Any) -> set[str]:
    return {operator.name.rpartition(".")[2], operator.aten_name}


def samples() -> Iterator[Any]:
    for operator in operators():
        dense = not operator.name.startswith("sparse")
        if dense and named(operator) & KNOWN and torch.float32 in operator.dtypes:
            yield operator


@pytest.mark.long
@pytest.mark.parametrize("operator", samples(), ids=lambda operator: operator.name)
def test_fake_kernels_lay_out_results_as_real_ones_do(operator: Any) -> None:
    compared = Compared()
    for sample in list(operator.sample_inputs("cpu", torch.float32))[:6]:
        for seed in range(4):
            call = sample.input, sample.args, sample.kwargs
            if seed:
                call = compat.map_tensors(lambda value, k=seed: permuted(value, k), call)
            with contextlib.suppress(RuntimeError), torch.no_grad(), compared:
                operator.op(call[0], *call[1], **call[2])
    if not compared.seen:
        pytest.skip("PyTorch calls it by another name")
    assert compared.wrong == []
