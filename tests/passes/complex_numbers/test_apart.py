"""Views, choices of elements, joins, sums and norms of complex tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.support.complex_values import check, metadata_holds, spectrum


def written(c: torch.Tensor) -> torch.Tensor:
    c = c.clone()
    c[1:3] = c[0:2] * 2
    c[:, 0] = 0
    c[0] += 1j
    c.imag.mul_(2)
    return c.mul_(2j).add_(1)


ONE: dict[str, Callable[[torch.Tensor], Any]] = {
    "reshape": lambda c: c.reshape(-1),
    "flatten": lambda c: c.flatten(-2),
    "transpose": lambda c: (c.mT, c.mH),
    "permute": lambda c: c[None].permute(2, 0, 1),
    "unsqueeze": lambda c: c[:, None, ..., 0],
    "expand": lambda c: c.expand(3, -1, -1),
    "slices": lambda c: (c[1:], c[:, ::2], c[..., -1]),
    "index": lambda c: c[torch.tensor([2, 0])],
    "mask": lambda c: c[c.real > 0],
    "gather": lambda c: c.gather(0, torch.tensor([[0, 1, 2, 0]])),
    "written": written,
    "masked_fill": lambda c: c.masked_fill(c.real > 0, 2j),
    "where": lambda c: (torch.where(c.real > 0, c, 0), torch.where(c.imag > 0, c.real, c)),
    "pad": lambda c: (functional.pad(c, (1, 2)), functional.pad(c, (1, 2), value=2.0)),
    "flip and roll": lambda c: c.flip(0).roll(1, 1),
    "split": lambda c: (c.split(2, 1)[1] * 2, c.unbind(0)[1], c.chunk(2, 1)[0]),
    "repeat": lambda c: (c.repeat(2, 1), c.tile(1, 2)),
    "triangle": lambda c: (c.tril(), c.triu(1), c.diagonal()),
    "cat": lambda c: (torch.cat([c, c.real], 1), torch.stack([c, c * 1j], -1)),
    "scatter_add": lambda c: c.scatter_add(0, torch.tensor([[0, 1, 2, 0]]), c[:1]),
    "index_put": lambda c: c.index_put((torch.tensor([0, 0]),), c[1:3], accumulate=True),
    "sums": lambda c: (c.sum(), c.sum(0, keepdim=True), c.mean(-1), c.cumsum(0), c.mean()),
    "norms": lambda c: (c.norm(), torch.linalg.vector_norm(c, dim=-1), functional.normalize(c)),
    "variance": lambda c: (c.var(), c.std(0), c.var(1, unbiased=False)),
    "questions": lambda c: (c.any(), c.all(1), torch.count_nonzero(c), (c != 0).nonzero()),
    "largest": lambda c: (c.abs().max(), c.abs().argmax(-1)),
    "zeros": lambda c: torch.zeros_like(c) + torch.zeros(4, dtype=c.dtype) + c.new_zeros(4),
    "full": lambda c: torch.full_like(c, 2j) * torch.full((4,), 1 + 1j) * torch.ones_like(c),
    "constant": lambda c: torch.tensor([1 + 2j, 3, 4j, 0]) * c,
    "as twice as many": lambda c: c.view(torch.float32),
    "sizes": lambda c: c * c.shape[1] + c.size(0),
    "fftshift": lambda c: torch.fft.fftshift(c),
}


@pytest.mark.parametrize("name", ONE)
def test_as_in_pytorch(name: str) -> None:
    check(ONE[name], *((spectrum(n, 4),) for n in (3, 5, 4)), dynamic=({0: "n"},))
    metadata_holds(ONE[name], [spectrum(3, 4)])


def test_twice_as_many_real_numbers_as_complex_ones() -> None:
    check(lambda x: x.view(torch.complex64) * 1j, *((torch.randn(n, 6),) for n in (3, 1, 0)))


def test_no_elements() -> None:
    def program(c: torch.Tensor) -> Any:
        return c.sum(), c.reshape(-1), c * 2j, c[c.real > 0]

    check(program, (spectrum(3, 4),), (spectrum(0, 4),))
