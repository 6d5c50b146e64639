"""Unique slices along a dimension: which there are, where each is, how many."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import fxexport
from fxexport.targets.onnxruntime.session import OrtSession, RuntimeFailure
from tests.support.complex_values import check

SIZES = [(5, 3, 2), (1, 1, 1), (8, 2, 1), (3, 9, 4), (2, 1, 7)]
Triple = tuple[Tensor, Tensor, Tensor]


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Of few values, so that slices are equal."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(0, 2, shape, generator=generator).to(dtype)


def runs(dim: int | None) -> Callable[[Tensor], Triple]:
    def program(x: Tensor) -> Triple:
        return torch.unique_consecutive(x, return_inverse=True, return_counts=True, dim=dim)  # type: ignore[no-any-return]

    return program


def kinds(dim: int) -> Callable[[Tensor], Triple]:
    def program(x: Tensor) -> Triple:
        return torch.unique(x, return_inverse=True, return_counts=True, dim=dim)  # type: ignore[no-any-return]

    return program


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("made", [runs, kinds])
def test_slices_along_a_dimension(made: Callable[[int], Callable[..., Triple]], dim: int) -> None:
    check(made(dim), *[(drawn(*size),) for size in SIZES])


@pytest.mark.parametrize("made", [runs, kinds])
def test_of_no_slices_there_is_none(made: Callable[[int], Callable[..., Triple]]) -> None:
    check(made(0), (drawn(4, 3),), (drawn(0, 3),), (drawn(1, 2),))


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.bool,
        torch.int8,
        torch.uint8,
        torch.int64,
    ],
    ids=str,
)
def test_runs_of_every_dtype(dtype: torch.dtype) -> None:
    check(runs(-2), (drawn(5, 3, dtype=dtype),), (drawn(8, 1, dtype=dtype),))


def test_a_run_ends_at_each_nan() -> None:
    x = torch.tensor([[1, 2.0], [1, 2], [1, torch.nan], [1, torch.nan], [0, -0.0], [0, 0]])
    check(runs(0), (x,), (x[2:4],))
    check(runs(0), (x[:, 1],), (x[:, 0],))


def test_runs_inside_of_an_if_and_a_loop() -> None:
    def program(x: Tensor) -> Tensor:
        total = x[0].sum(0)
        for rows in x:
            if rows.sum() > 3:
                found, counts = torch.unique_consecutive(rows, return_counts=True, dim=0)
                total = total + (found * counts[:, None]).sum(0) + found.shape[0]
        return total

    check(program, *[(drawn(*size),) for size in ((4, 5, 3), (1, 2, 3), (6, 9, 1))])


@pytest.mark.parametrize("made", [runs, kinds])
def test_slices_without_elements_raise(made: Callable[[int], Callable[..., Triple]]) -> None:
    def program(x: Tensor) -> Tensor:
        if x.shape[0] > 2:
            return made(0)(x)[0]
        return x

    with pytest.raises(RuntimeError, match="0 sized dimensions"):
        program(drawn(3, 0))
    exported = fxexport.export(program, drawn(3, 2), dynamic=True, verify=False)
    session = OrtSession(exported.model.SerializeToString())
    with pytest.raises(RuntimeFailure, match="a size of what is compared"):
        session.run({"x": drawn(3, 0)})


@pytest.mark.parametrize(("x", "dim"), [(drawn(2, 2), 2), (torch.tensor(1.0), 0)])
def test_a_dimension_that_is_not_there_raises(x: Tensor, dim: int) -> None:
    with pytest.raises(IndexError, match="Dimension"):
        fxexport.export(runs(dim), x)
