"""A file raises where PyTorch does, also on an operator whose result nobody uses.

Where the result is used the operator compares its sizes itself, and nothing is added.
"""

# The programs under test are written as users write them.

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from fxexport.passes import operator_checks
from torch import Tensor

import fxexport
from fxexport.graph import branch, guard
from fxexport.graph.guards import own_guards
from fxexport.graph.marks import CHECKED
from tests.lowering.test_guards import session
from tests.support.harness import _run_graph, feed_of, run_session
from tests.support.rewriting import captured, nodes_of

Program = Callable[..., Any]
SHAPES = ((1, 1), (1, 3), (3, 1), (2, 3), (3, 3), (4, 3), (3, 4), (6, 1), (2, 2), (0, 3), (0, 0))

ON_SIZES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "add": lambda x, y: x + y,
    "add a slice": lambda x, y: x + y[:, :3],
    "where": lambda x, y: torch.where(x > 0, x, y),
    "lerp": lambda x, y: torch.lerp(x, y, 0.5),
    "mm": lambda x, y: x @ y,
    "linear": lambda x, y: F.linear(x, y),
    "bmm": lambda x, y: x[None] @ y[None],
    "addmm": lambda x, y: torch.addmm(x, x, y),
    "einsum": lambda x, y: torch.einsum("ij,kj->ik", x, y),
    "conv": lambda x, y: F.conv1d(x[None], y[:, :, None]),
    "attention": lambda x, y: F.scaled_dot_product_attention(x[None], y[None], y[None]),
    "cat": lambda x, y: torch.cat([x, y]),
    "stack": lambda x, y: torch.stack([x, y]),
    "expand": lambda x, y: x.expand(y.shape[0], y.shape[1]),
    "mask": lambda x, y: x[y > 0],
    "loss": lambda x, y: F.mse_loss(x, y),
    "add in place": lambda x, y: x.clone().add_(y),
    "fill in place": lambda x, y: x.clone().masked_fill_(y > 0, 1.0),
    "add to a row": lambda x, y: x.clone()[:1].mul_(y[:1]),
    "slices of another": lambda x, y: x.index_add(0, torch.arange(0), y[:0]),
}


# A file promises less of empty tensors than PyTorch takes.
NOT_EMPTY = {"conv", "attention"}


def _raises(call: Callable[[], object]) -> bool:
    try:
        call()
    except Exception:
        return True
    return False


def _differences(program: Program, rows: Sequence[tuple[Any, ...]], dynamic: Any) -> list[str]:
    """Inputs on which PyTorch, graph and file do not all raise, or all answer."""
    exported = fxexport.export(program, copy.deepcopy(rows[0]), dynamic=dynamic, verify=False)
    file = session(exported.model, "ORT_ENABLE_ALL")
    found = []
    for row in rows:
        expected = _raises(lambda row=row: program(*copy.deepcopy(row)))
        graph = _raises(lambda row=row: _run_graph(None, exported.graph, row))
        feed = feed_of(file, exported.graph, row)
        given = _raises(lambda feed=feed: run_session(file, exported.graph, feed))
        if not expected == graph == given:
            shapes = [tuple(value.shape) or value for value in row]
            found.append(f"{shapes}: raises in PyTorch {expected}, graph {graph}, file {given}")
    return found


def _rows() -> list[tuple[Tensor, ...]]:
    make = torch.Generator().manual_seed(0)

    def pair(sign: float, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[Tensor, ...]:
        return torch.tensor(sign), *(torch.randn(shape, generator=make) for shape in (a, b))

    rows = [pair(sign, a, b) for sign in (1.0, -1.0) for a in SHAPES for b in SHAPES]
    return [pair(1.0, (3, 3), (3, 3)), *rows]


SIZES = {"x": {0: "a", 1: "b"}, "y": {0: "c", 1: "d"}}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ON_SIZES)
@pytest.mark.parametrize("used", [False, True], ids=["dropped", "used"])
def test_a_branch_raises_at_sizes_that_an_operator_in_it_does_not_take(
    name: str, used: bool
) -> None:
    operator = ON_SIZES[name]

    def dropped(c: Tensor, x: Tensor, y: Tensor) -> Tensor:
        if c > 0:
            operator(x, y)
        return x.sum() + y.sum()

    def total(c: Tensor, x: Tensor, y: Tensor) -> Tensor:
        z = x.sum()
        if c > 0:
            z = operator(x, y).sum()
        return z

    rows = _rows()
    if name in NOT_EMPTY:
        rows = [row for row in rows if 0 not in row[1].shape + row[2].shape]
    assert _differences(total if used else dropped, rows, SIZES) == []


def test_sizes_that_data_decide_meet_in_an_operator_that_is_dropped() -> None:
    def program(x: Tensor, y: Tensor) -> Tensor:
        x[x > 0] + y.flatten()
        return x * 2

    rows = [row[1:] for row in _rows() if row[0] > 0]
    assert _differences(program, rows[1:], {"x": {0: "a", 1: "b"}, "y": {0: "c", 1: "d"}}) == []


