"""Diagonals whose place is known only when the model runs."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("diagonals")


def number(k):
    return torch.tensor(k)


MATRICES = (
    (rand(3, 4), number(1)), (rand(5, 2), number(-2)), (rand(5, 5), number(7)),
    (rand(3, 3), number(0)), (rand(2, 6), number(-1)), (rand(2, 6), number(-4)),
)  # fmt: skip
VECTORS = ((rand(3), number(1)), (rand(5), number(-2)), (rand(1), number(7)), (rand(4), number(0)))


def read(x, k):
    k = int(k)
    return x.diagonal(k), torch.linalg.diagonal(x, offset=k), torch.diag(x, k), x.diagonal(k).sum()


PROGRAMS.add(read, *MATRICES)


def written(x, k):
    y = x * 1
    y.diagonal(int(k)).fill_(7)
    torch.diagonal(y, offset=k.item(), dim1=1, dim2=0).mul_(2)
    return y


PROGRAMS.add(written, *MATRICES)


def made(x, k):
    k = int(k)
    return torch.diag_embed(x, k), torch.diag(x, k), torch.diagflat(x, k), x.diag(k)


PROGRAMS.add(made, *VECTORS)


def of_each_matrix(x, k):
    x, k = x.repeat(2, 1, 1), int(k)
    return x.diagonal(k, 1, 2), torch.diag_embed(x, k, 0, 1), torch.diagonal_copy(x, k, 0, 2)


PROGRAMS.add(of_each_matrix, *MATRICES)


def at_a_size(x, k):
    n = x.shape[0]
    return x.diagonal(n - 2), x.triu(n // 2), torch.diagonal_scatter(x, x.diagonal(1 - n), 1 - n)


PROGRAMS.add(at_a_size, *MATRICES)
