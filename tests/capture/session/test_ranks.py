"""Dimensions that squeeze takes away where their size is 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

import fxexport
from fxexport import Dim
from tests.programs.program import TORCH
from tests.support.capturing import agrees, captured, findings
from tests.support.promises import keeps_promise

# Older versions give a slice a size of its own, which nothing is known of.
SLICES = pytest.mark.skipif(TORCH < (2, 13), reason="slices have sizes that can be computed")

Tensor = torch.Tensor
aten = torch.ops.aten
SIZES = range(5)
NAMED = {"x": {1: "n"}}


def columns(size: int) -> tuple[Tensor]:
    return (torch.arange(size * 3.0).reshape(3, size) - 4,)


def in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y.squeeze_(1)
    return y.sum()


def operator_in_place(x: Tensor) -> Tensor:
    y = x.clone()
    aten.squeeze_.dim(y, 1)
    return y.sum()


def in_a_function(x: Tensor) -> Tensor:
    def inner(y: Tensor) -> Tensor:
        return y.squeeze(1).sum()

    return inner(x) + 1


def in_a_branch(x: Tensor) -> Tensor:
    if x.sum() > 0:
        return x.squeeze(1).sum()
    return x.sum() * 2


def in_a_loop(x: Tensor) -> Tensor:
    total = torch.zeros(())
    for row in x:
        total = total + row.squeeze().sum()
    return total


def asked_for_its_rank(x: Tensor) -> Tensor:
    y = x.squeeze(1)
    if y.dim() == 1:
        return y
    return y.sum(1)


def of_two_dimensions(x: Tensor) -> Tensor:
    return x.squeeze(1).sum() * x[:, : x.shape[1] // 2].squeeze(1).sum()


def of_what_is_left(x: Tensor) -> Tensor:
    return x[:, 1:].squeeze(1).sum()


BOTH_WAYS: dict[str, Callable[[Tensor], Any]] = {
    "squeeze(d)": lambda x: (x.squeeze(1) * 2).sum(),
    "squeeze(-1)": lambda x: x.squeeze(-1).sum(),
    "squeeze()": lambda x: x.squeeze().sum(),
    "squeeze of several": lambda x: x.squeeze((0, 1)).sum(),
    "torch.squeeze": lambda x: torch.squeeze(x, dim=1).sum(),
    "torch.squeeze_copy": lambda x: torch.squeeze_copy(x, 1).sum(),
    "aten.squeeze": lambda x: aten.squeeze(x).sum(),
    "aten.squeeze.default": lambda x: aten.squeeze.default(x).sum(),
    "aten.squeeze.dim": lambda x: aten.squeeze.dim(x, 1).sum(),
    "aten.squeeze.dims": lambda x: aten.squeeze.dims(x, [1]).sum(),
    "of a product": lambda x: x.reshape(-1).squeeze().sum(),
    "reshaped again": lambda x: x.squeeze(1).reshape(-1),
    "len of a shape": lambda x: len(x.squeeze(1).shape) + x.sum(),
    "torch.corrcoef": lambda x: torch.corrcoef(x.t()).sum(),
    **{
        program.__name__: program
        for program in (
            in_place, operator_in_place, in_a_function, in_a_branch, in_a_loop, asked_for_its_rank,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("program", BOTH_WAYS.values(), ids=BOTH_WAYS)
def test_both_ways_are_kept(program: Callable[[Tensor], Any]) -> None:
    promise = keeps_promise(program, columns, 4, SIZES, NAMED)
    assert promise.right == list(SIZES)


@SLICES
@pytest.mark.parametrize("program", [of_two_dimensions, of_what_is_left])
def test_both_ways_are_kept_of_computed_sizes(program: Callable[[Tensor], Any]) -> None:
    promise = keeps_promise(program, columns, 4, SIZES, NAMED)
    assert promise.right == list(SIZES)


def test_torchscript_keeps_both_ways() -> None:
    def program(x: Tensor) -> Tensor:
        return x.squeeze(1).sum()

    script = torch.jit.script(program)
    assert keeps_promise(script, columns, 4, SIZES, NAMED).right == list(SIZES)


def test_a_graph_of_operators_keeps_both_ways() -> None:
    graph = make_fx(lambda x: x.squeeze(1).sum())(*columns(4))
    promise = keeps_promise(lambda x: graph(x), columns, 4, SIZES, NAMED)
    assert promise.right == list(SIZES)


def test_both_ways_stand_on_the_line() -> None:
    def program(x: Tensor) -> Tensor:
        y = x * 2
        y = y.squeeze(1)
        return y.sum()

    line = program.__code__.co_firstlineno
    exported = captured(program, *columns(4), dynamic=NAMED)
    assert findings(exported, "branch") == [("branch", line + 2)]


def test_both_ways_write_what_they_write() -> None:
    def program(x: Tensor, y: Tensor) -> Tensor:
        y.add_(x.squeeze(1).sum())
        return y * 2

    agrees(
        program,
        [(*columns(size), torch.ones(2)) for size in (4, 1, 0, 3)],
        dynamic={"x": {1: "n"}},
    )


@pytest.mark.parametrize(
    "program",
    [
        lambda x: x.squeeze(1),
        lambda x: [x.squeeze(1) * 2, x],
        lambda x: torch.cov(x.t()),
    ],
)
def test_a_result_of_another_rank_is_kept_both_ways(program: Callable[[Tensor], Any]) -> None:
    assert not keeps_promise(program, columns, 4, SIZES, NAMED).relations
    ranged = {"x": {1: Dim("n", min=2)}}
    assert not keeps_promise(program, columns, 4, range(2, 6), ranged).relations


@SLICES
@pytest.mark.parametrize(
    "program", [lambda x: x[:, :1].squeeze(1), lambda x: x[:, -1:].squeeze(1) * 2]
)
def test_the_one_column_that_may_be_missing(program: Callable[[Tensor], Any]) -> None:
    assert not keeps_promise(program, columns, 4, SIZES, NAMED).relations
    ranged = {"x": {1: Dim("n", min=1)}}
    assert not keeps_promise(program, columns, 4, range(1, 6), ranged).relations


def test_a_rank_that_pytorch_does_not_take_is_a_relation() -> None:
    promise = keeps_promise(lambda x: x.squeeze(1).sum(1), columns, 4, SIZES, NAMED)
    assert promise.raising == [1] and promise.relations == ["n != 1"]


def test_another_refusal_on_one_way_is_told() -> None:
    def program(x: Tensor) -> Any:
        y = x.squeeze(1)
        if y.dim() == 1:
            return float(y.sum().numpy())
        return y.sum()

    with pytest.raises(fxexport.FxExportError, match="value of a tensor is read"):
        captured(program, *columns(4), dynamic=NAMED)


@pytest.mark.parametrize(
    "program",
    [
        lambda x: x[x > 0].squeeze().sum(),
        lambda x: aten.squeeze.dim(x[x > 0], 0).sum(),
        lambda x: (x > 0).nonzero().squeeze().sum(),
    ],
)
@pytest.mark.parametrize("dynamic", [True, NAMED])
def test_a_size_that_data_decides_is_refused(
    program: Callable[[Tensor], Any], dynamic: Any
) -> None:
    with pytest.raises(
        fxexport.UnsupportedError, match="known only when the model runs"
    ) as refusal:
        captured(program, *columns(4), dynamic=dynamic)
    assert refusal.value.location is not None and refusal.value.hint


def test_a_dimension_that_nobody_asked_for_keeps_a_relation() -> None:
    exported = captured(lambda x: x.squeeze(1).sum(), *columns(4), dynamic=True)
    assert [constraint.text for constraint in exported.graph.constraints] == ["x_d1 != 1"]


def test_a_dimension_of_1_that_nobody_asked_for_stays_1() -> None:
    exported = captured(lambda x: x.squeeze(1).sum(), *columns(1), dynamic=True)
    assert exported.graph.inputs[0].shape[1] == 1


@SLICES
def test_a_computed_size_of_1_holds_its_dimension() -> None:
    def program(x: Tensor) -> Tensor:
        return x[:, 3:].squeeze(1) * 2

    exported = captured(program, *columns(4), dynamic=True)
    assert exported.graph.inputs[0].shape[1] == 4


def test_a_row_at_an_index_is_one_row() -> None:
    def program(x: Tensor) -> Tensor:
        i = int(x.sum(1).argmax())
        return x[i : i + 1].squeeze(0) * 2

    inputs = [(torch.randn(size, 3, generator=torch.Generator().manual_seed(size)),)
              for size in (4, 1, 2, 6)]  # fmt: skip
    agrees(program, inputs)


def test_rows_of_a_loop_are_single() -> None:
    def program(x: Tensor) -> Tensor:
        total = torch.zeros(4)
        for k in range(x.shape[0]):
            total = total * 2 + x[k : k + 1].squeeze(0)
        return total

    def rows(size: int) -> tuple[Tensor]:
        return (torch.arange(size * 4.0).reshape(size, 4),)

    promise = keeps_promise(program, rows, 4, SIZES, {"x": {0: "n"}})
    assert promise.right == list(SIZES)


def test_too_many_ways_are_refused() -> None:
    def program(x: Tensor) -> Tensor:
        return x.squeeze().sum()

    five = torch.ones(2, 3, 4, 5, 6)
    dynamic = {"x": {axis: f"n{axis}" for axis in range(5)}}
    with pytest.raises(fxexport.UnsupportedError, match="more than 4 sizes"):
        captured(program, five, dynamic=dynamic)
