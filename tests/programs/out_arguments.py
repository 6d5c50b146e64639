"""``out=``: tensors that get other sizes, views that may not, dtypes, shared memory."""

# The programs are written as users write them.

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("out_arguments")

INPUTS = (
    (rand(3, 3, shift=0.3),),
    (rand(3, 3, shift=-1.0),),
    (rand(1, 3),),
    (rand(5, 3, shift=1.0),),
)


def sizes_after_growing(x):
    y = torch.empty(0)
    torch.add(x, 1, out=y)
    return y.reshape(y.shape[0] * y.shape[1]) * y.size(1) + y.numel() + y.dim()


PROGRAMS.add(sizes_after_growing, *INPUTS, scripted=False)


def loop_over_what_has_grown(x):
    y = torch.zeros(1, 3)
    torch.add(x, 1, out=y)
    total = y.new_zeros(3)
    for row in y:
        total = total * 0.5 + row
    return (total, y.shape[0])


PROGRAMS.add(loop_over_what_has_grown, *INPUTS, scripted=False)


def grown_on_one_path(x):
    y = torch.zeros(1, 3)
    if x.sum() > 0:
        torch.add(x, 1, out=y)
    return (y * 2, y.shape[0])


PROGRAMS.add(grown_on_one_path, *INPUTS, scripted=False)


def grown_on_one_path_and_shrunk_on_the_other(x):
    y = x * 2
    if x.sum() > 0:
        torch.cat([x, x], out=y)
    else:
        torch.mul(x[:1], 3, out=y)
    return (y, y.shape[0], y.sum(0))


PROGRAMS.add(grown_on_one_path_and_shrunk_on_the_other, *INPUTS, scripted=False)


def grows_in_a_loop(x):
    y = torch.zeros(1, 3)
    for i in range(x.shape[0]):
        torch.cat([x[:i], x], out=y)
    return (y.sum(0), y.shape[0])


PROGRAMS.add(grows_in_a_loop, *INPUTS, (rand(0, 3),), scripted=False)


def grown_in_a_loop_on_one_path(x):
    y = torch.empty(0)
    for row in x:
        if row.sum() > 0:
            torch.add(row, 1, out=y)
    return (y, y.shape[0])


PROGRAMS.add(grown_in_a_loop_on_one_path, *INPUTS, (rand(0, 3),), scripted=False)


def grown_under_two_names(x):
    y = torch.empty(0)
    z = y
    w = torch.add(x, 1, out=y)
    w.mul_(2)
    return (z, z.shape[0], y)


PROGRAMS.add(grown_under_two_names, *INPUTS, scripted=False)


def rows_of_a_buffer(x):
    y = torch.zeros(x.shape)
    for k, row in enumerate(x):
        torch.mul(row, 2, out=y[k])
    if x.sum() > 0:
        torch.maximum(y[0], y[-1], out=y[0])
    return y


PROGRAMS.add(rows_of_a_buffer, *INPUTS, scripted=False)


def results_into_rows(x):
    y, i = (torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int64))
    if x.sum() > 0:
        torch.max(x, dim=0, out=(y[0], i[1]))
    return (y, i)


PROGRAMS.add(results_into_rows, *INPUTS, scripted=False)


def dtype_of_the_tensor(x):
    whole, double = (torch.empty(3, dtype=torch.int64), torch.empty(3, dtype=torch.float64))
    torch.sum(x * 3, 0, out=whole)
    torch.add(x[0], 1, out=double)
    counted = torch.empty(x.shape)
    torch.cumsum((x > 0).long(), 0, out=counted)
    return (whole, double, counted)


PROGRAMS.add(dtype_of_the_tensor, *INPUTS, scripted=False)


def operand_is_out(x):
    y = x.clone()
    torch.add(y, 1, out=y)
    torch.cumsum(y, 0, out=y)
    torch.softmax(y, 1, out=y)
    torch.sort(y[0], out=(y[0], torch.zeros(3, dtype=torch.int64)))
    return y


PROGRAMS.add(operand_is_out, *INPUTS, scripted=False)


def view_of_another_size(x):
    y = torch.ones(3, 3) * x.sum()
    torch.add(y[:, :2], 1, out=y[:, 2:])
    return y


PROGRAMS.add(view_of_another_size, *INPUTS, expect="refuse", match=r"out= has the shape \(3, 1\)")


def view_of_another_size_on_one_path(x):
    y = torch.zeros(2, 3)
    if x.sum() > 0:
        torch.where(x > 0, x, x * 2, out=y[1])
    return y


PROGRAMS.add(
    view_of_another_size_on_one_path, *INPUTS, expect="refuse", match=r"out= has the shape \(3\)"
)


def view_from_before_it_grew(x):
    y = torch.zeros(1, 3)
    v = y[0]
    torch.add(x, 1, out=y)
    return (y, v + 1)


PROGRAMS.add(view_from_before_it_grew, *INPUTS, expect="refuse", match="memory that other tensors")


def writes_over_its_operand(x):
    y = torch.ones(3, 3) * x.sum()
    torch.add(y[:, :2], 1, out=y[:, 1:])
    return y


PROGRAMS.add(writes_over_its_operand, *INPUTS[:2], expect="refuse", match="still to read")


def adds_to_its_neighbours_in_place(x):
    y = torch.ones(3, 3) * x.sum()
    if x.sum() > 0:
        y[:, 1:] += y[:, :2]
    return y


PROGRAMS.add(adds_to_its_neighbours_in_place, *INPUTS[:2], expect="refuse", match="still to read")


def product_into_its_factor(x):
    y = x.t().mm(x)
    torch.mm(y, y, out=y)
    return y


PROGRAMS.add(product_into_its_factor, *INPUTS, expect="refuse", match="still to read")


def parts_that_do_not_meet(x):
    y = x.clone()
    torch.add(y[:, :1], 1, out=y[:, 1:2])
    y[:, 2:] += y[:, :1]
    torch.mul(y[::2], 2, out=y[::2])
    return y


PROGRAMS.add(parts_that_do_not_meet, *INPUTS, scripted=False)
