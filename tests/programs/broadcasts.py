"""Sizes that are 1 here and something else there meet: the result's size is PyTorch's."""

from __future__ import annotations

import torch

from tests.programs.program import TORCH, Programs, rand

PROGRAMS = Programs("broadcasts")
X0, X1, X3, X5 = (rand(n, 4, seed=n) for n in (0, 1, 3, 5))


def one_row_first(x):
    y = x[:1] * 0
    n = 0
    for _ in range(x.shape[0]):
        y = y + x
        n = n + y.shape[0]
    return y, n


PROGRAMS.add(one_row_first, X3, X0, X1, X5)


def read_before_and_after(x):
    y = x[:1] * 0
    n = 0
    for i in range(x.shape[0]):
        z = torch.where(x > 0, y, x) * y
        n = n + 10 * z.shape[0] + y.shape[0]
        if i > 0:
            y = z + x
    return y, n


PROGRAMS.add(read_before_and_after, X3, X0, X1, X5)


def a_mean_that_stays(x):
    mean = x[:1]
    steps = 0
    while steps < 3 and x.numel() > 0:
        centred = x - mean
        mean = centred.mean(0, keepdim=True) if centred.shape[0] > 2 else centred
        steps += centred.shape[0]
    return mean, steps


PROGRAMS.add(a_mean_that_stays, X3, X0, X1, X5, X5[:2])


def inner_and_outer(x):
    y = x[:1]
    n = 0
    for _ in range(x.shape[0]):
        z = y[:1]
        for _ in range(2 + x.shape[0]):
            z = z * 0.5 + y
            n = n + z.shape[0]
        y = z + x
    return y, n


PROGRAMS.add(inner_and_outer, X3, X0, X1, X5)


def grown_against_rows(x):
    grown = x[:0]
    n = 0
    for i in range(x.shape[0]):
        grown = torch.cat([grown, x[i : i + 1]])
        if grown.shape[0] == 1 or grown.shape[0] == x.shape[0]:
            both = grown + x
            n = n + both.shape[0]
    return grown, n


PROGRAMS.add(grown_against_rows, X3, X0, X1, X5)


def rows(positive, total=4):
    """`total` rows, of which the first ones start with a positive number."""
    x = rand(total, 4, seed=total).abs()
    x[positive:] *= -1
    return x


def selected_rows(x, y):
    z = x[x[:, 0] > 0] + y[y[:, 0] > 0]
    return z, z.shape[0], torch.zeros(z.shape[0])


SELECTED = [(rows(a), rows(b)) for a, b in ((2, 2), (1, 3), (3, 1), (1, 1), (0, 1), (0, 0))]
PROGRAMS.add(selected_rows, *SELECTED)


def selected_rows_in_a_branch(x, y):
    n = 0
    if x.sum() > y.sum() - 5:
        z = x[x[:, 0] > 0] + y[y[:, 0] > 0]
        w = z * x[x[:, 0] > 0]
        n = z.shape[0] * 10 + w.shape[0]
    return n


PROGRAMS.add(selected_rows_in_a_branch, *SELECTED)


def sum_on_one_way(x, y):
    n = 0
    z = x
    if x.sum() > 0:
        z = x + y
        n = z.shape[0]
    return z, n


PROGRAMS.add(
    sum_on_one_way,
    *((a.abs(), b) for a, b in ((X3, X3), (X1, X5), (X5, X1), (X0, X1), (X1, X0))),
    (-X3.abs(), X5),
)


def loop_on_one_way(x, y):
    n = 0
    if x.sum() > 0:
        for _ in range(2 + y.shape[0]):
            z = x + y
            n = n + z.shape[0]
    return n


PROGRAMS.add(loop_on_one_way, *((a.abs(), b) for a, b in ((X3, X3), (X1, X5), (X5, X1))), (-X3, X5))


def products_of_batches(x):
    y = x[:1, None, :]
    n = 0
    for _ in range(x.shape[0]):
        z = y @ x[:, :, None]
        w = torch.einsum("bij,bj->bi", y, x)
        n = n + z.shape[0] * 10 + w.shape[0]
        y = x[:, None, :] * z
    return y, n


PROGRAMS.add(products_of_batches, X3, X0, X1, X5)


def rows_and_columns_by_index(x):
    columns = torch.zeros(1, dtype=torch.long)
    n = 0
    for _ in range(x.shape[0]):
        picked = x[torch.arange(x.shape[0]), columns]
        n = n + picked.shape[0]
        columns = (x[:, 0] > 0).long()
    return n


PROGRAMS.add(rows_and_columns_by_index, X3, X0, X1, X5)


# -- x[:1] meets other tensors, where x may be empty ----------------------------------------------

ROWS = [(3, 2), (1, 1), (4, 1), (1, 5), (3, 0), (0, 0), (0, 1), (2, 4)]
PAIRS = [(rand(n, 4, seed=n), rand(m, 4, seed=10 + m)) for n, m in ROWS]
BOTH = {"x": {0: "n"}, "y": {0: "m"}}


def first_row_and_its_number(x, y):
    short = torch.relu(x[:1])
    return x - x[:1], len(short), y * x[:1] + x[-1:]


PROGRAMS.add(first_row_and_its_number, *PAIRS, dynamic=BOTH)


def first_row_in_a_branch_of_few(x, y):
    w = x + 1
    if x.numel() > 3:
        y = y + w[:1]
    else:
        w[:1] = 1.25
    return w[w[:, 0] > 0], y


PROGRAMS.add(first_row_in_a_branch_of_few, *PAIRS, dynamic=BOTH)


