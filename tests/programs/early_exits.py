"""Returns, breaks and raises that leave early, at any depth."""

from __future__ import annotations

import torch
from torch import nn

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("early_exits")
X0, X1, X3, X5 = (rand(n, 4, seed=n) for n in (0, 1, 3, 5))
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0)


def guard_clauses(x):
    if x.numel() == 0:
        return x
    if x.max() < 0:
        return -x
    if x.min() > 10:
        return x - 10
    return x * 0.5


PROGRAMS.add(guard_clauses, POS, NEG, vec(), vec(11.0, 12.0))


def return_from_loop(x):
    for i in range(x.shape[0]):
        if x[i, 0] > 0:
            return x[i] * 2
    return x.new_zeros(4)


PROGRAMS.add(return_from_loop, X3, X0, -X5.abs(), X5.abs(), torch.cat([-X1.abs(), X3.abs()]))


def return_from_while(x):
    steps = 0
    while True:
        if x.sum() < 1:
            return x, steps
        if steps == 3:
            return x - 100, -1
        x = x / 2
        steps += 1


PROGRAMS.add(return_from_while, POS, NEG, vec(900.0), vec(1.5))


def return_from_nested_loops(x):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if x[i, j] > 1.75:
                return i, j
    return -1, -1


HIT = X3 * 0.1
HIT[1, 2] = 5.0
PROGRAMS.add(return_from_nested_loops, HIT, X3 * 0.1, X0, X5 + 2)


def return_in_else_of_loop(x):
    y = x
    for row in x:
        if row.sum() > 2:
            y = y + row
            break
    else:
        return y.sum()
    return y.mean()


PROGRAMS.add(return_in_else_of_loop, X3 + 1, X3 - 3, X1, torch.cat([X1 - 3, X1 + 3]))


def code_after_nested_return(x):
    total = x.new_zeros(())
    for row in x:
        if row[0] > 0:
            if row[1] > 0:
                return total + 100
            total = total + row[0]
        total = total + 0.5
    return total


PROGRAMS.add(
    code_after_nested_return, X3, X5, X5.abs(), -X3.abs(), X5.abs() * vec(1.0, -1.0, 1.0, 1.0)
)


def return_different_expressions(x):
    n = x.shape[0]
    if n > 3:
        return x[:3].sum(0), n
    elif n > 0:
        return x[0], n * 10
    return torch.zeros(4), -1


PROGRAMS.add(return_different_expressions, X3, X0, X1, X5)


class EarlyExitClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.heads = nn.ModuleList(nn.Linear(4, 2) for _ in range(3))

    def forward(self, x):
        for i, (block, head) in enumerate(zip(self.blocks, self.heads)):
            x = torch.tanh(block(x))
            p = head(x).softmax(-1)
            if p.max() > 0.62:
                return p, i
        return p, len(self.blocks)


PROGRAMS.add(EarlyExitClassifier, X3, X1, X5, X5 * 9, X1 * 0.0)


def search_first_index(x, target):
    index = -1
    for i in range(x.numel()):
        if x[i] == target:
            index = i
            break
    return index


PROGRAMS.add(
    search_first_index,
    *((vec(4, 2, 7, 2), torch.tensor(t)) for t in (2, 4, 9)),
    (vec(5), torch.tensor(5)),
)


def binary_search(x, target):
    low, high = 0, x.shape[0]
    while low < high:
        mid = (low + high) // 2
        if x[mid] < target:
            low = mid + 1
        else:
            high = mid
    return low


SORTED = vec(1.0, 3.0, 5.0, 7.0, 9.0)
PROGRAMS.add(
    binary_search,
    *((SORTED, torch.tensor(t)) for t in (4.5, 0.0, 10.0, 5.0)),
    (vec(), torch.tensor(1.0)),
)


def helper_returns_early(x):
    def pick(t):
        for row in t:
            if row.sum() > 0:
                return row
        return t.new_ones(4)

    return pick(x) + pick(-x)


PROGRAMS.add(helper_returns_early, X3, X1, X5)


def assert_is_an_assumption(x):
    assert x.dim() == 2, "need a matrix"
    assert x.shape[1] > 0
    return x.sum(1)


PROGRAMS.add(assert_is_an_assumption, X3, X1, X5)


def raise_on_bad_value(x):
    if x.numel() == 0:
        raise ValueError("empty input")
    if x.max() > 1000:
        raise RuntimeError(f"too large: {x.max()}")
    return x / x.abs().max()


PROGRAMS.add(raise_on_bad_value, POS, NEG, vec(4.0))


def raise_on_size(x):
    n = x.shape[0]
    if n % 2 != 0:
        raise ValueError(f"expected an even number of rows, got {n}")
    return x.reshape(n // 2, 2, 4).sum(1)


PROGRAMS.add(raise_on_size, rand(4, 4), rand(2, 4), rand(8, 4))


def not_implemented_branch(x, mode="mean"):
    if mode == "mean":
        return x.mean()
    elif mode == "sum":
        return x.sum()
    raise NotImplementedError(mode)


PROGRAMS.add(not_implemented_branch, X3, X1, X5)


def break_two_levels_with_flag(x):
    done = False
    total = x.new_zeros(())
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total = total + x[i, j]
            if total > 2:
                done = True
                break
        if done:
            break
    return total, done


PROGRAMS.add(break_two_levels_with_flag, X3, X0, X5.abs(), -X5.abs())


def patience_stop(losses):
    best, bad, used = 1e9, 0, 0
    for loss in losses:
        v = loss.item()
        used += 1
        if v < best:
            best, bad = v, 0
            continue
        bad += 1
        if bad >= 2:
            break
    return best, used


PROGRAMS.add(
    patience_stop, vec(3.0, 2.0, 2.5, 2.25, 1.0), vec(3.0, 2.0, 1.0), vec(1.0), vec(1.0, 2.0, 3.0)
)


def greedy_until_eos(logits):
    tokens = logits.new_zeros((0,), dtype=torch.int64)
    for step in range(logits.shape[0]):
        token = logits[step].argmax()
        tokens = torch.cat([tokens, token[None]])
        if token == 2:
            break
    return tokens


PROGRAMS.add(greedy_until_eos, rand(4, 6), rand(1, 6), rand(9, 6, seed=3), torch.eye(5)[[1, 2, 0]])
