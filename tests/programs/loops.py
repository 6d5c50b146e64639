"""Loops: while, for over ranges, rows, containers; break, continue, else."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("loops")
X0, X1, X3, X5 = (rand(n, 4, seed=n) for n in (0, 1, 3, 5))


def range_of_size(x):
    total = torch.zeros(4)
    for i in range(x.shape[0]):
        total = total * 0.5 + x[i]
    return total


PROGRAMS.add(range_of_size, X3, X0, X1, X5)


def range_start_stop(x):
    total = x.new_zeros(4)
    for i in range(1, x.size(0)):
        total = total + x[i] * x[i - 1]
    return total


PROGRAMS.add(range_start_stop, X3, X0, X1, X5)


def range_with_step(x):
    total = x.new_zeros(4)
    for i in range(0, len(x), 2):
        total = total - x[i] * i
    return total


PROGRAMS.add(range_with_step, X3, X0, X1, X5)


def range_with_a_size_as_step(x, y):
    total = x.new_zeros(4)
    for i in range(0, len(x), y.shape[0]):
        total = total - x[i : i + y.shape[0]].sum(0) * i
    return total


PROGRAMS.add(
    range_with_a_size_as_step,
    *((rand(n, 4, seed=n), rand(k, 2, seed=k)) for n, k in ((5, 2), (6, 2), (0, 1), (3, 4))),
    dynamic={"x": {0: "n"}, "y": {0: "k"}},
)


def range_with_a_value_as_step(x, step):
    total = x.new_zeros(4)
    for i in range(5, 0, int(step)):
        total = total * 0.5 + x[0] * i
    return total, len(range(-3, 4, int(step)))


PROGRAMS.add(range_with_a_value_as_step, *((X3, torch.tensor(k)) for k in (-2, 1, -1, -7, 3)))


def range_backwards(x):
    h = x.new_zeros(4)
    for i in range(x.shape[0] - 1, -1, -1):
        h = torch.tanh(h + x[i])
    return h


PROGRAMS.add(range_backwards, X3, X0, X1, X5)


def range_of_value(x, n):
    for i in range(int(n)):
        x = x * 0.5 + i
    return x


PROGRAMS.add(range_of_value, *((X3, torch.tensor(k)) for k in (2, 0, 1, 7)))


def range_of_scalar_input(x, n: int):
    for _ in range(n):
        x = x.sin() + 1
    return x


PROGRAMS.add(range_of_scalar_input, (X3, 3), (X1, 0), (X5, 1), (X3, 6))


def rows(x):
    total = torch.zeros(4)
    for row in x:
        total = torch.maximum(total, row)
    return total


PROGRAMS.add(rows, X3, X1, X5)


def rows_enumerated(x):
    total = x.new_zeros(4)
    for i, row in enumerate(x):
        total = total + row * i
    return total


PROGRAMS.add(rows_enumerated, X3, X1, X5)


def rows_zipped(x, y):
    out = x.new_zeros(())
    for a, b in zip(x, y):
        out = out + torch.dot(a, b).tanh()
    return out


PROGRAMS.add(rows_zipped, (X3, X3 + 1), (X1, X1 * 2), (X5, X5.flip(0)))


def columns_unbound(x):
    total = x.new_zeros(x.shape[0])
    for column in x.unbind(1):
        total = total + column.abs()
    return total


PROGRAMS.add(columns_unbound, X3, X1, X5)


def while_on_value(x):
    while x.abs().max() > 1:
        x = x / 2
    return x


PROGRAMS.add(while_on_value, vec(3.0, -9.0), vec(0.5), vec(100.0, 2.0, 3.0))


def while_on_counter(x):
    i = 0
    while i < x.shape[0]:
        x = x + i
        i += 2
    return x, i


PROGRAMS.add(while_on_counter, X3, X0, X1, X5)


def while_on_both(x):
    steps = 0
    while x.norm() > 0.5 and steps < 4:
        x = x * 0.7
        steps += 1
    return x, steps


PROGRAMS.add(while_on_both, vec(3.0, 4.0), vec(0.1), vec(0.9, 0.0, 0.1))


def while_true_two_exits(x):
    i = 0
    while True:
        x = x * 0.5 + 0.1
        if x.abs().sum() < 0.9:
            break
        i += 1
        if i > 5:
            x = x - 1
            break
    return x, i


PROGRAMS.add(while_true_two_exits, vec(3.0, 4.0), vec(0.1), vec(900.0, 1.0))


def break_on_value(x):
    total = x.new_zeros(4)
    for i in range(x.shape[0]):
        if x[i].sum() > 3:
            break
        total = total + x[i]
    return total


PROGRAMS.add(break_on_value, X3, X0, torch.cat([X1, X3 + 4, X1]), X3 + 5)


def continue_on_value(x):
    count = 0
    total = x.new_zeros(4)
    for row in x:
        if row[0] < 0:
            continue
        count += 1
        total = total + row
    return total / max(count, 1), count


PROGRAMS.add(continue_on_value, X3, X5, X3.abs(), -X5.abs(), X1)


def break_and_continue(x):
    total = torch.zeros(())
    for i in range(x.size(0)):
        v = x[i, 0]
        if v < 0:
            continue
        if v > 2:
            break
        total = total + v * (i + 1)
    return total


MARKS = torch.tensor([[0.5], [-1.0], [1.5], [3.0], [1.0]])
PROGRAMS.add(break_and_continue, MARKS, MARKS[:3], MARKS[3:], -MARKS, MARKS.abs() / 4)


def for_else(x):
    for i in range(x.shape[0]):
        if x[i].max() > 1.5:
            result = x[i] + i
            break
    else:
        result = x.new_full((4,), -1.0)
    return result


PROGRAMS.add(for_else, X3 / 9, torch.cat([X3 / 9, X1 + 9]), X5 + 9, X0)


def while_else(x):
    i = 0
    while i < x.shape[0]:
        if x[i] < 0:
            break
        i += 1
    else:
        i = -1
    return x * 2, i


PROGRAMS.add(while_else, vec(1.0, -1.0, 2.0), vec(1.0, 2.0), vec(), vec(-1.0))


def break_keeps_loop_variable(x):
    i = 0
    for i in range(x.shape[0]):
        if x[i] > 1:
            break
    return x + i


PROGRAMS.add(break_keeps_loop_variable, vec(0.5, 2.0, 0.3), vec(0.1, 0.2), vec(), vec(4.0, 1.0))


def loop_variable_after_loop(x):
    k = 7
    for k in range(x.shape[0]):
        x = x + k
    return x * k


PROGRAMS.add(loop_variable_after_loop, vec(1.0, 2.0, 3.0), vec(), vec(4.0), vec(1.0, 2.0))


def loop_variable_reassigned(x):
    total = 0
    for i in range(x.shape[0]):
        i = i * 2
        total += i
    return x, total


PROGRAMS.add(loop_variable_reassigned, vec(1.0, 2.0, 3.0), vec(), vec(1.0))


def nested_for(x):
    total = x.new_zeros(())
    for i in range(x.shape[0]):
        for j in range(i):
            total = total + x[i, 0] * x[j, 1]
    return total


PROGRAMS.add(nested_for, X3, X0, X1, X5)


def nested_break_inner(x):
    count = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if x[i, j] < 0:
                break
            count += 1
    return x.sum(), count


PROGRAMS.add(nested_break_inner, X3, X0, X5.abs(), rand(2, 6, seed=9, shift=1.0))


def if_in_loop_in_if(x):
    if x.sum() > 0:
        y = x.new_zeros(4)
        for row in x:
            if row.sum() > 0:
                y = y + row
            else:
                y = y - row
        return y
    return x.sum(0)


PROGRAMS.add(if_in_loop_in_if, X3.abs(), torch.cat([X3.abs(), -X1.abs()]), -X3.abs(), X1.abs())


def swap_each_trip(x, t, u):
    for _ in range(x.shape[0]):
        t, u = u, t
    return t, u


PROGRAMS.add(swap_each_trip, *((x, vec(1.0), vec(2.0)) for x in (X3, X0, X1, X5)))


def swap_and_write(x, t, u):
    w, trips = x.clone(), 0
    while trips < 4 and x.shape[0] >= 1:
        trips += 1
        u, t = t, u + 1
        w[0].copy_(x.sum(0) * t)
    return w, u


PROGRAMS.add(swap_and_write, *((x, vec(1.0), vec(2.0)) for x in (X3, X0, X1, X5)))


def rows_by_numbers_that_are_read_twice(x, at):
    first, second = at[0], at[1]
    return x[first.item()] * first.item(), x[second.item()] - x[first.item()]


PROGRAMS.add(
    rows_by_numbers_that_are_read_twice, *((X5, torch.tensor(at)) for at in ([1, 3], [0, 4]))
)
