"""PyTorch's own functions raise on a path that values or sizes decide."""

# The programs are written as users write them.

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.programs.program import TORCH, Programs, rand

PROGRAMS = Programs("raised_by_kernels")
# All of them stay off the path that raises, unless it is caught.
ROWS = (rand(3, 4), rand(1, 4) - 3, rand(6, 4) + 0.5)
SIGNS = (rand(3, 4) + 1, rand(3, 4) - 1, rand(1, 4) + 2, rand(4, 4)[:0])


def no_first_row(x):
    if x.shape[0] == 0:
        return x[0]
    return x.sum(0)


PROGRAMS.add(no_first_row, *ROWS)


def column_that_is_not_there(x):
    if x.sum() > 1000:
        return x[:, 7]
    return x.sum(1)


PROGRAMS.add(column_that_is_not_there, *ROWS)


def nothing_to_stack(x):
    parts = []
    if x.shape[0] == 0:
        y = torch.stack(parts)
    else:
        y = torch.stack([x, x * 2])
    return y


PROGRAMS.add(nothing_to_stack, *ROWS)


def largest_of_nothing(x):
    if x.shape[0] == 0:
        return x.max(0).values
    return x.sum(0)


PROGRAMS.add(largest_of_nothing, *ROWS)


def other_features(x):
    if x.sum() > 1000:
        x = F.linear(x, torch.ones(2, 5))
    return x.relu()


PROGRAMS.add(other_features, *ROWS)


def in_a_loop(x):
    total = torch.zeros(4)
    for row in x:
        if row.sum() > 1000:
            total = total + row.reshape(3)
        total = total + row
    return total


PROGRAMS.add(in_a_loop, *ROWS, rand(5, 4)[:0])


def in_a_while(x):
    count = 0
    while x.abs().sum() < 100:
        x = x * 2 + 1
        count += 1
        if count > 50:
            x = x + torch.ones(3)
    return x, count


PROGRAMS.add(in_a_while, *ROWS)


def too_few_rows(x):
    if x.shape[0] < 2:
        y = x.narrow(0, 1, 2)
    else:
        y = x[:2]
    return y


PROGRAMS.add(too_few_rows, rand(3, 4), rand(2, 4), rand(6, 4))


def between_two_paths(x):
    if x.sum() > 1000:
        y = x @ torch.ones(3, 3)
    elif x.sum() > 0:
        y = x * 2
    else:
        y = x - 1
    return y


PROGRAMS.add(between_two_paths, *SIGNS)


def caught(x):
    y = x * 2
    try:
        if x.sum() > 0:
            y = y + 1
            y = y.reshape(3, 3, 3)
        y = y + 10
    except RuntimeError:
        y = y * 3
    return y


PROGRAMS.add(caught, *SIGNS)


def caught_in_a_loop(x):
    total, missed = torch.zeros(4), 0
    for row in x:
        try:
            if row.sum() > 0:
                row = row[[0, 5]]
            total = total + row
        except IndexError:
            missed += 1
    return total, missed


PROGRAMS.add(caught_in_a_loop, *SIGNS, rand(6, 4))


def caught_outside_of_a_loop(x):
    total = torch.zeros(4)
    try:
        for row in x:
            total = total + 1
            if row.sum() > 1:
                torch.cat([row, row.reshape(2, 2)])
            total = total + row
    except (RuntimeError, ValueError):
        total = total * 100
    return total


PROGRAMS.add(caught_outside_of_a_loop, *SIGNS, rand(6, 4))


def its_class_says_what_comes(x):
    y = x
    try:
        if x.shape[0] == 1:
            y = x[1]
        elif x.shape[0] == 3:
            y = x.view(5, 5)
        y = y * 2
    except IndexError:
        y = x - 1
    except RuntimeError:
        y = x + 1
    return y


PROGRAMS.add(its_class_says_what_comes, rand(2, 4), rand(1, 4), rand(3, 4))


def text_that_no_size_is_in(x):
    n = 0
    try:
        if x.sum() > 0:
            torch.ones(4).view(3)
    except RuntimeError as error:
        n = len(str(error))
    return x * 2, n


PROGRAMS.add(text_that_no_size_is_in, *SIGNS)


def text_that_a_size_is_in(x):
    n = 0
    try:
        if x.sum() > 0:
            x.view(3, 3, 3)
    except RuntimeError as error:
        n = len(str(error))
    return x * 2, n


PROGRAMS.add(text_that_a_size_is_in, *SIGNS, expect="refuse", match="the text of an exception")


