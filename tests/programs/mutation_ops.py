"""Writes in place by operators: masks, indices, scatter, fills, ``out=``, and writes to inputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tests.programs.program import Programs, ints, rand, vec

PROGRAMS = Programs("mutation_ops")
X1, X3, X5 = (rand(n, 4, seed=n) for n in (1, 3, 5))
X0 = torch.zeros(0, 4)
NEG3 = -X3.abs()
I3, I1, I5 = (ints(n, high=4, seed=n) for n in (3, 1, 5))


def masked_rows(x):
    y = x.clone()
    if x.shape[0] > 1:
        y[y[:, 0] > 0] = -1.0
    else:
        y[x > 0] = 2.0
    return y


PROGRAMS.add(masked_rows, X3, X1, X5, X0)


def masked_values_from_tensor(x):
    y = x.clone()
    mask = y > 0
    if x.sum() > 0:
        y[mask] = (x * 2)[mask]
    y[~mask] += 1
    return y


PROGRAMS.add(masked_values_from_tensor, X3, NEG3, X5)


def masked_fill_and_scatter(x):
    y = x.clone()
    if x.sum() > 0:
        y.masked_fill_(y > 1, 0.5)
    else:
        y.masked_scatter_(y < 0, x.abs())
    return y


PROGRAMS.add(masked_fill_and_scatter, X3, NEG3, X5)


def index_put_accumulates(x, index):
    y = torch.zeros(4)
    if x.sum() > 0:
        y.index_put_((index,), x.sum(1), accumulate=True)
    else:
        y[index] = 1.0
    return y


PROGRAMS.add(
    index_put_accumulates, (X3, I3), (NEG3, I3), (X5, torch.tensor([1, 1, 1, 0, 1])), (X0, I3[:0])
)


def index_put_of_columns(x, index):
    y = x.clone()
    y[:, index] = 0.0
    y[torch.arange(x.shape[0]), 0] = 7.0
    if x.sum() > 0:
        y[0, index] += 1
    return y


PROGRAMS.add(index_put_of_columns, (X3, I3), (NEG3, I1), (X5, I5))


def added_at_repeated_indices(x, index):
    y = torch.zeros(4)
    y[index] += 1.0
    return y


PROGRAMS.add(added_at_repeated_indices, (X3, torch.tensor([2, 2, 1])), (X1, I1), (X0, I3[:0]))


def index_operators(x, index):
    y = torch.zeros(4, 4)
    if x.sum() > 0:
        y.index_add_(0, index, x, alpha=2.0)
    else:
        y.index_copy_(0, index[:1], x[:1])
    y.index_fill_(1, index[:1], 3.0)
    return y


PROGRAMS.add(index_operators, (X3, I3), (NEG3, I3), (X5, I5))


def scatter_operators(x, index):
    y = torch.zeros(4, 4)
    rows = index.unsqueeze(1).expand(-1, 4)
    if x.sum() > 0:
        y.scatter_add_(0, rows, x)
    else:
        y.scatter_(0, rows[:1], x[:1])
    y.scatter_(1, index[:1].unsqueeze(1), 5.0)
    return y


PROGRAMS.add(scatter_operators, (X3, I3), (NEG3, I3), (X5, I5))


def scatter_reduced(x, index):
    y = torch.zeros(4)
    for k in range(x.shape[0]):
        y.scatter_reduce_(0, index, x[k, :1].expand(index.shape[0]), reduce="amax")
    return y


PROGRAMS.add(scatter_reduced, (X3, I3), (X1, I1), (X5, I5), (X0, I3[:0]))


def put_and_take(x):
    y = x.clone()
    y.put_(torch.tensor([0, 2]), torch.tensor([1.0, 2.0]))
    return y.take(torch.tensor([1, 2]))


PROGRAMS.add(put_and_take, X3, X1, X5, expect="either")


def fills(x):
    y, z = x.clone(), x.clone()
    if x.sum() > 0:
        y.fill_(x[0, 0])
        z.zero_()
    else:
        y.clamp_(min=-0.5, max=0.5)
        z.copy_(torch.ones(4))
    return y, z


PROGRAMS.add(fills, X3, NEG3, X1, X5)


def elementwise_in_place(x):
    y = x.clone()
    if x.sum() > 0:
        y.sub_(1).mul_(2).div_(3).pow_(2).add_(x, alpha=0.5).addcmul_(x, x, value=0.1).lerp_(x, 0.3)
    else:
        y.abs_().sqrt_().exp_().neg_().tanh_().sigmoid_().round_(decimals=1)
    y.relu_()
    return y


PROGRAMS.add(elementwise_in_place, X3, NEG3, X1, X5)


def products_added_in_place(x, w):
    """The operands have other sizes than what is written, as the taps of a filter."""
    padded = torch.nn.functional.pad(x, (1, 1))
    y = padded[:, : x.shape[1]] * w[0]
    for k in range(1, 3):
        y.addcmul_(padded[:, k : k + x.shape[1]], w[k])
    y.addcdiv_(x, w[:1] + 5, value=2).lerp_(w[1], 0.25)
    return y


PROGRAMS.add(
    products_added_in_place,
    (X3, rand(3)),
    (X1, rand(3, seed=1)),
    (X5[:, :2], rand(3)),
    (X0, rand(3)),
)


def comparisons_in_place(x):
    y = x.clone()
    mask = x > 0
    if x.sum() > 0:
        mask.logical_not_()
        y.gt_(0.5)
    else:
        mask &= x < -0.5
        mask |= x > 3
    return y, mask


PROGRAMS.add(comparisons_in_place, X3, NEG3, X1, X5)


def integers_in_place(x):
    n = (x * 4).long()
    if x.sum() > 0:
        n //= 3
        n <<= 1
    else:
        n %= 3
        n ^= 1
    n.clamp_(0)
    return n


PROGRAMS.add(integers_in_place, X3, NEG3, X5)


def written_with_another_dtype(x):
    n = torch.zeros(x.shape, dtype=torch.int64)
    if x.sum() > 0:
        n[:] = x
        n[0] = 2.7
    h = torch.zeros(4, dtype=torch.float64)
    h += x.sum(0)
    flag = torch.zeros(4, dtype=torch.bool)
    flag[:2] = x[0, :2]
    return n, h, flag


PROGRAMS.add(written_with_another_dtype, X3, NEG3, X1)


def out_arguments(x):
    y = torch.empty_like(x)
    if x.sum() > 0:
        torch.add(x, 1, out=y)
    else:
        torch.mul(x, 2, out=y)
    total = torch.empty(4)
    torch.sum(x, 0, out=total)
    return y, total


PROGRAMS.add(out_arguments, X3, NEG3, X1, X5)


def out_is_a_view(x):
    y = x.clone()
    if x.sum() > 0:
        torch.where(x[:, :2] > 0, x[:, :2], x[:, 2:], out=y[:, 2:])
        torch.maximum(y[0], y[-1], out=y[0])
    return y


PROGRAMS.add(out_is_a_view, X3, NEG3, X1, X5)


def out_of_several(x):
    values, order = torch.empty(4), torch.empty(4, dtype=torch.int64)
    torch.max(x, dim=0, out=(values, order))
    if x.sum() > 0:
        torch.sort(x[0], out=(values, order))
    return values, order


PROGRAMS.add(out_of_several, X3, NEG3, X1, X5, expect="either")


def out_is_resized(x):
    y = torch.empty(0)
    torch.add(x, 1, out=y)
    return y


PROGRAMS.add(out_is_resized, X3, X1, expect="either")


def functional_in_place_flags(x):
    y = x.clone()
    if x.sum() > 0:
        F.relu(y, inplace=True)
    else:
        F.leaky_relu(y, 0.3, inplace=True)
    F.hardtanh(y, -1.0, 1.0, inplace=True)
    z = F.silu(y, inplace=True)
    return y, z


PROGRAMS.add(functional_in_place_flags, X3, NEG3, X1)


def in_place_modules(x):
    y = x.clone()
    act = nn.Sequential(nn.ReLU(inplace=True), nn.ReLU6(inplace=True))
    out = act(y) if x.sum() > 0 else y
    return y, out * 1


PROGRAMS.add(in_place_modules, X3, NEG3, X1)


def slices_in_nested_loops(x):
    y = torch.zeros(x.shape[0], 4)
    for i in range(x.shape[0]):
        for j in range(4):
            y[i, j:] += x[i, j]
            if y[i, j] > 1:
                y[i, :j] *= 0.5
    return y


PROGRAMS.add(slices_in_nested_loops, X3, X1, X5, X0)


def cumulative_table(x):
    n = x.shape[0]
    table = torch.zeros(n + 1, 5)
    for i in range(n):
        for j in range(4):
            best = torch.maximum(table[i, j + 1], table[i + 1, j])
            table[i + 1, j + 1] = torch.maximum(best, table[i, j] + x[i, j])
    return table[n, 4]


PROGRAMS.add(cumulative_table, X3, X1, X5, X0)


def counter_tensor_as_index(x):
    y = torch.zeros(8, 4)
    at = torch.zeros((), dtype=torch.int64)
    for row in x:
        if row.sum() > 0:
            y[at] = row
            at += 1
    return y, at


PROGRAMS.add(counter_tensor_as_index, X3, NEG3, X1, X5, X0)


def written_in_while(x):
    y = x.sum(0)
    steps = torch.zeros(())
    while y.abs().max() > 0.5:
        y *= 0.5
        steps.add_(1)
    return y, steps


PROGRAMS.add(written_in_while, X3, NEG3, X0, X3 * 50)


def written_then_left_early(x):
    y = x.clone()
    for i in range(x.shape[0]):
        y[i] = 0.0
        if x[i].sum() > 0:
            break
        y[i, 0] = 1.0
    else:
        y.add_(10)
    return y


PROGRAMS.add(written_then_left_early, X3, NEG3, X1, X5, X0)


def written_then_returned_early(x):
    y = x.clone()
    y[0] = 5.0
    if x.sum() > 0:
        y[:, 1] = 2.0
        return y
    y[:, 2] = 3.0
    return y * 2


PROGRAMS.add(written_then_returned_early, X3, NEG3, X1, X5)


def input_written_in_one_branch(x):
    if x.sum() > 0:
        x[0] = 1.0
    return x * 2


PROGRAMS.add(input_written_in_one_branch, X3, NEG3, X1)


def input_written_in_both_branches(x):
    if x.sum() > 0:
        x.add_(1)
    else:
        x[:, 0] = 0.0
    return x


PROGRAMS.add(input_written_in_both_branches, X3, NEG3, X1)


def input_written_in_a_loop(x, y):
    for i in range(x.shape[0]):
        x[i] += y.sum()
        y.mul_(0.5)
    return x.sum(), y


PROGRAMS.add(input_written_in_a_loop, (X3, vec(1.0, 2.0)), (X1, vec(3.0, 1.0)), (X0, vec(1.0, 1.0)))


def input_view_written(x):
    head = x[:1]
    head.zero_()
    return x, head


PROGRAMS.add(input_view_written, X3, X1, X5)


def closure_writes(x):
    y = x.clone()

    def bump(k):
        y[:, k] += 1

    for k in range(x.shape[0] % 4):
        bump(k)
    return y


PROGRAMS.add(closure_writes, X3, X1, X5, X0)


def returned_from_helper_and_written(x):
    def part(t):
        return t[:, 1:]

    y = x.clone()
    if x.sum() > 0:
        part(y).fill_(0.0)
    part(part(y)).add_(1)
    return y


PROGRAMS.add(returned_from_helper_and_written, X3, NEG3, X1, X5)


def old_value_read_after_write(x):
    y = x.clone()
    before = y * 1
    total = y.sum()
    if x.sum() > 0:
        y.zero_()
    return y, before, total


PROGRAMS.add(old_value_read_after_write, X3, NEG3)


def written_in_a_condition(x):
    y = x.clone()

    def grow():
        y.add_(1)
        return y.sum() < 20

    while grow():
        y[0] += 1
    return y


PROGRAMS.add(written_in_a_condition, X3, NEG3, X5)


def written_in_a_short_circuit(x):
    y = x.clone()

    def touched():
        y.mul_(2)
        return y.sum() > 1

    if x.sum() > 0 and touched():
        return y
    return y - 1


PROGRAMS.add(written_in_a_short_circuit, X3, NEG3, X1)


def written_in_a_conditional_expression(x):
    y = x.clone()
    z = y.add_(1) if x.sum() > 0 else y
    return y, z * 1


PROGRAMS.add(written_in_a_conditional_expression, X3, NEG3)


def accumulated_into_rows_by_index(x, index):
    y = torch.zeros(4, 4)
    for k in range(x.shape[0]):
        y[index[k]] += x[k]
    return y


PROGRAMS.add(accumulated_into_rows_by_index, (X3, I3), (X1, I1), (X5, I5), (X0, I3[:0]))


def dropped_rows(x):
    keep = torch.ones(x.shape[0], dtype=torch.bool)
    for i in range(x.shape[0]):
        if not keep[i]:
            continue
        for j in range(i + 1, x.shape[0]):
            if (x[i] - x[j]).abs().sum() < 3:
                keep[j] = False
    return keep, x[keep]


PROGRAMS.add(dropped_rows, X3, X1, X5, X0)


def negative_and_dynamic_indices(x):
    y = x.clone()
    n = x.shape[0]
    y[-1] = 1.0
    y[n - 1, -2] = 2.0
    y[n // 2 :, 0] = 3.0
    y[: -(n // 2), 1] = 4.0
    y[..., -1] = 5.0
    y[None, :, 2] = 6.0
    return y


PROGRAMS.add(negative_and_dynamic_indices, X3, X5, rand(2, 4))


def index_by_tensor_scalar(x, index):
    y = x.clone()
    y[index.min() % 1, index[0]] = 3.0
    y[index[0] % 1] += 1
    return y


PROGRAMS.add(index_by_tensor_scalar, (X3, I3), (X1, I1), (X5, I5))


class OwnBufferView(nn.Module):
    """A buffer and a view of it, both kept on the module."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.zeros(4))
        self.head = self.table[:2]

    def forward(self, x):
        self.table.add_(x.sum(0))
        return self.head * 1


PROGRAMS.add(OwnBufferView, X3, X1, expect="refuse", match="view of it")


class SharedBufferView(OwnBufferView):
    """Written through the view, read through the buffer."""

    def forward(self, x):
        if x.sum() > 0:
            self.head.add_(x.sum())
        return self.table * 1


PROGRAMS.add(SharedBufferView, X3, NEG3, expect="refuse", match="view of it")
