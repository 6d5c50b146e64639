"""Programs that have no honest file: they are refused, or kept right; never wrong."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("refusals")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0, -3.0)


def other_rank(x):
    if x.sum() > 0:
        y = x
    else:
        y = x.unsqueeze(0)
    return y


PROGRAMS.add(other_rank, POS, NEG)


def other_structure(x):
    if x.sum() > 0:
        return x, x + 1
    return x


PROGRAMS.add(other_structure, POS, NEG)


def tensor_or_string(x):
    if x.sum() > 0:
        kind = "positive"
    else:
        kind = x * 2
    return kind if isinstance(kind, torch.Tensor) else x


PROGRAMS.add(tensor_or_string, POS, NEG)


def key_from_value(x):
    table = {1: 0.5, 2: 2.0, 3: 4.0}
    return x * table[int(x.max())]


PROGRAMS.add(key_from_value, POS, vec(1.0, 0.5), vec(2.0), expect="either")


def key_from_size(x):
    table = {1: 0.5, 2: 2.0, 3: 4.0}
    return x * table[x.shape[0]]


PROGRAMS.add(key_from_size, POS, vec(1.0), vec(2.0, 1.0), expect="either")


def list_index_from_value(x):
    weights = [0.5, 2.0, 4.0]
    return x * weights[int(x.argmax())]


PROGRAMS.add(list_index_from_value, POS, vec(5.0, 1.0), vec(1.0, 2.0), expect="either")


def size_as_text(x):
    key = f"{x.shape[0]}"
    if key == "3":
        return x + 1
    return x - 1


PROGRAMS.add(size_as_text, POS, vec(1.0), vec(2.0, 1.0), expect="either")


def format_of_value(x):
    label = "%d" % int(x.sum())
    return x * len(label)


PROGRAMS.add(format_of_value, POS, vec(100.0), vec(-5.0), expect="either")


def numpy_round_trip(x):
    return torch.from_numpy(x.numpy() * 2)


PROGRAMS.add(numpy_round_trip, POS, NEG * 3, expect="refuse")


def only_defined_sometimes(x):
    if x.sum() > 0:
        bonus = x.max()
    return x + bonus


# Eager raises UnboundLocalError when the sum is not positive, so only one side is tested.
PROGRAMS.add(only_defined_sometimes, POS, vec(2.0), expect="either")


def except_on_tensor_error(x):
    try:
        y = x[2] + x.sum()
    except IndexError:
        y = x.sum() - 1
    return y


PROGRAMS.add(except_on_tensor_error, POS, vec(1.0), vec(1.0, 2.0), expect="either")


def set_of_values(x):
    return x + len({v.item() for v in x})


PROGRAMS.add(set_of_values, POS, vec(1.0, 1.0), vec(4.0), expect="either")


def unique_loop(x):
    total = x.new_zeros(())
    for v in torch.unique(x):
        total = total * 2 + v
    return total


PROGRAMS.add(unique_loop, POS, vec(2.0, 1.0, 2.0), vec(3.0), expect="either")


def sorted_python(x):
    values = sorted([x[0].item(), x[1].item()])
    return x * values[0] + values[1]


PROGRAMS.add(sorted_python, POS, vec(2.0, 1.0), expect="either")


def recursion_on_value(x):
    if x.abs().max() < 1:
        return x
    return recursion_on_value(x / 2)


PROGRAMS.add(recursion_on_value, POS, vec(9.0), vec(0.5), expect="refuse")


def recursion_on_size(x):
    if x.shape[0] <= 1:
        return x
    half = x.shape[0] // 2
    return recursion_on_size(x[:half]) + recursion_on_size(x[half : 2 * half])


PROGRAMS.add(recursion_on_size, rand(4), rand(8), rand(1), rand(5), expect="refuse")
PROGRAMS.add(recursion_on_size, rand(4), dynamic=False, name="recursion_on_static_size")


def list_of_data_dependent_length(x):
    found = []
    for v in x:
        if v > 0:
            found.append(v * 2)
    if not found:
        return x.new_zeros(0)
    return torch.stack(found)


PROGRAMS.add(list_of_data_dependent_length, POS, NEG, vec(1.0, -1.0), expect="either")


def none_or_tensor(x):
    best = None
    for row in x:
        if best is None or row.sum() > best.sum():
            best = row
    return best


PROGRAMS.add(none_or_tensor, rand(3, 2), rand(1, 2), rand(5, 2), expect="either")


def none_from_one_branch(x):
    extra = None
    if x.sum() > 0:
        extra = x * 2
    if extra is not None:
        return x + extra
    return x


PROGRAMS.add(none_from_one_branch, POS, NEG, expect="either")


def output_none_sometimes(x):
    if x.sum() > 0:
        return x, None
    return x, x + 1


PROGRAMS.add(output_none_sometimes, POS, NEG)
