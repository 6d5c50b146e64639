"""Views that are first read in a branch or loop, after their tensor was written."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("stale_views")
YES, NO = torch.tensor(True), torch.tensor(False)
STATIC = ((rand(6), YES), (rand(6), NO))
SIZES = ((rand(6), YES), (rand(4), NO), (rand(5), YES), (rand(5), NO))
TRIPS = tuple((rand(4), torch.tensor(n)) for n in (3, 0, 1, 5))


def made_after_the_write(x, c):
    y = x * 1
    y[:2] = 0
    k = y[:2]
    if c:
        return k + 1
    return k - 1


PROGRAMS.add(made_after_the_write, *SIZES)


def made_before_the_write(x, c):
    y = x * 1
    k = y[:2]
    y[:2] = 0
    z = k + 1 if c else k - 1
    return z + y[0], k


PROGRAMS.add(made_before_the_write, *STATIC, dynamic=False)


def base_written_through_the_view(x, c):
    y = x * 1
    k = y[:2]
    k.zero_()
    z = y + 1 if c else y - 1
    return z, y, k


PROGRAMS.add(base_written_through_the_view, *SIZES)


def written_before_and_in_the_branch(x, c):
    y = x * 1
    k, j = y[:2], y[1:3]
    k.zero_()
    y += 1
    if c:
        j.mul_(3)
        z = k + 1
    else:
        z = j - 1
        k.add_(5)
    return z, y, k, j


PROGRAMS.add(written_before_and_in_the_branch, *SIZES)


def branch_in_a_branch(x, c):
    y = x * 1
    k = y[:2]
    y.neg_()
    if c:
        y.add_(1)
        z = k * 2 if x.sum() > 0 else k * 3
        z = z + k
    else:
        z = k
    return z, k, y


PROGRAMS.add(branch_in_a_branch, *SIZES, (-rand(5), YES))


def read_in_a_loop(x, n):
    y = x * 1
    k, v = y[:2], y.view(2, 2)
    y.mul_(2)
    total = torch.zeros(2)
    for _ in range(n):
        total = total + k + v[0]
        if total.sum() > 2:
            k.add_(1)
        else:
            y.mul_(2)
            total = total - v[1]
    return total, k, v, y


PROGRAMS.add(read_in_a_loop, *TRIPS, dynamic=False)


def made_in_each_iteration(x, n):
    y = x * 1
    total = torch.zeros(2)
    for _ in range(n):
        k = y[:2]
        y = y * 1
        y[1:3] = total
        j = y[1:]
        total = total + k + j[:2] if total.sum() > -1 else total - j[1:3]
    return total, y


PROGRAMS.add(made_in_each_iteration, *TRIPS, dynamic=False)


def view_of_an_input(x, c):
    x[:2] = 0
    k = x[:2]
    x.add_(1)
    if c:
        return k + 1, x
    return k - 1, x


PROGRAMS.add(view_of_an_input, *SIZES)


def made_and_looped_over_after_the_write(x):
    y = x * 1
    y[0] = 2
    total = torch.zeros(())
    for row in y:
        total = total + row.sum()
    columns = y.unsqueeze(1)
    for row in columns:
        total = total + row.max()
    return total, columns


PROGRAMS.add(made_and_looped_over_after_the_write, rand(4, 3), rand(1, 3), rand(7, 2))


def masked_then_read_in_two_loops(x):
    y = x * 1
    y[y < 0] = 2
    total = torch.zeros(())
    for row in y:
        total = total + row.sum()
    for row in y.unsqueeze(1)[:, 0]:
        total = total + row.max()
    return total


PROGRAMS.add(masked_then_read_in_two_loops, rand(4, 3), rand(1, 3), rand(7, 2), rand(3, 2)[:0])


def written_on_one_path_and_looped_over(x):
    y = x * 1
    total = torch.zeros(())
    if x.sum() > 0:
        y[0] = 3
        for row in y:
            total = total + row.sum()
    else:
        first = y[:1]
        first.mul_(2)
        for row in first.t():
            total = total + row.sum()
    whole = y.unsqueeze(0)
    for row in whole[0]:
        total = total - row.max()
    return total, y, whole


PROGRAMS.add(
    written_on_one_path_and_looped_over, rand(4, 3) + 1, rand(1, 3) - 2, rand(7, 2) - 2, rand(2, 5)
)
