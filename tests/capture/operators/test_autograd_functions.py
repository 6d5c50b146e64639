"""`torch.autograd.Function`: its ``forward`` is captured as the program's own code is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function

from tests.support.complex_values import check

ROWS = [(torch.tensor([1.0, -2.0, 4.0]),), (torch.tensor([-3.0]),), (torch.zeros(0),),
        (torch.full((5,), 0.5),)]  # fmt: skip


class Branching(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float, names: tuple[str, ...] = ()) -> Tensor:
        ctx.save_for_backward(x)
        ctx.factor = factor
        if x.sum() > len(ctx.saved_tensors):  # nothing is saved before the end
            return x * ctx.factor
        return x - len(names)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0], None, None


class WithSetup(Function):
    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, int, Tensor]:
        total = x.new_zeros(())
        for item in x:
            if item > 0:
                total = total + item
        return total, x.shape[0], x

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(output[0])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[2]


class InPlace(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0]


class Cast(Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu")
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.exp() if x.sum() > 0 else x

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0]


class AsksForGradients(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        needs = ctx.needs_input_grad
        return x * weight if needs[1] and not needs[0] else x - weight

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0], grads[0]


class OwnApply(Function):
    @classmethod
    def apply(cls, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x - 1


def branching(x: Tensor) -> Tensor:
    return Branching.apply(x, 3.0, ("a", "b")) + 1


def with_setup(x: Tensor) -> tuple[Tensor, int, Tensor]:
    total, count, same = WithSetup.apply(x)
    return total, count, same + 1


def in_place(x: Tensor) -> tuple[Tensor, Tensor]:
    y = x.clone()
    z = InPlace.apply(y)
    return y, z


def inside(x: Tensor) -> Tensor:
    for item in x:
        if item > 0:
            x = Cast.apply(x)
    return x


def own_apply(x: Tensor) -> Tensor:
    return OwnApply.apply(x)


@pytest.mark.parametrize("program", [branching, with_setup, in_place, inside, own_apply])
def test_forward_keeps_its_control_flow(program: Any) -> None:
    check(program, *ROWS)


def test_what_comes_back_is_a_view_of_the_argument() -> None:
    def program(x: Tensor) -> tuple[Tensor, Tensor]:
        y = x.clone()
        _, _, same = WithSetup.apply(y)
        same.add_(1)
        return y, same

    check(program, *ROWS)


def test_forward_may_ask_which_gradients_are_needed() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(3.0))

        def forward(self, x: Tensor) -> Tensor:
            return AsksForGradients.apply(x, self.weight)

    check(Model(), *ROWS)