# -- sizes and indices decide, in code that may catch it ------------------------------------------

SIZES = (rand(3, 4), rand(2, 4), rand(4, 4), rand(1, 4), rand(6, 4))


def view_or_else(x):
    try:
        y = x.view(4, 3)
    except RuntimeError:
        y = x[:, :3] * 2
    return y


PROGRAMS.add(view_or_else, *SIZES, rand(4, 4)[:0])


def what_is_stretched_is_no_error(x):
    try:
        y = x + x[:2]
    except RuntimeError:
        y = x * 100
    return y


PROGRAMS.add(
    what_is_stretched_is_no_error,
    *SIZES,
    rand(4, 4)[:0],
    # What older PyTorch learns of sizes that are stretched is more than it needs.
    expect="export" if TORCH >= (2, 14) else "either",
)


def added_in_place(x):
    y = x.clone()
    try:
        y += torch.ones(3, 4)
    except RuntimeError:
        y = y * 100
    return y


PROGRAMS.add(added_in_place, *SIZES)


def put_together_with_its_transpose(x):
    try:
        y = torch.cat([x, x.t()], 0)
    except RuntimeError:
        y = x * 100
    return y


PROGRAMS.add(put_together_with_its_transpose, *SIZES)


def two_classes_of_one_call(x):
    try:
        y = x.narrow(0, 1, 2)
    except IndexError:
        y = x - 1
    except RuntimeError:
        y = x * 100
    return y


PROGRAMS.add(two_classes_of_one_call, *SIZES, rand(4, 4)[:0])


def as_many_rows_as_there_are(x):
    n, total = 0, torch.zeros(4)
    try:
        for k in range(3):
            total = total + x.select(0, k)
            n += 1
    except IndexError:
        total = total * 2
    return total, n


PROGRAMS.add(as_many_rows_as_there_are, *SIZES)


def largest_or_zeros(x):
    try:
        y = x.max(0).values
    except IndexError:
        y = torch.zeros(4)
    return y


PROGRAMS.add(largest_or_zeros, *SIZES, rand(4, 4)[:0])


def one_product_or_another(x):
    try:
        y = x @ torch.ones(3, 3)
    except RuntimeError:
        y = x @ torch.ones(4, 3)
    return y


PROGRAMS.add(one_product_or_another, *SIZES, rand(4, 4)[:0])


def one_inside_of_another(x):
    try:
        y = x.mm(x)
    except RuntimeError:
        try:
            y = x.reshape(2, -1, 3, 4)
            y = y.sum(0)[0]
        except RuntimeError:
            y = x - 1
    return y


PROGRAMS.add(one_inside_of_another, *SIZES)


def tells_whether_it_fits(x):
    try:
        x.unflatten(0, (2, -1))
        fits = True
    except (RuntimeError, ValueError):
        fits = False
    return x * 2, fits


PROGRAMS.add(tells_whether_it_fits, *SIZES)


def convolution_or_not(x):
    try:
        y = F.conv1d(x[None], torch.ones(3, 4, 2))
    except RuntimeError:
        y = x[None]
    return y


PROGRAMS.add(convolution_or_not, *SIZES)


def rows_that_may_be_missing(x):
    try:
        y = x[[0, 3]]
    except IndexError:
        y = x * 100
    return y


PROGRAMS.add(rows_that_may_be_missing, *SIZES)


def _indices(x):
    return (x[0].abs() * 3).long().clamp(max=5)


def selected(x):
    try:
        y = x.index_select(0, _indices(x))
    except IndexError:
        y = x * 100
    return y


PROGRAMS.add(selected, *SIZES)


def gathered(x):
    try:
        y = torch.gather(x, 0, _indices(x)[None])
    except RuntimeError:
        y = x * 100
    return y


PROGRAMS.add(gathered, *SIZES)


def embedded(x):
    try:
        y = F.embedding(_indices(x), x)
    except IndexError:
        y = x * 100
    return y


PROGRAMS.add(embedded, *SIZES)


def rows_by_number(x):
    missed = 0
    for k in _indices(x):
        try:
            x = x + x[k]
        except IndexError:
            missed += 1
    return x, missed


PROGRAMS.add(rows_by_number, *SIZES)


def written_before_it_raises(x):
    y = x.clone()
    try:
        y[_indices(x)] = 0
    except IndexError:
        y = y * 100
    return y


PROGRAMS.add(written_before_it_raises, *SIZES, expect="refuse", match="may catch it")
