"""A size that is 1 on one path is expanded, and the tensor is used as it is as well."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.programs.program import Programs, rand

PROGRAMS = Programs("expanded")
COUNTS = (2, 1, 4, 0)
ROWS = [(rand(n, 3, seed=n), sign * torch.ones(2)) for n in COUNTS for sign in (1, -1)]
ONE_SIZE = ROWS[:2]
NAMED = {"x": {0: "n"}}


def one_row_or_all(x, y):
    m = torch.arange(3.0)[None]
    if y.sum() > 0:
        m = x
    return m


def add(function):
    """The program with a size that is known, with any, and with one that has a name."""
    PROGRAMS.add(function, *ONE_SIZE, dynamic=None, name=f"{function.__name__}_static")
    PROGRAMS.add(function, *ROWS)
    PROGRAMS.add(function, *ROWS, dynamic=NAMED, name=f"{function.__name__}_named")


def by_expand(x, y):
    m = one_row_or_all(x, y)
    return m.expand(x.shape[0], -1) + m.sum(0), m.shape[0]


add(by_expand)


def by_expand_with_a_new_dimension(x, y):
    m = one_row_or_all(x, y)
    return m.expand(2, x.shape[0], -1) + m.sum(0), m.shape[0]


add(by_expand_with_a_new_dimension)


def by_broadcast_to(x, y):
    m = one_row_or_all(x, y)
    return torch.broadcast_to(m, x.shape) + m.sum(0), m.shape[0]


add(by_broadcast_to)


def by_expand_as(x, y):
    m = one_row_or_all(x, y)
    return m.expand_as(x) + m.sum(0), m.shape[0]


add(by_expand_as)


def by_broadcast_tensors(x, y):
    m = one_row_or_all(x, y)
    a, b = torch.broadcast_tensors(m, x)
    return a * b + m.sum(0), m.shape[0]


add(by_broadcast_tensors)


def by_a_product_and_a_sum(x, y):
    m = one_row_or_all(x, y)
    return torch.addmm(m, x, torch.ones(3, 3)) + m.sum(0), m.shape[0]


add(by_a_product_and_a_sum)


def by_products_of_batches(x, y):
    m = one_row_or_all(x, y)
    batch = torch.baddbmm(m[:, None], x[:, None], torch.ones(x.shape[0], 3, 3))
    return batch + m.sum(0), m.shape[0]


add(by_products_of_batches)


def by_matmul(x, y):
    m = one_row_or_all(x, y)
    return torch.matmul(m[:, None], torch.ones(x.shape[0], 3, 2)) + m.sum(), m.shape[0]


add(by_matmul)


def by_a_write(x, y):
    m = one_row_or_all(x, y)
    z = torch.zeros(x.shape[0], 3)
    z[:] = m
    return z + m.sum(0), m.shape[0]


add(by_a_write)


def by_a_copy(x, y):
    m = one_row_or_all(x, y)
    z = torch.zeros(x.shape[0], 3)
    z.copy_(m)
    return z + m.sum(0), m.shape[0]


add(by_a_copy)


def by_a_mask(x, y):
    m = one_row_or_all(x, y)
    return torch.zeros_like(x).masked_fill(m > 0.5, 2.0) + m.sum(0), m.shape[0]


add(by_a_mask)


def by_attention(x, y):
    m = one_row_or_all(x, y)[:, None, None]
    q = x[:, None, None]
    found = F.scaled_dot_product_attention(q, q, q, m[..., :1])
    return found + m.sum(0), m.shape[0]


add(by_attention)


def by_index_put(x, y):
    m = one_row_or_all(x, y)
    z = torch.zeros(x.shape[0], 3)
    z[torch.arange(x.shape[0])] = m
    return z + m.sum(0), m.shape[0]


add(by_index_put)


def by_the_loss(x, y):
    m = one_row_or_all(x, y)
    return F.mse_loss(m.expand(x.shape[0], 3), x, reduction="none") + m.sum(0), m.shape[0]


add(by_the_loss)


def in_a_loop(x, y):
    m = torch.ones(1, 3)
    total = torch.zeros(())
    for _ in range(int(y.numel())):
        total = total + (m.expand(x.shape[0], -1) * x).sum() + m.shape[0]
        m = one_row_or_all(x, y)
    return total, m.shape[0]


add(in_a_loop)


def selected_rows(x, y):
    m = x[x[:, 0] > 0.5]
    if m.shape[0] != 1:
        m = m[:0].sum(0, keepdim=True)
    return m.expand(x.shape[0], -1) + m.sum(0), m.shape[0]


add(selected_rows)


def as_many_rows_as_data_say(x, y):
    m = x[: 1 + (y > 0).sum() // 2]
    return m.expand(2, -1) + m.sum(0), m.shape[0]


PROGRAMS.add(as_many_rows_as_data_say, *ROWS[:-2])
