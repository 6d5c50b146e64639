"""Conditions, loop bounds and numbers that hang on constants made in forward."""

# The programs are written as users write them.

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("computed_constants")
ROWS = (
    rand(3, 4), -rand(3, 4).abs(), rand(1, 4), rand(5, 4) + 1, rand(6, 4) - 1, rand(4, 4)[:0],
)  # fmt: skip


def constant_if(x):
    t = torch.tensor([1.0, -1.0])
    if (t > 0).any():
        return x * 2
    return x


def schedule(x):
    for s in torch.linspace(1.0, 0.1, 5):
        if s > 0.5:
            x = x * s
        else:
            x = x + s
    return x


def sigma_loop(x):
    sigma = torch.tensor(4.0)
    while sigma > 0.3:
        x = x * sigma.cos()
        sigma = sigma * 0.5
    return x


def long_sigma_loop(x):
    sigma = torch.tensor(4.0)
    while sigma > 0.03:
        x = x * 0.9 + sigma * 0.01
        sigma = sigma * 0.9
    return x


def item_bound(x):
    n = int(torch.tensor([1.7, 2.2]).sum())
    for k in range(n):
        x = x + k
    return x


def float_of(x):
    s = float((torch.arange(4).float() / 4).std())
    return x * s if s > 0.2 else x


def tolist_of(x):
    for k in (torch.arange(3) * 2).tolist():
        x = x + k
    return x


def written_constant(x):
    t = torch.zeros(3)
    t[1] = 2
    if t.sum() > 1:
        x = x + 1
    t[0] = x.sum()
    if t.sum() > 3:
        x = x + 5
    return x


def in_a_loop(x):
    t = torch.tensor(2.0)
    for row in x:
        if t > 1:
            x = x + row
        if row.sum() > 0:
            t = t - 0.5
    return x, t


def in_a_branch(x):
    t = torch.tensor(2.0)
    if x.sum() > 0:
        t = t * 0.1
        if t > 1:
            x = x + 7
    if t > 1:
        x = x - 1
    return x


def of_a_size(x):
    t = torch.arange(x.shape[0])
    if t.sum() > 2:
        return x * 2
    return x


def slices(x):
    t = torch.tensor([1, 2, 3, 0])
    y = x
    for k in range(4):
        if t[k] > 1:
            y = torch.cat([y, x[:1] * 0 + t[k]])
    return y


def min_max(x):
    t = torch.tensor([0.2, 0.9])
    return x.clamp(t.min().item(), t.max().item())


def argmax_index(x):
    t = torch.tensor([0.2, 0.9, 0.1])
    return x[:, t.argmax()]


for program in (
    constant_if,
    schedule,
    sigma_loop,
    long_sigma_loop,
    item_bound,
    float_of,
    tolist_of,
    written_constant,
    in_a_loop,
    in_a_branch,
    of_a_size,
    slices,
    min_max,
    argmax_index,
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}})
