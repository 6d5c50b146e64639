"""Writes in place through views, made on either side of a branch or a loop."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, ints, rand, vec

PROGRAMS = Programs("mutation_views")
X1, X3, X5 = (rand(n, 4, seed=n) for n in (1, 3, 5))
NEG3 = -X3.abs()
SQ3, SQ2, SQ5 = (rand(n, n, seed=10 + n) for n in (3, 2, 5))
EVEN2, EVEN4, EVEN6 = (rand(n, 4, seed=20 + n) for n in (2, 4, 6))


def column_of_every_row(x):
    y = x.clone()
    if x.sum() > 0:
        y[:, 0] += 1
    else:
        y[:, 1:3] *= 2
    return y


PROGRAMS.add(column_of_every_row, X3, NEG3, X1, X5)


def row_taken_before_written_inside(x):
    y = x.clone()
    row = y[0]
    if x.sum() > 0:
        row.add_(1)
    return y, row


PROGRAMS.add(row_taken_before_written_inside, X3, NEG3, X1, X5)


def row_taken_inside_written_inside(x):
    y = x.clone()
    if x.sum() > 0:
        row = y[-1]
        row.mul_(3)
        row[1] = 7.0
    return y


PROGRAMS.add(row_taken_inside_written_inside, X3, NEG3, X1, X5)


def base_written_view_read(x):
    y = x.clone()
    column = y[:, 1]
    if x.sum() > 0:
        y.zero_()
    return column * 2


PROGRAMS.add(base_written_view_read, X3, NEG3, X1, X5)


def view_of_a_view(x):
    y = x.clone()
    part = y[1:]
    cell = part[:, 2:]
    if x.sum() > 0:
        cell.fill_(5.0)
    return y, part.sum()


PROGRAMS.add(view_of_a_view, X3, NEG3, X1, X5)


def view_made_before_a_loop_written_in_it(x):
    y = torch.zeros(4)
    tail = y[2:]
    for row in x:
        tail += row[:2]
        if row.sum() > 0:
            y[0] += 1
    return y, tail


PROGRAMS.add(view_made_before_a_loop_written_in_it, X3, NEG3, X1, X5, torch.zeros(0, 4))


def view_made_in_a_loop_of_a_tensor_outside(x):
    y = torch.zeros(4, 4)
    for i in range(x.shape[0]):
        row = y[i % 4]
        row += x[i]
        row[0] = 1.0
    return y


PROGRAMS.add(view_made_in_a_loop_of_a_tensor_outside, X3, X1, X5, torch.zeros(0, 4))


def split_and_write(x):
    y = x.clone()
    left, right = y.split(2, dim=1)
    if x.sum() > 0:
        left.add_(right)
    else:
        right.zero_()
    return y


PROGRAMS.add(split_and_write, X3, NEG3, X1, X5)


def chunk_and_write(x):
    y = x.clone()
    for part in y.chunk(2, dim=1):
        if part.sum() > 0:
            part.mul_(-1)
    return y


PROGRAMS.add(chunk_and_write, X3, NEG3, X1, X5)


def unbind_and_write(x):
    y = x.clone()
    for k, column in enumerate(y.unbind(1)):
        if column.sum() > 0:
            column.fill_(float(k))
    return y


PROGRAMS.add(unbind_and_write, X3, NEG3, X1, X5)


def tensor_split_and_write(x):
    y = x.clone()
    first, rest = torch.tensor_split(y, [1], dim=1)
    if x.sum() > 0:
        rest += first
    return y


PROGRAMS.add(tensor_split_and_write, X3, NEG3, X1, X5)


def diagonal_written(x):
    y = x.clone()
    if x.sum() > 0:
        y.diagonal().fill_(1.0)
    else:
        y.diagonal(1).add_(2.0)
    return y


PROGRAMS.add(diagonal_written, SQ3, -SQ3, SQ2, SQ5)


def fill_diagonal_in_branch(x):
    y = x.clone()
    if x.sum() > 0:
        y.fill_diagonal_(0.0)
    return y


PROGRAMS.add(fill_diagonal_in_branch, SQ3, -SQ3, SQ2, SQ5)


def transposed_written(x):
    y = x.clone()
    if x.sum() > 0:
        y.T[0] = 9.0
    else:
        y.t()[:, 0] += 1
    return y


PROGRAMS.add(transposed_written, X3, NEG3, X1, X5)


def transposed_ellipsis_written(x):
    y = x.clone()
    if x.sum() > 0:
        y.T[...] = 2.0
    y.mT[..., 0] = 1.0
    return y


PROGRAMS.add(transposed_ellipsis_written, X3, NEG3, X1, X5)


def permuted_written(x):
    y = x.reshape(-1, 2, 2).clone()
    p = y.permute(2, 0, 1)
    if x.sum() > 0:
        p[0] = p[1]
    return y


PROGRAMS.add(permuted_written, X3, NEG3, X1, X5)


def narrow_written(x):
    y = x.clone()
    if x.sum() > 0:
        y.narrow(1, 1, 2).neg_()
    return y


PROGRAMS.add(narrow_written, X3, NEG3, X1, X5)


def narrow_at_a_dynamic_place(x):
    y = x.clone()
    for i in range(x.shape[0]):
        y.narrow(0, i, 1).add_(float(1))
    return y


PROGRAMS.add(narrow_at_a_dynamic_place, X3, X1, X5, torch.zeros(0, 4))


def unfold_written(x):
    y = x.clone()
    if x.sum() > 0:
        y.unfold(1, 2, 2)[:, 1] = 3.0
    return y


# The inverse of unfold takes fixed sizes in PyTorch.
PROGRAMS.add(unfold_written, X3, NEG3, X1.abs(), X5.abs(), expect="either")


def unfold_overlapping_read(x):
    y = x.clone()
    windows = y.unfold(1, 2, 1)
    if x.sum() > 0:
        y[:, 1] = 0.0
    return windows.sum(-1)


PROGRAMS.add(unfold_overlapping_read, X3, NEG3, X1, X5)


def expand_read_after_write(x):
    y = x.sum(0)
    wide = y.expand(3, 4)
    if x.sum() > 0:
        y[0] = 1.0
    return wide * 2


PROGRAMS.add(expand_read_after_write, X3, NEG3, X1, X5)


def reshaped_written(x):
    y = x.clone()
    flat = y.view(-1)
    if x.sum() > 0:
        flat[0] = 5.0
        flat[1::2] += 1
    return y


PROGRAMS.add(reshaped_written, X3, NEG3, X1, X5)


def unsqueezed_and_squeezed_written(x):
    y = x.clone()
    if x.sum() > 0:
        y.unsqueeze(0).squeeze(0)[:, 0] = 4.0
    return y


PROGRAMS.add(unsqueezed_and_squeezed_written, X3, NEG3, X1, X5)


def movedim_and_select_written(x):
    y = x.reshape(-1, 2, 2).clone()
    if x.sum() > 0:
        torch.movedim(y, 0, 2).select(0, 1).mul_(0.5)
    return y


PROGRAMS.add(movedim_and_select_written, X3, NEG3, X1, X5)


def as_strided_written(x):
    y = torch.zeros(6) + x.sum()
    if x.sum() > 0:
        y.as_strided((2, 2), (3, 1)).fill_(1.0)
    return y


PROGRAMS.add(as_strided_written, X3, NEG3, X1, expect="either")


def every_second_row_written(x):
    y = x.clone()
    if x.shape[0] > 2:
        y[::2] = 0.0
    return y


PROGRAMS.add(every_second_row_written, X3, X1, X5)


def two_names_for_one_tensor(x):
    y = x.clone()
    z = y
    if x.sum() > 0:
        z.add_(1)
    else:
        z = z + 1
    return y, z


PROGRAMS.add(two_names_for_one_tensor, X3, NEG3)


def name_of_either_tensor_written_later(x):
    a, b = x.clone(), x * 2
    c = a if x.sum() > 0 else b
    c.add_(1)
    return a, b, c


PROGRAMS.add(name_of_either_tensor_written_later, X3, NEG3, expect="either")


def either_written_after_merge_read_by_name(x):
    a, b = x.clone(), x * 2
    if x.sum() > 0:
        c = a
    else:
        c = b
    a.add_(1)
    return c


PROGRAMS.add(either_written_after_merge_read_by_name, X3, NEG3, expect="either")


def view_of_either_written_later(x):
    a, b = x.clone(), x * 2
    c = a[0] if x.sum() > 0 else b[0]
    c.add_(1)
    return a, b


PROGRAMS.add(view_of_either_written_later, X3, NEG3, expect="either")


def view_of_merged_written(x):
    a = x.clone()
    if x.sum() > 0:
        b = a
    else:
        b = a * 1
    b[0].add_(1)
    return a, b


PROGRAMS.add(view_of_merged_written, X3, NEG3, expect="either")


def helper_returns_its_argument_or_a_copy(x):
    def at_least(t, low):
        if t.min() < low:
            return t.clamp(min=low)
        return t

    y = x.clone()
    z = at_least(y, 0.0)
    z.add_(1)
    return y, z


PROGRAMS.add(helper_returns_its_argument_or_a_copy, X3, X3.abs(), expect="either")


def in_list_and_by_name(x):
    y = x.clone()
    items = [y, x * 2]
    if x.sum() > 0:
        items[0].mul_(3)
    return y, items[0]


PROGRAMS.add(in_list_and_by_name, X3, NEG3)


def list_item_replaced_in_branch_then_written(x):
    y = x.clone()
    items = [y]
    if x.sum() > 0:
        items[0] = x * 5
    items[0].add_(1)
    return y, items[0]


PROGRAMS.add(list_item_replaced_in_branch_then_written, X3, NEG3, expect="either")


def swapped_each_trip(x):
    a, b = torch.zeros(4), torch.ones(4)
    for row in x:
        a += row
        a, b = b, a
    return a, b


PROGRAMS.add(swapped_each_trip, X3, X1, X5, torch.zeros(0, 4), expect="either")


def swapped_each_trip_and_known_by_first_name(x):
    first = torch.zeros(4)
    a, b = first, torch.ones(4)
    for row in x:
        a.add_(row)
        a, b = b, a
    return first, a, b


PROGRAMS.add(
    swapped_each_trip_and_known_by_first_name, X3, X1, X5, torch.zeros(0, 4), expect="either"
)


def double_buffer(x):
    now, after = x.clone(), torch.empty_like(x)
    for _ in range(x.shape[0]):
        after.copy_(now.roll(1, 0) * 0.5)
        now, after = after, now
    return now


PROGRAMS.add(double_buffer, X3, X1, X5, expect="either")


def replaced_by_itself_plus_one_then_written(x):
    y = x.sum(0)
    z = y
    for row in x:
        y = y + row
        y[0] = 0.0
    return y, z


PROGRAMS.add(replaced_by_itself_plus_one_then_written, X3, X1, X5)


def kept_from_the_trip_before(x):
    buffer = torch.zeros(4)
    last = buffer
    for row in x:
        last = buffer
        buffer.add_(row)
    return last, buffer


PROGRAMS.add(kept_from_the_trip_before, X3, X1, X5, torch.zeros(0, 4))


def clone_kept_from_the_trip_before(x):
    buffer = torch.zeros(4)
    last = buffer.clone()
    for row in x:
        last = buffer.clone()
        buffer.add_(row)
    return last, buffer


PROGRAMS.add(clone_kept_from_the_trip_before, X3, X1, X5, torch.zeros(0, 4))


def view_kept_from_the_trip_before(x):
    buffer = torch.zeros(4, 4)
    row = buffer[0]
    for i in range(x.shape[0]):
        row.add_(x[i])
        row = buffer[(i + 1) % 4]
    return buffer, row


PROGRAMS.add(view_kept_from_the_trip_before, X3, X1, X5, torch.zeros(0, 4), expect="either")


def best_row_is_a_view(x):
    y = x.clone()
    best = y[0]
    for row in y:
        if row.sum() > best.sum():
            best = row
    y.zero_()
    return best


PROGRAMS.add(best_row_is_a_view, X3, X1, X5, expect="either")


def best_row_is_written(x):
    y = x.clone()
    best = y[0]
    for row in y:
        if row.sum() > best.sum():
            best = row
    best.zero_()
    return y


PROGRAMS.add(best_row_is_written, X3, X1, X5, expect="either")


def detached_alias(x):
    y = x.clone()
    z = y.detach()
    if x.sum() > 0:
        z.add_(1)
    return y, z


PROGRAMS.add(detached_alias, X3, NEG3)


def data_alias(x):
    y = x.clone()
    if x.sum() > 0:
        y.data.mul_(2)
    y.data[0] = 1.0
    return y


PROGRAMS.add(data_alias, X3, NEG3, X1)


def data_assigned(x):
    y = x.clone()
    z = y
    if x.sum() > 0:
        y.data = x * 3
    return y, z


PROGRAMS.add(data_assigned, X3, NEG3, expect="refuse", match="other memory")


def set_in_branch(x):
    y = x.clone()
    if x.sum() > 0:
        y.set_(x * 2)
    return y


PROGRAMS.add(set_in_branch, X3, NEG3, expect="refuse", match="other memory")


def resize_in_branch(x):
    y = x.sum(0)
    if x.sum() > 0:
        y.resize_(2)
    return y


PROGRAMS.add(resize_in_branch, X3, NEG3, expect="refuse", match="from outside a branch")


def transpose_in_place(x):
    y = x.clone()
    if x.sum() > 0:
        y.t_()
    return y


PROGRAMS.add(transpose_in_place, SQ3, -SQ3, SQ2, expect="refuse", match="changes the sizes")


def squeeze_in_place(x):
    y = x.sum(0, keepdim=True)
    y.squeeze_(0)
    if x.sum() > 0:
        y.unsqueeze_(1)
        y.squeeze_(1)
    return y


PROGRAMS.add(squeeze_in_place, X3, NEG3, X1, expect="refuse", match="changes the sizes")


def squeezed_in_place_at_its_own_level(x):
    y = x.sum(0, keepdim=True)
    y.squeeze_(0).unsqueeze_(1)
    z = x.clone()
    z.squeeze_(1)
    z.t_()
    z[0] = 1.0
    return y, z


PROGRAMS.add(squeezed_in_place_at_its_own_level, X3, NEG3, X1)


def written_in_a_branch_after_being_reshaped(x):
    y = x.clone()
    y.t_()
    if x.sum() > 0:
        y[0] = 1.0
    return y


PROGRAMS.add(
    written_in_a_branch_after_being_reshaped,
    X3,
    NEG3,
    X1,
    expect="refuse",
    match="in place after|has changed its",
)


def contiguous_may_be_the_same(x):
    y = x.clone()
    z = y.contiguous()
    z[0] = 1.0
    w = y.t().contiguous()
    w[0] = 2.0
    return y


PROGRAMS.add(contiguous_may_be_the_same, X3, X1, X5, expect="refuse", match="sizes of 1")


def to_may_be_the_same(x):
    y = x.clone()
    y.to(torch.float32)[0] = 1.0
    y.to(torch.float64)[0] = 2.0
    y.float()[:, 1] = 3.0
    return y


PROGRAMS.add(to_may_be_the_same, X3, X1, X5)


def reshape_may_be_a_copy(x):
    y = x.clone()
    y.reshape(-1)[0] = 1.0
    y.t().reshape(-1)[1] = 5.0
    y.flatten()[2] = 6.0
    return y


PROGRAMS.add(reshape_may_be_a_copy, X3, X5, expect="either")


def reshape_as_and_view_as(x):
    y = x.clone()
    y.view_as(x)[0] = 1.0
    y.reshape_as(x.reshape(-1))[-1] = 2.0
    return y


PROGRAMS.add(reshape_as_and_view_as, X3, X1, X5, expect="either")


def row_of_a_view_in_nested_loops(x):
    y = torch.zeros(x.shape[0], x.shape[0])
    for i in range(x.shape[0]):
        for j in range(i + 1):
            y[i, : j + 1] += x[j].sum()
    return y


PROGRAMS.add(row_of_a_view_in_nested_loops, X3, X1, X5, torch.zeros(0, 4))


def view_as_real_like_pairs(x):
    y = x.clone()
    pairs = y.unflatten(1, (2, 2))
    if x.sum() > 0:
        pairs[:, :, 0] = pairs[:, :, 1]
    return y


PROGRAMS.add(view_as_real_like_pairs, X3, NEG3, X1, X5)


def slice_of_iterated_rows_written(x):
    y = x.clone()
    for row in y:
        row[1:3] = row[:2].flip(0)
    return y


PROGRAMS.add(slice_of_iterated_rows_written, X3, X1, X5, torch.zeros(0, 4))


def zip_of_rows_written(x):
    y, z = x.clone(), x * 2
    for a, b in zip(y, z):
        if a.sum() > 0:
            b.copy_(a)
    return y, z


PROGRAMS.add(zip_of_rows_written, X3, NEG3, X1, X5, torch.zeros(0, 4))


def flipped_rows_swapped_through_a_temporary_view(x):
    y = x.clone()
    n = y.shape[0]
    for i in range(n // 2):
        temporary = y[i]
        y[i] = y[n - 1 - i]
        y[n - 1 - i] = temporary
    return y


PROGRAMS.add(flipped_rows_swapped_through_a_temporary_view, X3, X1, X5, EVEN4)


def tuple_swap_of_rows(x):
    y = x.clone()
    if y.shape[0] > 1:
        y[0], y[1] = y[1], y[0]
    y[:, 0], y[:, 1] = y[:, 1].clone(), y[:, 0].clone()
    return y


PROGRAMS.add(tuple_swap_of_rows, X3, X1, X5)


def broadcast_copy(x):
    y = torch.zeros_like(x)
    if x.sum() > 0:
        y.copy_(x[0])
    else:
        y[:, :2].copy_(x[:, :1])
    return y


PROGRAMS.add(broadcast_copy, X3, NEG3, X1, X5)


def view_of_another_dtype(x):
    y = x.clone()
    if x.sum() > 0:
        y.view(torch.int32)[0, 0] = 0
    return y


PROGRAMS.add(view_of_another_dtype, X3, NEG3, expect="either")


def gathered_copy_is_no_view(x):
    y = x.clone()
    picked = y[ints(2, high=1)]
    masked = y[y > 0]
    picked.add_(10)
    masked.add_(10)
    return y, picked


PROGRAMS.add(gathered_copy_is_no_view, X3, X1)


def vector_view_by_view(x):
    y = x.clone()
    half = y[: y.shape[0] // 2]
    if x.sum() > 0:
        half *= 10
    return y


PROGRAMS.add(vector_view_by_view, vec(1.0, 2.0, 3.0), vec(-1.0, 2.0, -3.0), vec(1.0))
