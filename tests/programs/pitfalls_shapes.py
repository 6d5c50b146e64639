"""Pitfalls of sizes, indices, dtypes and of what is given back."""

from __future__ import annotations

import torch
from torch import nn

from tests.programs.program import Programs, ints, rand, vec

PROGRAMS = Programs("pitfalls_shapes")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0)
X0, X1, X3, X5 = (rand(n, 4, seed=n) for n in (0, 1, 3, 5))


def trip_count_zero_keeps_dtype(x):
    total = 0
    for v in x:
        total = total + v
    return x + total


PROGRAMS.add(trip_count_zero_keeps_dtype, POS, NEG, vec(1.0))


def example_takes_zero_trips(x, n):
    y = x
    for _ in range(int(n)):
        y = y * 2 + 1
    return y


PROGRAMS.add(example_takes_zero_trips, *((POS, torch.tensor(k)) for k in (0, 1, 4)))


def example_is_empty(x):
    if x.shape[0] == 0:
        return x.new_full((1,), -1.0)
    return x[:1] * 2


PROGRAMS.add(example_is_empty, vec(), POS, vec(4.0))


def broadcast_of_size_one(x, y):
    if x.shape[0] == 1:
        return (x + y).sum(0)
    return x.sum(0) - y.sum(0)


PROGRAMS.add(broadcast_of_size_one, (X3, X5), (X1, X5), (X1, X1), (X3, X1))


def squeeze_of_dynamic(x):
    y = x.unsqueeze(-1)
    if x.sum() > 0:
        y = y * 2
    return y.squeeze(-1)


PROGRAMS.add(squeeze_of_dynamic, X3, X1 - 3, X5)


def negative_slices(x):
    n = x.shape[0]
    if n >= 2:
        return x[-2:], x[:-1]
    return x, x[:0]


PROGRAMS.add(negative_slices, POS, vec(1.0), vec(), vec(1.0, 2.0))


def slices_out_of_range(x):
    total = x.new_zeros(())
    for i in range(x.shape[0] + 2):
        total = total + x[i : i + 2].sum() * (i + 1)
    return total


PROGRAMS.add(slices_out_of_range, POS, NEG, vec())


def negative_dynamic_index(x, k):
    i = int(k)
    if i < 0:
        return x[i] * 10
    return x[i]


PROGRAMS.add(negative_dynamic_index, *((POS, torch.tensor(k)) for k in (1, -1, -3, 0, 2)))


def clamp_index(x, k):
    i = min(max(int(k), 0), x.shape[0] - 1)
    return x[i], i


PROGRAMS.add(
    clamp_index, *((POS, torch.tensor(k)) for k in (1, -4, 9)), (vec(5.0), torch.tensor(3))
)


def size_of_filtered(x):
    a = x[x > 0]
    b = x[x < 0]
    if a.shape[0] > b.shape[0]:
        return a
    return b


PROGRAMS.add(size_of_filtered, POS, NEG, vec(1.0, -1.0), vec(1.0, -1.0, 2.0))


def size_after_loop(x):
    y = x
    for i in range(x.shape[0]):
        y = torch.cat([y, x[: i + 1]])
    return y.shape[0], y.sum()


PROGRAMS.add(size_after_loop, POS, vec(1.0), vec())


def constant_in_body(x):
    total = x.new_zeros(3)
    for i in range(x.shape[0]):
        total = total + torch.tensor([1.0, 2.0, 3.0]) * i
    return total


PROGRAMS.add(constant_in_body, POS, vec(1.0), vec())


def uint8_and_bool_arithmetic(x):
    mask = x > 1
    count = mask.sum()
    if count > mask.numel() // 2:
        mask = ~mask
    return mask, mask.to(torch.uint8) + 250, count


PROGRAMS.add(uint8_and_bool_arithmetic, POS, NEG, vec(0.5, 2.0))


def integer_division_of_tensors(x):
    if x.min() < 0:
        return x // 2, x % 3, torch.div(x, 2, rounding_mode="trunc")
    return x // 3, x % 2, x - 1


PROGRAMS.add(integer_division_of_tensors, vec(-7, 7, -1), vec(7, 8), ints(5, low=-9, high=9))


def float16_branch(x):
    if x.sum() > 0:
        return x * 2
    return x + 1


PROGRAMS.add(float16_branch, POS.half(), NEG.half())


def double_precision(x):
    y = x
    for _ in range(x.shape[0]):
        y = y * 1.1 + 0.1
    return y if y.sum() > 5 else y - 1e-9


PROGRAMS.add(double_precision, POS.double(), NEG.double(), vec(0.1).double())


def mixed_precision_join(x, y):
    z = x if x.sum() > 0 else y
    return z * 2


PROGRAMS.add(mixed_precision_join, (POS, POS.double()), (-POS, POS.double()))


def same_object_returned_twice(x):
    y = x * 2
    if x.sum() > 0:
        y = x
    return y, y, x


PROGRAMS.add(same_object_returned_twice, POS, NEG)


def input_returned_unchanged(x, y):
    if x.sum() > 0:
        return x, y
    return y, x


PROGRAMS.add(input_returned_unchanged, (POS, POS + 1), (NEG, POS), (NEG, NEG * 3))


def constant_output(x):
    flag = True
    if x.sum() > 0:
        x = x + 1
    return x, 3, 0.5, flag


PROGRAMS.add(constant_output, POS, NEG)


def unused_input(x, y):
    return x * 2 if x.sum() > 0 else x


PROGRAMS.add(unused_input, (POS, POS), (NEG, vec(4.0)))


def only_shape_is_used(x):
    total = 0
    for i in range(x.shape[0]):
        for j in range(i, x.shape[1]):
            total += i * j
    return total


PROGRAMS.add(only_shape_is_used, X3, X0, X1, X5)


class SameNamesInBranches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = nn.Linear(4, 4)

    def forward(self, x):
        if x.sum() > 0:
            h = self.a(x)
            h = self.b(h).relu()
        else:
            h = self.b(x)
            h = self.a(h).relu()
        if h.sum() > 1:
            h = self.a(h)
        return h


PROGRAMS.add(SameNamesInBranches, X3.abs(), -X3.abs(), X5, X1 - 9)
