"""Writes in place: those that one sees to be local, and those that alias or reach inputs.

State that is written in place may be refused until it is supported; it must never be lost.
"""

from __future__ import annotations

import torch
from torch import nn

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("mutation_basic")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0)
X1, X3, X5 = (rand(n, 4, seed=n) for n in (1, 3, 5))


def in_place_without_control_flow(x):
    y = x * 2
    y += 1
    y.mul_(3)
    y[0] = 0.5
    return y


PROGRAMS.add(in_place_without_control_flow, POS, NEG)


def in_place_relu_in_branch(x):
    y = x + 1
    if y.sum() > 0:
        y = torch.relu_(y * 2)
    return y


PROGRAMS.add(in_place_relu_in_branch, POS, NEG, vec(-3.0, 9.0), expect="either")


def in_place_on_outer_tensor(x):
    y = x.clone()
    if x.sum() > 0:
        y.add_(10)
    return y


PROGRAMS.add(in_place_on_outer_tensor, POS, NEG, expect="either")


def augmented_on_outer_tensor(x):
    y = x * 1
    alias = y
    if x.sum() > 0:
        y += 10
    return y, alias


PROGRAMS.add(augmented_on_outer_tensor, POS, NEG, expect="either")


def rebinding_is_not_mutation(x):
    y = x * 1
    alias = y
    if x.sum() > 0:
        y = y + 10
    return y, alias


PROGRAMS.add(rebinding_is_not_mutation, POS, NEG)


def write_through_view(x):
    y = x.clone()
    head = y[:2]
    if x.sum() > 0:
        head.zero_()
    return y, head


PROGRAMS.add(write_through_view, POS, vec(-1.0, -2.0, -3.0), expect="either")


def input_changed_and_used(x):
    if x.sum() > 0:
        x.mul_(2)
    return x + 1


PROGRAMS.add(input_changed_and_used, POS, NEG, expect="either")


def input_changed_in_helper(x):
    def fill(t):
        t[0] = 7.0
        return t.sum()

    s = fill(x)
    return x * s


PROGRAMS.add(input_changed_in_helper, POS, NEG, expect="either")


def preallocated_rows(x):
    out = torch.zeros_like(x)
    for i in range(x.shape[0]):
        out[i] = x[i] * 2 if x[i].sum() > 0 else -x[i]
    return out


PROGRAMS.add(preallocated_rows, X3, X1, X5, expect="either")


def preallocated_and_earlier_rows(x):
    out = x.new_zeros(x.shape[0] + 1, 4)
    for i in range(x.shape[0]):
        out[i + 1] = torch.tanh(out[i] + x[i])
    return out[1:]


PROGRAMS.add(preallocated_and_earlier_rows, X3, X1, X5, expect="either")


def accumulate_in_place(x):
    total = torch.zeros(4)
    for row in x:
        total += row
    return total


PROGRAMS.add(accumulate_in_place, X3, X1, X5, expect="either")


def masked_assignment(x):
    y = x.clone()
    y[y > 1] = 0.0
    if (y < -1).any():
        y[y < -1] = -1.0
    return y


PROGRAMS.add(masked_assignment, POS, NEG, vec(0.5), expect="either")


def suppressed_rows(x):
    keep = torch.ones(x.shape[0], dtype=torch.bool)
    for i in range(x.shape[0]):
        if keep[i]:
            keep[i + 1 :] &= x[i + 1 :, 0] > x[i, 0]
    return keep


PROGRAMS.add(suppressed_rows, X3, X1, X5, expect="either")


def scatter_counts(x):
    counts = torch.zeros(5, dtype=torch.int64)
    for v in x:
        counts[v] += 1
    return counts


PROGRAMS.add(scatter_counts, vec(1, 3, 1), vec(0), vec(4, 4, 4, 2, 0), expect="either")


class CountsCalls(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.calls += 1
        if x.sum() > 0:
            self.calls += 10
        return x * self.calls


PROGRAMS.add(CountsCalls, POS, NEG, expect="either")


class AttributeState(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = None

    def remember(self, x):
        self.last = x * 2
        return x

    def forward(self, x):
        y = self.remember(x)
        if y.sum() > 0:
            y = y + self.last
        return y


PROGRAMS.add(AttributeState, POS, NEG, expect="either")


class AttributeSetInBranch(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        self.scale = 1.0
        if x.sum() > 0:
            self.scale = 5.0
        return x * self.scale


PROGRAMS.add(AttributeSetInBranch, POS, NEG, expect="either")


def mutated_then_branch_reads(x):
    y = torch.zeros(3)
    z = y
    y[1] = x.sum()
    if z[1] > 0:
        return y * 2
    return z - 1


PROGRAMS.add(mutated_then_branch_reads, POS, NEG)


def list_alias(x):
    a = [x, x + 1]
    b = a
    b[0] = x * 5
    return a[0] if x.sum() > 0 else a[1]


PROGRAMS.add(list_alias, POS, NEG)


def swap_elements_in_place(x):
    y = x.clone()
    for i in range(y.shape[0] - 1):
        if y[i] > y[i + 1]:
            small, large = y[i + 1].clone(), y[i].clone()
            y[i] = small
            y[i + 1] = large
    return y


PROGRAMS.add(
    swap_elements_in_place, vec(3.0, 1.0, 2.0), vec(1.0), vec(4.0, 3.0, 2.0, 1.0), expect="either"
)
