"""Ifs: nested, with returns, on values, with state that only some branches set."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.programs.program import Programs, ints, rand, vec

PROGRAMS = Programs("branches")
POS, NEG, MIX = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0, -3.0, -4.0), vec(0.5, -0.25)


def if_else(x):
    if x.sum() > 0:
        return x * 2
    else:
        return x - 1


PROGRAMS.add(if_else, POS, NEG, MIX)


def if_without_else(x):
    y = x + 1
    if x.mean() > 0.5:
        y = y * y
    return y - x


PROGRAMS.add(if_without_else, POS, NEG, MIX)


def elif_chain(x):
    s = x.sum()
    if s > 5:
        y = x.relu()
    elif s > 1:
        y = x.tanh()
    elif s > -1:
        y = x.sigmoid()
    else:
        y = -x
    return y


PROGRAMS.add(elif_chain, POS, vec(1.5, 0.2), MIX, NEG)


def nested_returns(x, y):
    if x.sum() > 0:
        if y.sum() > 0:
            return x + y
        if y.max() > 0.5:
            return x - y
        z = x * 3
    else:
        z = y * 3
        if (x * y).sum() > 0:
            return z.abs()
    return z + 1


PROGRAMS.add(
    nested_returns,
    (vec(1.0, 2.0), vec(3.0, 4.0)),
    (vec(1.0, 2.0), vec(0.75, -4.0)),
    (vec(1.0, 2.0, 5.0), vec(0.1, -4.0, -1.0)),
    (vec(-1.0), vec(-2.0)),
    (vec(-1.0), vec(2.0)),
)


def several_variables_joined(x):
    a, b, c = x, x + 1, 0
    if x[0] > 0:
        a = b * 2
        c = 3
    else:
        b = a - 5
    return a, b, c


PROGRAMS.add(several_variables_joined, POS, NEG)


def unchanged_variable_stays(x):
    a = x * 2
    if x.max() > 2:
        b = a + 1
    else:
        b = a - 1
    return a, b


PROGRAMS.add(unchanged_variable_stays, POS, MIX)


def swapped_in_branch(x, y):
    if x.sum() > y.sum():
        x, y = y, x
    return x - 2 * y


PROGRAMS.add(swapped_in_branch, (vec(1.0), vec(5.0)), (vec(7.0, 8.0), vec(0.5, 1.0)))


def conditional_expression(x):
    scale = 2.0 if x.sum() > 0 else -3.0
    return x * scale


PROGRAMS.add(conditional_expression, POS, NEG)


def nested_conditional_expression(x):
    return x.exp() if x.max() > 2 else (x.cos() if x.min() > -3 else x.sin())


PROGRAMS.add(nested_conditional_expression, POS, MIX, NEG)


def conditional_expression_as_argument(x):
    return torch.clamp(x, min=-1.0 if x.sum() > 0 else -2.0, max=1.5)


PROGRAMS.add(conditional_expression_as_argument, POS, NEG, MIX)


def branch_of_other_sizes(x):
    if x.sum() > 0:
        y = x[1:]
    else:
        y = torch.cat([x, x])
    return y * 2, y.shape[0]


PROGRAMS.add(branch_of_other_sizes, POS, NEG, MIX)


def branch_gives_empty(x):
    keep = x > 0
    if keep.any():
        return x[keep]
    return x.new_zeros((0,))


PROGRAMS.add(branch_gives_empty, POS, NEG, MIX)


def and_or_not(x):
    a, b = x.sum() > 0, x.max() > 2
    if (a and not b) or (b and x.min() > 0.75):
        return x + 10
    return x - 10


PROGRAMS.add(and_or_not, POS, NEG, MIX, vec(3.0, 0.5))


def short_circuit_protects(x):
    n = x.shape[0]
    if n > 0 and x[n - 1] > 0:
        return x.sum() + 1
    return x.sum() - 1


PROGRAMS.add(short_circuit_protects, POS, NEG, vec(), MIX)


def or_protects(x):
    if x.numel() == 0 or x.max() < 0:
        return torch.zeros_like(x)
    return x / x.max()


PROGRAMS.add(or_protects, POS, NEG, vec(), vec(0.5, 0.25))


def chained_comparison(x):
    if -1 < x.mean() <= 0.5:
        return x * 100
    return x


PROGRAMS.add(chained_comparison, MIX, POS, NEG)


def bool_carried_out(x):
    found = False
    if x.sum() > 0:
        found = bool(x.max() > 2.5)
    return x, found


PROGRAMS.add(bool_carried_out, POS, MIX, NEG)


def condition_kept_in_variable(x):
    positive = bool(x.sum() > 0)
    y = x * 2 if positive else x * 3
    if not positive:
        y = y + 1
    return y, positive


PROGRAMS.add(condition_kept_in_variable, POS, NEG)


def tensor_truth(x, flag):
    if flag:
        return x + 1
    return x - 1


PROGRAMS.add(tensor_truth, (POS, torch.tensor(True)), (NEG, torch.tensor(False)))
PROGRAMS.add(
    tensor_truth, (POS, ints(1, high=1)), (NEG, ints(1, low=2)), name="tensor_truth_of_int"
)


def any_all_methods(x):
    if (x > 2).any() and not (x > 0).all():
        return x.sum()
    return x.prod()


PROGRAMS.add(any_all_methods, POS, vec(3.0, -1.0), NEG)


def torch_equal(x, y):
    if torch.equal(x, y):
        return x
    return x - y


PROGRAMS.add(torch_equal, (POS, POS + 0), (POS, POS + 1), (MIX, MIX * 1))


def allclose(x, y):
    if torch.allclose(x, y, atol=1e-2):
        return x + y
    return x - y


PROGRAMS.add(allclose, (POS, POS + 1e-4), (POS, POS + 1), (MIX, MIX * 2))


def isnan_check(x):
    if torch.isnan(x).any() or torch.isinf(x).any():
        return torch.zeros_like(x)
    return x


PROGRAMS.add(isnan_check, POS, vec(1.0, float("nan")), vec(float("inf"), 1.0, 2.0))


def same_in_both(x):
    if x.sum() > 0:
        return x.relu()
    else:
        return x.relu()


PROGRAMS.add(same_in_both, POS, NEG)


def branch_on_branch_result(x):
    k = 1 if x.sum() > 0 else 2
    y = x if k == 1 else x.flip(0)
    if k == 2:
        y = F.pad(y, (1, 1))
    return y


PROGRAMS.add(branch_on_branch_result, POS, NEG, MIX)


def deep_nesting(x):
    y = x
    if x[0] > 0:
        y = y + 1
        if x[1] > 0:
            y = y * 2
            if x[0] > x[1]:
                y = y - 3
                if y.sum() > 0:
                    y = y.sqrt()
                else:
                    y = y.abs()
            else:
                y = -y
        y = y + 0.5
    return y


PROGRAMS.add(
    deep_nesting,
    vec(4.0, 3.0),
    vec(0.5, 0.25),
    vec(1.0, 2.0, 3.0),
    vec(1.0, -2.0),
    vec(-1.0, 1.0),
)


def defined_in_one_branch_used_there(x):
    if x.sum() > 0:
        extra = x.mean()
        y = x + extra
    else:
        y = x
    return y


PROGRAMS.add(defined_in_one_branch_used_there, POS, NEG)


def guarded_by_the_same_flag(x):
    flag = bool(x.sum() > 0)
    if flag:
        bonus = x.max()
    y = x * 2
    if flag:
        y = y + bonus
    return y


PROGRAMS.add(guarded_by_the_same_flag, POS, NEG, expect="either")


def negated_and_compared_bools(x):
    a = bool(x[0] > 0)
    b = bool(x[-1] > 0)
    if a != b:
        return x.abs()
    if a ^ True:
        return x * 10
    return x


PROGRAMS.add(negated_and_compared_bools, POS, NEG, MIX)


def empty_branch(x):
    if x.sum() > 0:
        pass
    else:
        x = x * 2
    return x


PROGRAMS.add(empty_branch, POS, NEG)


def branch_makes_constant(x):
    if x.sum() > 0:
        w = torch.tensor([1.0, 2.0, 3.0])
    else:
        w = torch.ones(3)
    return x.unsqueeze(1) * w


PROGRAMS.add(branch_makes_constant, POS, NEG)


def matmul_in_branch(x, w):
    if x.abs().max() > 1:
        return x @ w
    return (x + 1) @ w.relu()


PROGRAMS.add(
    matmul_in_branch,
    (rand(3, 4), rand(4, 2)),
    (rand(5, 4) * 0.05, rand(4, 2)),
    (rand(1, 4, shift=3.0), rand(4, 3)),
)


def in_range_of_values(x):
    level = x.abs().max().item()
    if level in (1.0, 2.0):
        return x * 10
    return x


PROGRAMS.add(in_range_of_values, vec(1.0, -2.0), vec(0.5, 1.0, -1.0), vec(7.0))


def class_index_choice(x):
    c = x.argmax().item()
    if c == 0:
        return x
    elif c == 1:
        return x + 1
    return x - c


PROGRAMS.add(class_index_choice, vec(3.0, 1.0), vec(1.0, 3.0, 2.0), vec(0.0, 1.0, 2.0, 3.0))
