"""Names that share memory after a branch or from trip to trip, written through one of them."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("mutation_aliases")
X1, X3, X5 = (rand(n, 4, seed=n) for n in (1, 3, 5))
X0 = torch.zeros(0, 4)
NEG3 = -X3.abs()


def one_tensor_on_one_way_two_on_the_other(x):
    if x.sum() > 0:
        a = x + 1
        b = a
    else:
        a, b = x * 2, x * 3
    a.add_(1)
    return a, b


PROGRAMS.add(one_tensor_on_one_way_two_on_the_other, X3, NEG3, expect="either")


def view_of_a_new_tensor_on_one_way(x):
    if x.sum() > 0:
        a = x + 1
        row = a[0]
    else:
        a = x * 2
        row = x[0] * 3
    a.zero_()
    return a, row


PROGRAMS.add(view_of_a_new_tensor_on_one_way, X3, NEG3, expect="either")


def view_bound_in_the_trip_before(x):
    y = x.clone()
    v = x.sum(0)
    total = torch.zeros(())
    for _ in range(x.shape[0]):
        y.add_(1)
        total = total + v.sum()
        v = y[0]
    return total


PROGRAMS.add(view_bound_in_the_trip_before, X3, X1, X5, X0, expect="either")


def view_bound_in_the_trip_before_read_first(x):
    y = x.clone()
    v = x.sum(0)
    total = torch.zeros(())
    for _ in range(x.shape[0]):
        total = total + v.sum()
        y.add_(1)
        v = y[0]
    return total


PROGRAMS.add(view_bound_in_the_trip_before_read_first, X3, X1, X5, X0)


def two_names_bound_in_the_trip_before(x):
    total = torch.zeros(())
    a, b = x.sum(0), x.sum(0) * 2
    for row in x:
        a.add_(1)
        total = total + b.sum()
        a = row + 1
        b = a
    return total


PROGRAMS.add(two_names_bound_in_the_trip_before, X3, X1, X5, X0, expect="either")


def three_buffers_in_turn(x):
    a, b, c = x.sum(0), x.sum(0) * 2, x.sum(0) * 3
    first, second, third = a, b, c
    for row in x:
        a.add_(row)
        a, b, c = b, c, a
    return first, second, third


PROGRAMS.add(three_buffers_in_turn, X3, X1, X5, X0, expect="either")


def view_bound_in_a_loop_read_after_a_write(x):
    y = x.clone()
    for i in range(x.shape[0]):
        v = y[i]
    y.zero_()
    return v * 1


PROGRAMS.add(view_bound_in_a_loop_read_after_a_write, X3, X1, X5, expect="either")


def two_names_bound_in_a_loop_written_after_it(x):
    for i in range(x.shape[0]):
        a = x[i] * 2
        b = a
    a.zero_()
    return b


PROGRAMS.add(two_names_bound_in_a_loop_written_after_it, X3, X1, X5, expect="either")


def view_bound_in_a_branch_read_after_a_write(x):
    y = x.clone()
    v = x[0] * 2
    if x.sum() > 0:
        v = y[0]
    y.zero_()
    return v * 1


PROGRAMS.add(view_bound_in_a_branch_read_after_a_write, X3, NEG3, expect="either")


def view_never_read_again(x):
    y = x.clone()
    for i in range(x.shape[0]):
        y.add_(1)
        v = y[i]
        v.mul_(2)
    return y


PROGRAMS.add(view_never_read_again, X3, X1, X5, X0)


def row_chosen_then_base_written(x):
    y = x.clone()
    total = torch.zeros(())
    for row in y:
        part = row[:2]
        if row.sum() > 0:
            part = row[2:]
        total = total + part.sum()
        y.mul_(0.5)
    return total, y


PROGRAMS.add(row_chosen_then_base_written, X3, NEG3, X1, X5, X0)


def list_items_of_one_tensor_on_one_way(x):
    a = x + 1
    items = [a, x * 2]
    if x.sum() > 0:
        items[1] = a
    items[0].add_(1)
    return items[0], items[1]


PROGRAMS.add(list_items_of_one_tensor_on_one_way, X3, NEG3, expect="either")


def counter_object_swapped(x):
    pair = (x.sum(0), x.sum(0) * 2)
    for row in x:
        pair = (pair[1], pair[0])
        if row.sum() > 0:
            pair = (pair[0] + row, pair[1])
    return pair[0], pair[1]


PROGRAMS.add(counter_object_swapped, X3, NEG3, X1, X5, X0)


def result_of_a_branch_is_the_written_tensor(x):
    y = x.clone()

    def touched(t, flag):
        if flag:
            t.add_(1)
            return t
        return t * 2

    z = touched(y, x.sum() > 0)
    return y * 1, z * 1


PROGRAMS.add(result_of_a_branch_is_the_written_tensor, X3, NEG3)


def written_on_one_way_of_each_trip(x):
    lost = torch.zeros(4)
    for row in x:
        if row.sum() > 0:
            lost += 1
            continue
        lost = lost * 2 + row
    return lost


PROGRAMS.add(written_on_one_way_of_each_trip, *(rand(n, 4, seed=n) for n in (3, 0, 1, 6)))
