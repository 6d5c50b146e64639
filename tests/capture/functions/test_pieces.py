"""Pieces and rows of a dynamic dimension: as many as PyTorch gives, at every size."""

# The programs are written as users write them.
# ruff: noqa: C417, SIM108

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

import fxexport
from fxexport import Dim
from tests.support.promises import SIZES, Promise, keeps_promise

Tensor = torch.Tensor
Function = Callable[..., Any]


def rows(size: int) -> tuple[Tensor]:
    return (torch.arange(size * 3.0).reshape(size, 3) - 4,)


def added(pieces: Any) -> Tensor:
    total = torch.zeros(3)
    for piece in pieces:
        total = total * 2 + piece.sum(0)
    return total


# -- a number of pieces that depends on the size ---------------------------------------------------


def with_enumerate(x: Tensor) -> Tensor:
    total = torch.zeros(3)
    for k, piece in enumerate(x.split(2)):
        total = total * 2 + piece.sum(0) * k
    return total


def with_zip(x: Tensor) -> Tensor:
    total = torch.zeros(3)
    for a, b in zip(x.split(2), x.chunk(4), strict=False):
        total = total * 2 + a.sum(0) * b.sum()
    return total


def with_reversed(x: Tensor) -> Tensor:
    return added(reversed(x.split(2)))


def as_list(x: Tensor) -> Any:
    pieces = list(x.split(2))
    pieces.append(x[:1])
    return pieces[0], pieces[-1], torch.cat(pieces), len(pieces)


def asked_for(x: Tensor) -> Any:
    pieces = x.split(2)
    if isinstance(pieces, tuple) and len(pieces) > 2:
        return pieces[2].sum(0)
    return x.sum(0)


