"""Programs on which a careless exporter answers wrongly without a word."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("pitfalls")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0)
X0, X1, X3, X5 = (rand(n, 4, seed=n) for n in (0, 1, 3, 5))


def other_dtype_in_branch(x):
    if x.sum() > 0:
        y = (x > 1).to(torch.int64)
    else:
        y = x
    return y


PROGRAMS.add(other_dtype_in_branch, POS, NEG)


def other_dtype_then_promoted(x):
    if x.sum() > 0:
        y = torch.ones(x.shape[0], dtype=torch.int64)
    else:
        y = x * 0.5
    return x + y


PROGRAMS.add(other_dtype_then_promoted, POS, NEG, expect="either")


def int_division_after_dtype_join(x):
    y = x.sum().long() if x.sum() > 0 else x.sum()
    return y / 2


PROGRAMS.add(int_division_after_dtype_join, POS, vec(-1.5, -2.25), expect="either")


def int_or_float_scalar(x):
    k = 3
    if x.sum() > 0:
        k = 2.5
    return x + (k // 2)


PROGRAMS.add(int_or_float_scalar, POS, NEG, expect="either")


def int_or_float_scalar_output(x):
    k = 3
    if x.sum() > 0:
        k = 2.5
    return k


PROGRAMS.add(int_or_float_scalar_output, POS, NEG)


def int_turns_float_in_loop(x):
    total = 0
    for v in x:
        total = total + v.item() * 0.5
    return x + total


PROGRAMS.add(int_turns_float_in_loop, POS, NEG, vec(1.0))


def int_tensor_turns_float_in_loop(x):
    total = torch.zeros((), dtype=torch.int64)
    for v in x:
        total = total + v
    return total * 2


PROGRAMS.add(int_tensor_turns_float_in_loop, POS, vec(0.5), expect="either")


def shadowed_name(x):
    y = x * 2

    def inner(x):
        y = x + 1
        if y.sum() > 0:
            x = y
        return x

    x = inner(x)
    return x + y


PROGRAMS.add(shadowed_name, POS, NEG)


def shadowed_builtin(x):
    sum = x.sum()
    max = 2
    if sum > max:
        return x - max
    return x + sum


PROGRAMS.add(shadowed_builtin, POS, NEG)


def comprehension_variable_does_not_leak(x):
    k = 10
    parts = [x * k for k in range(3)]
    return parts[2] + k if x.sum() > 0 else parts[1] * k


PROGRAMS.add(comprehension_variable_does_not_leak, POS, NEG)


def middle_is_evaluated_once(x):
    calls = []

    def middle():
        calls.append(1)
        return x.mean()

    if 0 < middle() < 5:
        return x + len(calls)
    return x - len(calls)


PROGRAMS.add(middle_is_evaluated_once, POS, NEG, vec(50.0), expect="either")


def condition_changes_state(x):
    i = -1

    def step():
        nonlocal i
        i += 1
        return i

    while step() < x.shape[0]:
        x = x + i
    return x, i


PROGRAMS.add(condition_changes_state, POS, NEG, vec(), expect="either")


def right_side_reads_what_left_protects(x):
    i = 0
    while i < x.shape[0] and x[i] > 0:
        i += 1
    return i


PROGRAMS.add(right_side_reads_what_left_protects, vec(1.0, 2.0, -1.0), POS, NEG, vec())


def not_in_loop_condition(x):
    done = False
    n = 0
    while not done:
        x = x * 0.5
        n += 1
        done = bool(x.abs().max() < 0.3) or n > 6
    return x, n


PROGRAMS.add(not_in_loop_condition, POS, vec(0.1), vec(100.0, 1.0))


def break_then_else_skipped(x):
    hit = 0
    for row in x:
        if row[0] > 0:
            hit = 1
            break
        hit = -1
    else:
        hit = hit * 10
    return hit


PROGRAMS.add(break_then_else_skipped, X3.abs(), -X3.abs(), X1, torch.cat([-X1.abs(), X1.abs()]))


def inner_else_outer_break(x):
    total = x.new_zeros(())
    for i in range(x.shape[0]):
        for j in range(3):
            if x[i, j] > 1.25:
                break
        else:
            total = total + x[i].sum()
            continue
        total = total - 1
        break
    return total


PROGRAMS.add(inner_else_outer_break, X3 * 0.1, X0, X5 * 3, torch.cat([X3 * 0.1, X1.abs() + 2]))


def values_before_break_are_kept(x):
    a, b = 0, 0
    for i in range(x.shape[0]):
        a = i + 1
        if x[i] < 0:
            break
        b = a * 10
    return a, b


PROGRAMS.add(values_before_break_are_kept, vec(1.0, -1.0, 2.0), POS, NEG, vec())


def old_value_of_carried(x):
    previous, current = x[0], x[0]
    for row in x:
        previous = current
        current = current * 0.5 + row
    return current - previous


PROGRAMS.add(old_value_of_carried, X3, X1, X5)


def simultaneous_assignment(x):
    a, b, c = x.sum(), x.max(), 1.0
    for _ in range(x.shape[0]):
        a, b, c = b, a * 0.5 + c, c + 1
    return a, b, c


PROGRAMS.add(simultaneous_assignment, POS, NEG, vec(1.0))


def transposed_times_vector(w, v):
    total = v
    for _ in range(w.shape[0]):
        total = total + w @ (w.t() @ v)
    return total, w.mT.mv(v), torch.addmv(w[0], w.t(), v)


PROGRAMS.add(transposed_times_vector, *((rand(n, m), rand(n, seed=1)) for n, m in ((3, 2), (4, 4))))
