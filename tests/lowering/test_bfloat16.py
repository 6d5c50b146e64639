"""bfloat16 where a runtime has no kernels for it: computed in float32, and rounded each time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fxexport
from fxexport.errors import UnsupportedError
from fxexport.targets.onnxruntime.target import TARGET
from tests.support.complex_values import check

GENERATOR = torch.Generator().manual_seed(0)


def narrow(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=GENERATOR).bfloat16()


def image_model() -> nn.Module:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3),
    ]  # fmt: skip
    return nn.Sequential(*layers).eval().bfloat16()


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)
        self.lstm = nn.LSTM(4, 4, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, _ = self.lstm(x)
        for k in range(x.shape[1]):
            if y[:, k].sum() > 0:
                y = y + self.linear(self.norm(y))
        return y.softmax(-1), y[0]


def encoder() -> nn.Module:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 2).eval().bfloat16()


def moved(x: Tensor) -> tuple[Tensor, ...]:
    return (
        torch.where(x > 0, x, -x), x.clamp(-1, 1), x[x > 0], x.cumsum(0), x.sort(0)[0],
        F.pad(x, (1, 1)), x.expand(2, *x.shape), torch.stack([x, x]), x.max(0)[0], x == x.flip(0),
        x.index_add(0, torch.tensor([0]), x[:1]), x.int(), x.repeat(2, 1), x.topk(1, 1)[0],
        x.gather(1, torch.zeros(x.shape[0], 1, dtype=torch.int64)), x.unbind(1)[0],
    )  # fmt: skip


def computed(x: Tensor) -> tuple[Tensor, ...]:
    whole = torch.arange(4, dtype=torch.bfloat16)
    return (
        x @ x.T, x * 2, x / 3, x**2, x // 1, x % 0.7, x.float() @ x.float().T, whole + x, x.sum(),
        torch.full((2,), 1.5, dtype=torch.bfloat16), x.mean(0), x.exp().log1p(), x.std(1),
    )  # fmt: skip


PROGRAMS: dict[str, tuple[Any, list[tuple[Tensor, ...]]]] = {
    "image": (image_model(), [(narrow(n, 3, 8, 8),) for n in (2, 1, 5)]),
    "recurrent": (Recurrent().eval().bfloat16(), [(narrow(2, n, 4),) for n in (3, 1, 5)]),
    "encoder": (encoder(), [(narrow(n, 5, 8),) for n in (2, 1, 4)]),
    "moved": (moved, [(narrow(n, 4),) for n in (3, 1, 5)]),
    "computed": (computed, [(narrow(n, 4),) for n in (3, 2, 5)]),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_it_agrees_with_pytorch(name: str) -> None:
    program, rows = PROGRAMS[name]
    check(program, *rows)


def test_the_report_says_so() -> None:
    program, rows = PROGRAMS["computed"]
    exported = fxexport.export(program, rows[0], dynamic=True)
    assert exported.report.verification.ran
    assert any("computed in float32" in each.message for each in exported.report.findings)


def test_kernels_in_bfloat16_are_there() -> None:
    state = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
    kernels = {
        kernel.op_name
        for kernel in state.get_all_opkernel_def()
        if "CPU" in kernel.provider
        and any("tensor(bfloat16)" in str(kinds) for kinds in kernel.type_constraints.values())
    }
    assert TARGET.dialect.bfloat16 is not None
    assert kernels >= TARGET.dialect.bfloat16


def test_lists_of_bfloat16_are_refused() -> None:
    def program(x: Tensor) -> list[Tensor]:
        return [row[row > 0] for row in x]

    with pytest.raises(UnsupportedError, match="no lists of bfloat16"):
        fxexport.export(program, (narrow(3, 4),), dynamic=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_transposed_tensor_may_be_converted_before_a_product(dtype: torch.dtype) -> None:
    """ONNX Runtime 1.32 ends the process where it finds the three in this order."""

    def program(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        y = x.transpose(0, 1).float()
        return y @ w, y @ (w + 1)

    check(program, *[(narrow(n, 3, 4).to(dtype), narrow(4, 5).float()) for n in (2, 1, 5)],
          dynamic=({0: "n"}, {}))  # fmt: skip