def _looked_up(x: Tensor, i: Tensor) -> None:
    x[i]


def _in_columns(x: Tensor, i: Tensor) -> None:
    x[:, i]


def _gathered(x: Tensor, i: Tensor) -> None:
    x.gather(0, i[:, None])


def _embedded(x: Tensor, i: Tensor) -> None:
    F.embedding(i, x)


def _selected(x: Tensor, i: Tensor) -> None:
    x.index_select(1, i)


def _one(x: Tensor, i: Tensor) -> None:
    x[i[0].item()]


def _added(x: Tensor, i: Tensor) -> None:
    x.index_add(0, i, x[:1].expand(i.shape[0], -1))


def _written(x: Tensor, i: Tensor) -> None:
    y = x.clone()
    y[i] = 1.0


def _divided(x: Tensor, i: Tensor) -> None:
    i // (i - 1)


def _rest(x: Tensor, i: Tensor) -> None:
    7 % (i - 1)


def _loss(x: Tensor, i: Tensor) -> None:
    F.nll_loss(x, i[:1].expand(x.shape[0]))


ON_DATA = (
    _looked_up, _in_columns, _gathered, _embedded, _selected, _one, _added, _written, _divided,
    _rest, _loss,
)  # fmt: skip


@pytest.mark.parametrize("lookup", ON_DATA)
@pytest.mark.parametrize("inside", [False, True], ids=["root", "branch"])
def test_a_file_raises_on_indices_that_a_dropped_operator_does_not_take(
    lookup: Callable[[Tensor, Tensor], None], inside: bool
) -> None:
    def at_root(x: Tensor, i: Tensor) -> Tensor:
        lookup(x, i)
        return x * 2

    def in_branch(x: Tensor, i: Tensor) -> Tensor:
        if x.sum() > 0:
            lookup(x, i)
        return x * 2

    indices = ([0, 2], [0], [1], [2], [3], [4], [-1], [-4], [-5], [9], [0, -9], [1, 1])
    shapes = ((4, 3), (2, 4), (1, 1))
    rows = [
        (torch.ones(shape) * sign, torch.tensor(index))
        for shape in shapes
        for sign in (1, -1)
        for index in indices
    ]
    dynamic = {"x": {0: "a", 1: "b"}, "i": {0: "k"}}
    assert _differences(in_branch if inside else at_root, rows, dynamic) == []


def test_rows_of_a_loop_are_inside() -> None:
    def program(x: Tensor) -> Tensor:
        for row in x:
            row * 2
        return x + 1

    exported = fxexport.export(program, torch.ones(3, 2), dynamic=True, verify=False)
    assert [node.op_type for node in exported.model.graph.node] == ["Add"]


@pytest.mark.parametrize("name", ["add", "where", "lerp", "mm", "linear", "addmm", "einsum"])
def test_nothing_is_added_where_an_operator_stays(name: str) -> None:
    operator = ON_SIZES[name]

    def program(c: Tensor, x: Tensor, y: Tensor) -> Tensor:
        z = x.sum()
        if c > 0:
            z = operator(x, y).sum()
        return z

    row = (torch.tensor(1.0), torch.ones(3, 3), torch.ones(3, 3))
    exported = fxexport.export(program, row, dynamic=SIZES, verify=False)
    assert list(own_guards(exported.graph)) == []


def test_marks_are_settled() -> None:
    def program(c: Tensor, x: Tensor, y: Tensor) -> Tensor:
        z = x
        if c > 0:
            x * y
            z = z + y
        return z

    row = (torch.tensor(1.0), torch.ones(3), torch.ones(4)[:3])
    graph = operator_checks.run(captured(program, *row))
    assert not [node for node in nodes_of(graph, guard) if CHECKED.of(node) is not None]


@pytest.mark.parametrize(
    "make", [torch.zeros_like, torch.ones_like, lambda y: torch.full_like(y, 3), torch.empty_like]
)
def test_what_is_asked_for_its_static_size_alone_is_dead_code(make: Program) -> None:
    def program(x: Tensor) -> Tensor:
        y = x * 2 if x.sum() > 0 else x - 1
        return make(y) * 0 + x

    exported = fxexport.export(program, torch.ones(3), verify=False)
    assert not nodes_of(exported.graph, branch)
    assert not exported.report.of_kind("branch")


def test_a_write_over_all_of_a_tensor_leaves_what_is_written() -> None:
    def program(x: Tensor, y: Tensor) -> Tensor:
        z = x * 2 if x.sum() > 0 else x - 1
        z.copy_(y)
        return z

    row = (torch.ones(2, 3), torch.arange(3))
    exported = fxexport.export(program, row, verify=False)
    assert not nodes_of(exported.graph, branch)
    assert not nodes_of(exported.graph, torch.ops.aten.copy.default)
    torch.testing.assert_close(exported.graph.run(*row)[0], program(*copy.deepcopy(row)))