def at_an_index_of_sizes(x: Tensor) -> Any:
    return x.split(2)[x.shape[0] // 4]


def popped(x: Tensor) -> Any:
    pieces = list(x.split(2))
    last = pieces.pop()
    return last, len(pieces)


def in_a_loop(x: Tensor) -> Any:
    y = x
    for _ in range(x.shape[0]):
        pieces = y.split(2)
        y = torch.cat([pieces[0] * 2, y[2:]])
    return y


def carried(x: Tensor) -> Any:
    pieces = x.split(2)
    y = x.clone()
    for _ in range(x.shape[0]):
        y = y + pieces[0].sum()
        pieces = y.split(3)
    return pieces[0]


def in_a_branch(x: Tensor) -> Any:
    y = x.sum(0)
    if x.sum() < 100:
        y = x.split(2)[-1].sum(0)
    return y


def from_a_branch(x: Tensor) -> Any:
    if x.sum() > 0:
        pieces = x.split(2)
    else:
        pieces = x.split(3)
    return pieces[0].sum(), len(pieces)


def of_what_data_decides(x: Tensor) -> Any:
    return added(x[x[:, 0] > 0].chunk(2))


def starred(x: Tensor) -> Any:
    first, *others = x.split(2)
    return first, torch.cat(others) if len(others) > 0 else first


EVERY_SIZE: dict[str, Function] = {
    "split": lambda x: added(x.split(2)),
    "split of the last": lambda x: added([p.t() for p in x.t().split(2, -1)]),
    "torch.split": lambda x: added(torch.split(x, 5)),
    "split_with_sizes of one": lambda x: x.split_with_sizes([x.shape[0]])[0],
    "unsafe_split": lambda x: added(torch.unsafe_split(x, 2)),
    "split_copy": lambda x: added(torch.split_copy(x, 2)),
    "chunk": lambda x: added(x.chunk(3)),
    "torch.chunk": lambda x: added(torch.chunk(x, 4)),
    "unsafe_chunk": lambda x: added(torch.unsafe_chunk(x, 2)),
    "chunks by a size": lambda x: added(x.chunk(x.shape[0] // 2 + 1)),
    "unbind": lambda x: added([row[None] for row in x.unbind(0)]),
    "unbind of the last": lambda x: added([row[None] for row in x.t().unbind(1)]),
    "unbind_copy": lambda x: added([row[None] for row in torch.unbind_copy(x)]),
    "returned": lambda x: x.chunk(3),
    "first": lambda x: x.split(2)[0],
    "last": lambda x: x.split(2)[-1],
    "length": lambda x: x.sum(0) + len(x.split(2)),
    "comprehension": lambda x: sum([p.sum(0) * 2 for p in x.split(2)]),
    "map": lambda x: torch.stack(list(map(lambda p: p.sum(0), x.split(2)))),
    "cat": lambda x: torch.cat(x.split(2)) * 2,
    "in a display": lambda x: torch.cat([*x.split(2), x]),
    "tensor_split": lambda x: [p.sum(0) for p in torch.tensor_split(x, 3)],
    "tensor_split at indices": lambda x: x.tensor_split((2, 5)),
    "tensor_split from the end": lambda x: x.tensor_split([-3, -1]),
    "tensor_split at a size": lambda x: x.tensor_split([x.shape[0] // 2]),
    "tensor_split at a tensor": lambda x: x.tensor_split(torch.tensor([1, 4])),
    "tensor_split into a tensor": lambda x: x.tensor_split(torch.tensor(3)),
    "tensor_split by a size": lambda x: added(x.tensor_split(x.shape[0] // 2 + 1)),
    "dsplit at indices": lambda x: x.t()[None].dsplit([1, 3]),
    **{
        program.__name__: program
        for program in (
            with_enumerate, with_zip, with_reversed, as_list, asked_for, at_an_index_of_sizes,
            popped, in_a_loop, carried, in_a_branch, from_a_branch, of_what_data_decides, starred,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("program", EVERY_SIZE.values(), ids=EVERY_SIZE)
def test_there_are_as_many_pieces_as_pytorch_gives(program: Function) -> None:
    assert keeps_promise(program, rows).right == list(SIZES)


# -- sizes at which PyTorch raises -----------------------------------------------------------------


def unpacked(x: Tensor) -> Any:
    a, b, c = x.chunk(3)
    return a, b, c


def gated(x: Tensor) -> Any:
    a, b = x.chunk(2)
    return a * torch.sigmoid(b)


def asked_before(x: Tensor) -> Any:
    pieces = x.chunk(2)
    if len(pieces) == 2:
        a, b = pieces
        return a.sum(0) - b.sum(0)
    return x.sum(0)


def unpacked_in_a_branch(x: Tensor) -> Any:
    y = x.sum(0)
    if x.sum() < 1000:
        a, _ = x.chunk(2)
        y = a.sum(0)
    return y


def three(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return a + b * 2 + c * 3


class Apart(torch.nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a.sum(0) - b.sum(0)


SOME_SIZES: dict[str, tuple[Function, tuple[int, ...]]] = {
    "unpacked": (unpacked, (1, 2, 4)),
    "a gate": (gated, (1, 5, 7, 9, 11)),
    "unpacked where there are enough": (asked_before, ()),
    "unpacked in a branch": (unpacked_in_a_branch, (1,)),
    "at an index": (lambda x: x.split(2)[1], (0, 1, 2)),
    "at an index from the end": (lambda x: x.split(2)[-2], (0, 1, 2)),
    "side by side": (lambda x: torch.cat(x.split(2), 1), (3, 5, 7, 9, 11)),
    "stacked": (lambda x: torch.stack(x.split(2)), (3, 5, 7, 9, 11)),
    "without the first": (lambda x: torch.cat(x.split(2)[1:]), (0, 1, 2)),
    "a size that may be 0": (lambda x: x.split(x.shape[0] // 2)[0], (1,)),
    "the size itself": (lambda x: x.split(x.shape[0])[0], ()),
    "no chunks": (lambda x: x.chunk(x.shape[0])[0], (0,)),
    "vsplit": (lambda x: torch.vsplit(x, 2), (1, 3, 5, 7, 9, 11)),
    "hsplit": (lambda x: x.t().hsplit(2), (1, 3, 5, 7, 9, 11)),
    "starred": (lambda x: three(*[p.sum(0) for p in x.split(2)]), (*range(5), *range(7, 13), 24)),
    "starred beside a name": (lambda x: three(*x.chunk(2), c=x[:1]), (1, 5, 7, 9, 11)),
    "starred for a module": (lambda x: Apart()(*x.chunk(2)), (1,)),
    "starred for any number": (lambda x: (lambda *pieces: torch.cat(pieces))(*x.split(2)), ()),
    "two sizes": (lambda x: x.split([2, x.shape[0] - 2]), (0, 1)),
}


@pytest.mark.parametrize(("program", "raising"), SOME_SIZES.values(), ids=SOME_SIZES)
def test_a_file_promises_the_sizes_that_pytorch_takes(
    program: Function, raising: tuple[int, ...]
) -> None:
    assert keeps_promise(program, rows).raising == list(raising)


def test_the_contract_is_readable() -> None:
    assert keeps_promise(unpacked, rows).relations == ["n != 1", "n != 2", "n != 4"]


def test_a_range_decides_how_many_chunks_there_are() -> None:
    sizes = range(5, 13)
    promise = keeps_promise(unpacked, rows, sizes=sizes, dynamic={"x": {0: Dim("n", min=5)}})
    assert promise.right == list(sizes) and not promise.relations


def test_sizes_that_are_numbers_hold_the_dimension() -> None:
    with pytest.raises(fxexport.UnsupportedError, match="needs it to be 6"):
        keeps_promise(lambda x: x.split([2, 4]), rows)


# -- other spellings -------------------------------------------------------------------------------


def split(x: Tensor) -> Any:
    return torch.split(x, 2)[0]


def chunked(x: Tensor) -> Any:
    return torch.chunk(x, 3)[-1]


def halves(x: Tensor) -> Any:
    a, b = x.chunk(2)
    return a, b


def tensor_split(x: Tensor) -> Any:
    return torch.tensor_split(x, 3)[1]


def over_unbind(x: Tensor) -> Any:
    total = torch.zeros(3)
    for row in x.unbind(0):
        total = total * 2 + row
    return total


def sized(x: Tensor) -> Any:
    a, b = torch.split(x, [1, x.size(0) - 1])
    return a, b


def unsafe(x: Tensor) -> Any:
    return torch.unsafe_split(x, 2)[-1]


SPELLINGS = {
    function.__name__: (function, raising)
    for function, raising in (
        (split, ()), (chunked, ()), (halves, (1,)), (tensor_split, ()), (over_unbind, ()),
        (sized, (0,)), (unsafe, ()),
    )
}  # fmt: skip


@pytest.mark.parametrize(("program", "raising"), SPELLINGS.values(), ids=SPELLINGS)
def test_torchscript_gives_as_many_pieces(program: Function, raising: tuple[int, ...]) -> None:
    assert keeps_promise(torch.jit.script(program), rows).raising == list(raising)


def traced(program: Function) -> Promise:
    graph = make_fx(program)(*rows(6))

    def called(x: Tensor) -> Any:
        return graph(x)

    return keeps_promise(called, rows)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("program", "raising"),
    [
        # The graph splits by the example's size, and reads as many items.
        (split, (0, 1, 2, 3, 4)),
        (chunked, (0, 1, 2, 3, 4)),
        (halves, (0, 1, 2, 3)),
        (tensor_split, ()),
        (over_unbind, (0, 1, 2, 3, 4, 5)),
    ],
)
def test_operators_in_a_graph_need_their_items(
    program: Function, raising: tuple[int, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    assert traced(program).raising == list(raising)


# -- a number that is known ------------------------------------------------------------------------


def test_a_static_dimension_gives_a_tuple() -> None:
    def program(x: Tensor) -> Any:
        a, b, c = x.unbind(1)
        d, e = x.split(2, 1)
        return [*x.chunk(3, 1), a + b + c, d, e]

    assert keeps_promise(program, rows).right == list(SIZES)


def test_code_that_is_not_rewritten_holds_the_dimension() -> None:
    apart = eval("lambda x: [piece.sum(0) for piece in x.split(2)]")
    exported = fxexport.export(lambda x: apart(x), rows(6), dynamic=True, verify=False)
    assert exported.graph.inputs[0].shape[0] == 6