def first_row_expanded(x, y):
    wide = x[:1].expand(y.shape[0], 4) if y.shape[0] else y
    return torch.where(x[:1] > 0, wide, x[-1:]), torch.cat([x[:1], y, y * x[:1]])


PROGRAMS.add(first_row_expanded, *(pair for pair in PAIRS if len(pair[0])), dynamic=BOTH)


def first_row_written_to_the_others(x, y):
    x = x.clone()
    x[1:] += x[:1]
    y = y.clone()
    y[:1] *= 2
    return x, y, x[:1].sum(0), x[1:2].clamp(0).shape[0]


PROGRAMS.add(first_row_written_to_the_others, *PAIRS, dynamic=BOTH)


def first_rows_of_both(x, y):
    return x[:1] * y[:1], (x[-1:] == x).all(1), x[:1].sum(1) + x.sum(1)


PROGRAMS.add(first_rows_of_both, *PAIRS, dynamic=BOTH)


def first_row_squeezed(x):
    return x[:1].squeeze(0) + x


PROGRAMS.add(first_row_squeezed, X3, X1, X5)


def rows_of_images(x):
    n = x.shape[0]
    rows = x.reshape(n, -1).float()
    shared = rows @ rows.t()
    areas = rows.sum(1).expand(n, n)
    return shared / (areas + areas.t() - shared + 1e-6)


IMAGES = tuple(rand(n, 4, 4, seed=n) > 0 for n in (3, 1, 5))
PROGRAMS.add(rows_of_images, *IMAGES, dynamic={"x": {0: "n"}})


def stretched_in_place(x):
    """A size of 1 is stretched by what is written in place; it stays 1 for what comes after."""
    total = torch.zeros(3)
    for k in range(x.shape[0]):
        total += x[k]
        total += torch.ones(x.shape[1]).sum()
    return total


def stretched_into_a_row(x):
    table = torch.zeros(4, 3)
    for k in range(x.shape[0]):
        table[0] += x[k]
        table[1] = x[k]
        table[2] = table[2] + (5 if x.shape[1] == 3 else 7)
    return table


def stretched_by_copies(x):
    first, second = torch.zeros(3), torch.ones(2, 3)
    for k in range(x.shape[0]):
        first.copy_(x[k])
        second.mul_(x[k]).add_(torch.ones(x.shape[1]).sum())
    return first, second


def stretched_in_a_branch(x):
    total = torch.zeros(3)
    if x.sum() > 0:
        total -= x[0]
        total.addcmul_(x[0], x[0])
        total = total + torch.ones(x.shape[1]).sum()
    return total


def stretched_by_out(x):
    total = torch.zeros(3)
    for k in range(x.shape[0]):
        torch.add(total, x[k], out=total)
        total.masked_fill_(x[k] > 2, 1.0)
        total.lerp_(x[k].expand(3) * 1, 0.5)
        total += x.shape[1]
    return total


for _program in (
    stretched_in_place,
    # Before 2.13 PyTorch compares the sizes of what is stored itself: the file asks for too much.
    *([stretched_into_a_row] if TORCH >= (2, 13) else []),
    stretched_by_copies,
    stretched_in_a_branch,
    stretched_by_out,
):
    PROGRAMS.add(_program, rand(2, 3), rand(2, 1), rand(1, 3), rand(4, 1) + 2, -rand(1, 3))


def stretched_by_expand(x):
    table = torch.zeros(2, 3)
    for k in range(x.shape[0]):
        table = torch.cat([table, x[k].expand(1, 3)])
        table = table + x.shape[1]
    return table


def stretched_beside_products(x):
    table = torch.zeros(3, 3)
    for k in range(x.shape[0]):
        table = torch.addmm(x[k], table, table) + x.shape[1]
        table = torch.baddbmm(x[k], table[None], torch.ones(1, 3, 3))[0] + x.shape[1]
    return table


def stretched_by_index(x):
    table = torch.zeros(2, 3)
    for k in range(x.shape[0]):
        table[:, torch.tensor([0, 1, 2])] = x[k]
        table.index_put_((torch.tensor([0]),), x[k])
        table = torch.where(table > 0, x[k], table) + x.shape[1]
    return table


for _program in (stretched_by_expand, stretched_beside_products, stretched_by_index):
    PROGRAMS.add(_program, rand(2, 3), rand(2, 1), rand(1, 3), rand(4, 1) + 2, -rand(1, 3))


def stretched_beside_outer_products(x):
    table = torch.zeros(3, 3)
    for k in range(x.shape[0]):
        table = torch.addr(x[k], table[0], torch.ones(3)) + x.shape[1]
    return table


PROGRAMS.add(
    stretched_beside_outer_products, rand(2, 3), rand(2, 1), rand(1, 3), rand(4, 1) + 2, -rand(1, 3)
)
TWO = [(rand(n, 4), rand(m, 4, seed=2)) for n, m in ((3, 3), (3, 1), (1, 1), (2, 2))]


def what_an_outer_product_is_added_to(x, y):
    z = y
    if x.sum() > -1000:
        z = torch.addr(y, x[:, 0], torch.ones(4))
    return z, x.shape[0], y.shape[0]


PROGRAMS.add(what_an_outer_product_is_added_to, *TWO, dynamic=BOTH)


def what_a_mask_scatters_into(x, y):
    z = y
    if x.sum() > -1000:
        z = y.masked_scatter(x > 0, torch.ones(20))
    return z, x.shape[0], y.shape[0]


PROGRAMS.add(what_a_mask_scatters_into, *TWO, (rand(1, 4), rand(3, 4)), dynamic=BOTH)
