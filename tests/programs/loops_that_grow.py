"""Loops whose tensors change size, and loops over static or searched things."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, ints, rand, vec

PROGRAMS = Programs("loops_that_grow")
X0, X1, X3, X5 = (rand(n, 4, seed=n) for n in (0, 1, 3, 5))


def grow_by_cat(x):
    out = x[:1]
    for i in range(1, x.shape[0]):
        out = torch.cat([out, x[i : i + 1] + out[-1:]])
    return out


PROGRAMS.add(grow_by_cat, X3, X1, X5, X0)


def grow_from_empty(x):
    kept = x.new_zeros((0, 4))
    for i in range(x.shape[0]):
        if x[i].sum() > 0:
            kept = torch.cat([kept, x[i].unsqueeze(0)], dim=0)
    return kept


PROGRAMS.add(grow_from_empty, X3, X0, X5, -X5.abs(), X5.abs())


def shrink_while(x):
    while x.shape[0] > 2:
        x = x[:-1] + x[1:]
    return x


PROGRAMS.add(shrink_while, X3, X0, X1, X5)


def halve_while(x):
    steps = 0
    while x.shape[-1] >= 2:
        n = x.shape[-1] // 2
        x = x[..., :n] + x[..., n : 2 * n]
        steps += 1
    return x, steps


PROGRAMS.add(halve_while, rand(2, 8), rand(1, 5), rand(3, 1), rand(2, 16))


def remove_matches(x):
    rounds = 0
    while x.numel() > 0 and rounds < 10:
        x = x[x > x.min()]
        rounds += 1
    return x, rounds


PROGRAMS.add(remove_matches, vec(3.0, 1.0, 2.0), vec(), vec(1.0), vec(1.0, 1.0, 2.0, 5.0))


def swap_in_loop(x, y):
    for _ in range(x.shape[0]):
        x, y = y, x + y * 0.5
    return x, y


PROGRAMS.add(swap_in_loop, (X3, X3 + 1), (X1, X1 - 1), (X5, -X5))


def fibonacci(n):
    a, b = 0, 1
    while b < n:
        a, b = b, a + b
    return a


PROGRAMS.add(fibonacci, *(torch.tensor(k) for k in (10, 0, 2, 100)))


def collatz(n):
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


PROGRAMS.add(collatz, *(torch.tensor(k) for k in (6, 1, 7, 16)))


def trip_count_fixed_at_entry(x):
    n = x.shape[0]
    for _ in range(n):
        n = n + 1
        x = x + 1
    return x, n


PROGRAMS.add(trip_count_fixed_at_entry, vec(1.0, 2.0), vec(), vec(1.0), vec(1.0, 2.0, 3.0))


def static_loop_unrolled(x):
    for i in range(3):
        x = x * (i + 1) - i
    return x


PROGRAMS.add(static_loop_unrolled, X3, X0, X5)


def static_loop_with_dynamic_break(x):
    for i in range(4):
        x = x * 2
        if x.abs().max() > 10:
            break
    return x, i


PROGRAMS.add(static_loop_with_dynamic_break, vec(1.0), vec(20.0, 1.0), vec(3.0, 2.0))


def long_static_loop(x):
    for i in range(200):
        x = x * 0.99 + 0.01
    return x


PROGRAMS.add(long_static_loop, X3, X1)


def over_python_list(x):
    for factor in [0.5, 2.0, -1.0]:
        if x.sum() > factor:
            x = x * factor
    return x


PROGRAMS.add(over_python_list, X3, X5, -X3.abs(), X3 * 0.01)


def over_chunks(x):
    total = x.new_zeros(())
    for part in torch.split(x, 2, dim=1):
        if part.mean() > 0:
            total = total + part.sum()
    return total


PROGRAMS.add(over_chunks, X3, X5, X3 + 2)


def reversed_range(x):
    h = x.new_zeros(4)
    for i in reversed(range(x.shape[0])):
        h = (h + x[i]).tanh()
    return h


PROGRAMS.add(reversed_range, X3, X0, X1, X5)


def window_slices(x):
    best = x.new_full((), -100.0)
    for i in range(x.shape[0] - 1):
        best = torch.maximum(best, x[i : i + 2].sum())
    return best


PROGRAMS.add(window_slices, X3, X1, X5)


def lookup_in_loop(table, idx):
    out = table.new_zeros(table.shape[1])
    for i in idx:
        out = out + table[i]
    return out


PROGRAMS.add(lookup_in_loop, (X3, ints(2, high=3)), (X5, ints(6, high=5)), (X1, ints(1, high=1)))


def state_machine(tokens):
    state, accepted = 0, 0
    for t in tokens:
        if state == 0 and t > 5:
            state = 1
        elif state == 1:
            if t < 3:
                state = 0
                accepted += 1
        else:
            state = 0
    return state, accepted


PROGRAMS.add(state_machine, ints(5, seed=1), ints(12, seed=2), ints(1), vec(7, 1, 8, 2, 9))
