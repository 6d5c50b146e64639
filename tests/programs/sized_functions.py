"""Functions of PyTorch that take sizes as numbers, and slices of one row, at sizes that vary."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.programs.program import TORCH, Programs, rand

PROGRAMS = Programs("sized_functions")
SHAPES = ((4, 6), (5, 3), (8, 8), (2, 7))
X = [rand(*shape, seed=k) for k, shape in enumerate(SHAPES)]
THIN = [rand(1, 4), rand(4, 1), rand(1, 1)]


def points_in_between(x):
    height, width = x.shape
    down = torch.linspace(0.5, height - 0.5, height, dtype=torch.float32, device=x.device) / height
    around = torch.linspace(start=x.sum(), end=3.0, steps=width)
    whole = torch.linspace(0, 7, width, dtype=torch.int64)
    exact = torch.linspace(0, 10, height, dtype=torch.float64)
    return down, around, whole, exact, torch.logspace(0, 1, height)


PROGRAMS.add(points_in_between, *X, *THIN)


def triangles(x):
    above = torch.triu_indices(*x.shape, 1)
    below = torch.tril_indices(x.shape[0], x.shape[1], offset=-1)
    return above, below, x[above[0], above[1]].sum(), x[tuple(below)]


PROGRAMS.add(triangles, *X, *THIN)


def windows(x):
    height, width = x.shape
    return (
        torch.hann_window(height),
        torch.hamming_window(width, periodic=False),
        torch.blackman_window(height, False),
        torch.hann_window(window_length=width),
    )


PROGRAMS.add(windows, *X, *THIN)


def windows_of_ones_own(x):
    height, width = x.shape
    return (
        torch.hamming_window(height, True, 0.6),
        torch.hamming_window(width, False, 0.5, 0.3),
        torch.hamming_window(width, periodic=True, alpha=0.7, beta=0.2),
    )


PROGRAMS.add(windows_of_ones_own, *X, *THIN)


def distances(x):
    return (
        torch.cdist(x, x[1:] * 2),
        torch.cdist(x, x[:2], p=1.0, compute_mode="donot_use_mm_for_euclid_dist"),
        torch.cdist(x, x.flip(0) + 3, compute_mode="use_mm_for_euclid_dist"),
    )


PROGRAMS.add(distances, *X)


def solved(x):
    corner = torch.stack([x.mean(), x.amax(), x.amin(), x.std()]).reshape(2, 2)
    square = corner + torch.eye(2) * 20
    return torch.linalg.inv(square), torch.linalg.solve(square, corner), torch.inverse(square)


PROGRAMS.add(solved, *X)


def bags(x):
    table = x[:, :2]
    indices = torch.arange(x.shape[1]) % x.shape[0]
    offsets = torch.arange(x.shape[1] // 2) * 2
    return F.embedding_bag(indices, table, offsets, mode="sum")


PROGRAMS.add(bags, *X)


def grids(x):
    theta = torch.tensor([[[0.9, 0.1, 0.0], [0.2, 1.0, 0.1]]])
    edges = F.affine_grid(theta, [1, 1, *x.shape], align_corners=True)
    grid = F.affine_grid(theta, (1, 1, *x.shape), align_corners=False)
    return edges, F.grid_sample(x[None, None], grid, align_corners=False)


PROGRAMS.add(grids, *X, rand(1, 1), rand(1, 6))


def products(x):
    return torch.kron(x, x[0]), torch.kron(x[:, 0], x[0]), torch.linalg.multi_dot([x, x.t(), x])


PROGRAMS.add(products, *X, *THIN)


def along_a_dimension(x):
    order = x.argsort(1)
    best = x.argmax(0, keepdim=True)
    return x.take_along_dim(order, 1), torch.take_along_dim(x, best, dim=0), x.take_along_dim(order)


PROGRAMS.add(along_a_dimension, *X, *THIN)


def pooling_of_rows(x):
    same = torch.max_pool1d(x, 3, stride=1, padding=1)
    return F.max_pool1d(x[None], 2), same


PROGRAMS.add(pooling_of_rows, *X)


def less_the_first_row(x):
    if x.sum() > 0:
        x = x - x[:1]
    return (x[-1:] == x).all(1), x[:, :1] * x, x[1:] - x[:-1]


PROGRAMS.add(less_the_first_row, *X, *THIN, *(-x for x in X))


def halves(x):
    return torch.hsplit(x[:, : x.shape[1] // 2 * 2], 2)[1]


if TORCH >= (2, 13):  # before, hsplit needs the value of the size, and is refused
    PROGRAMS.add(halves, *X)


class Recurrent(torch.nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.rnn = getattr(torch.nn, kind)(4, 3, bidirectional=True, batch_first=True)

    def forward(self, x):
        out, last = self.rnn(x)
        return (out * 2 if out.mean() > 0 else out), last


SEQUENCES = [rand(*shape, seed=k) for k, shape in enumerate(((2, 3, 4), (3, 7, 4), (1, 1, 4)))]
PROGRAMS.add(lambda: Recurrent("GRU"), *SEQUENCES, name="gru", factory=True)
PROGRAMS.add(lambda: Recurrent("RNN"), *SEQUENCES, name="rnn", factory=True)


def covariances(x):
    often = torch.arange(x.shape[1]) % 3 + 1
    return (
        torch.cov(x),
        x.cov(correction=0, fweights=often),
        torch.cov(x, aweights=often * 0.3),
        torch.cov(x[0]),
        torch.corrcoef(x),
    )


PROGRAMS.add(covariances, *X, rand(64, 1))


def chunks_side_by_side(x):
    down = torch._chunk_cat([x, x[:1] * 2, x.t().reshape(x.shape)], 0, 3)
    return down, torch._chunk_cat([x], 1, 2)


PROGRAMS.add(chunks_side_by_side, *X, *THIN)


def contracted(x):
    both = torch.tensordot(x[:, None], x, dims=([2], [1]))
    return both, torch.tensordot(x.t(), x, 1), torch.tensordot(x, torch.arange(4.0), 0)


PROGRAMS.add(contracted, *X, *THIN)
