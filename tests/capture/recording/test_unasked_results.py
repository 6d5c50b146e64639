"""What views and other common operators give, with sizes that are not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import sympy
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

import fxexport
from fxexport import _torch_compat as compat
from fxexport.capture.recording.fake_results import fake_kernel
from fxexport.capture.recording.types import expression
from tests.support.complex_values import check

aten = torch.ops.aten


def taken_apart(x: Tensor) -> tuple[Tensor, Tensor]:
    y = (x * 2).transpose(0, 1)
    return y.view(x.shape[1], x.shape[0] // 2, 2, x.shape[2]), y * 1


def put_together(x: Tensor) -> Tensor:
    y = (x * 2).reshape(x.shape[0], -1, 1, 3).permute(0, 3, 1, 2)
    return y.view(x.shape[0], 3, x.shape[1])


def written(x: Tensor) -> Tensor:
    y = (x * 2).transpose(0, 1)
    y.view(x.shape[1], x.shape[0] // 2, 2, x.shape[2])[:, :, 0] = 0
    return y


@pytest.mark.parametrize("program", [taken_apart, put_together, written])
def test_views_need_no_branch(program: Callable[..., object]) -> None:
    rows = [(torch.randn(n, m, 3),) for n, m in ((4, 5), (2, 1), (6, 2))]
    check(program, *rows)
    graph = fxexport.export(program, rows[0], dynamic=True).graph
    assert "graph.ops.loop" not in str(graph)
    assert len(list(graph.graphs())) <= 3  # the contract's branch alone


def test_what_is_no_view_raises_as_in_pytorch() -> None:
    def wrong(x: Tensor) -> Tensor:
        return (x * 2).transpose(0, 1).view(x.shape[1], x.shape[0], 2)

    with pytest.raises(fxexport.FxExportError):
        fxexport.export(wrong, (torch.randn(4, 5, 3),), dynamic={"x": {0: "n", 1: "m"}})


def sum_of_views(x: Tensor) -> Tensor:
    """A view of what lies behind another part of the same memory."""
    rest = torch.split(x * 2, [1, x.shape[1] - 1], 1)[1]
    return rest.permute(0, 2, 1).view(x.shape[0], 3, x.shape[1] - 1, 1).sum(3)


def rows_left(x: Tensor) -> Tensor:
    """The size that is given as -1, of products with the same factors and with others."""
    rows = (x * 2).view(x.shape[0] * x.shape[1], -1)
    return rows.view(x.shape[0], -1, x.shape[1]) + (x + 1).view(-1, 2).sum()


@pytest.mark.parametrize("program", [sum_of_views, rows_left])
def test_views_have_their_sizes(program: Callable[..., object]) -> None:
    check(program, *((torch.randn(n, m, 3),) for n, m in ((4, 5), (2, 1), (6, 2))))


# Operators, and what makes their arguments of a tensor.
_CALLS: dict[str, tuple[torch._ops.OpOverload, Callable[[Tensor], tuple[object, ...]]]] = {
    "linear": (aten.linear.default, lambda x: (x, torch.ones(5, 8), torch.ones(5))),
    "linear of rows apart": (aten.linear.default, lambda x: (x.transpose(0, 1), torch.ones(5, 8))),
    "matmul": (aten.matmul.default, lambda x: (x, x.transpose(1, 2))),
    "layer_norm": (aten.layer_norm.default, lambda x: (x, [8], torch.ones(8), torch.zeros(8))),
    "roll": (aten.roll.default, lambda x: (x, [1, -2], [0, 1])),
    "one operand": (aten.gelu.default, lambda x: (x,)),
    "with a number": (aten.eq.Scalar, lambda x: (x, 2.0)),
    "broadcast": (aten.add.Tensor, lambda x: (x, torch.ones(8))),
    "promoted": (aten.mul.Tensor, lambda x: (x, torch.ones(1, 1, 8, dtype=torch.float64))),
    "filled": (aten.fill.Tensor, lambda x: (x[:, :, 1:5], torch.tensor(2.0))),
    "with gaps": (aten.exp.default, lambda x: (x[:, :, 1:5],)),
    "view": (aten.view.default, lambda x: (x, (x.shape[0], x.shape[1], 2, 4))),
    "view of -1": (aten.view.default, lambda x: (x, (-1, x.shape[1], 4))),
    "view of rows apart": (
        aten.view.default,
        lambda x: (x[:, :, 4:].transpose(0, 1), (x.shape[1], x.shape[0], 2, 2)),
    ),
}


@pytest.mark.parametrize("name", _CALLS)
def test_results_lie_as_real_ones_do_and_nothing_is_asked(name: str) -> None:
    operator, arguments = _CALLS[name]
    real = operator(*arguments(torch.randn(4, 6, 8)))

    def refuse(question: sympy.Basic, fallback: bool | None = None) -> bool:
        raise AssertionError(f"{question} is asked")

    env = compat.SizeEnv(refuse)
    sizes = {}
    with FakeTensorMode(shape_env=env):
        n, m = env.create_unbacked_symint(), env.create_unbacked_symint()
        for size, number in ((n, 4), (m, 6)):
            torch._check(size > 0)
            sizes[size.node.expr] = sympy.Integer(number)
        given = arguments(torch.empty(n, m, 8))
        found = fake_kernel(operator)(*given)

    def at_sizes(values: Sequence[int | torch.SymInt]) -> list[int]:
        return [int(expression(value).xreplace(sizes)) for value in values]

    assert found.dtype == real.dtype
    assert at_sizes(found.shape) == list(real.shape)
    assert at_sizes(found.stride()) == list(real.stride())
    assert at_sizes([found.storage_offset()]) == [real.storage_offset()]
