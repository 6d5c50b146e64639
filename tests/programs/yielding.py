"""Functions with yield whose loops and ifs only the run decides."""

from __future__ import annotations

import contextlib
import itertools

import torch

from tests.programs.program import Programs, vec

PROGRAMS = Programs("yielding")
NUMBERS = tuple(torch.tensor(value) for value in (3.0, 0.2, 20.0, 1.5))
VECTORS = (vec(1.0, 2.0, 3.0), vec(), vec(1.0, -1.0, 100.0), vec(-2.0, 5.0, -1.0, 4.0, 3.0))
FILLED = VECTORS[:1] + VECTORS[2:]


def halves(v):
    while v > 1:
        yield v
        v = v / 2


def forever(v):
    while True:
        yield v
        v = v / 2


def until_small(v):
    while True:
        if v < 1:
            return
        yield v
        v = v / 2


def positive(x):
    for k in range(x.shape[0]):
        if x[k] > 0:
            yield x[k]


def while_of_a_size(x):
    def doubled():
        k = 0
        while k < x.shape[0]:
            yield x[k] * 2
            k += 1

    total = torch.zeros(())
    for v in doubled():
        total = total + v
    return total


PROGRAMS.add(while_of_a_size, *VECTORS)


def while_of_data(x):
    total = torch.zeros(())
    for v in halves(x):
        total = total * 2 + v
    return total


PROGRAMS.add(while_of_data, *NUMBERS)


def summed(x):
    return sum(halves(x), torch.zeros(()))


PROGRAMS.add(summed, *NUMBERS)


def listed(x):
    items = list(halves(x))
    plus = [v + 1 for v in halves(x)]
    return len(items), torch.stack(items) if items else torch.zeros(0), len(plus)


PROGRAMS.add(listed, *NUMBERS)


def left_by_a_break(x):
    total = torch.zeros(())
    for v in forever(x):
        if v < 1:
            break
        total = total + v
    return total


PROGRAMS.add(left_by_a_break, *NUMBERS)


def left_by_a_count(x):
    total = torch.zeros(())
    for k, v in enumerate(forever(x)):
        if k == 3:
            break
        total = total + v
    return total


PROGRAMS.add(left_by_a_count, *NUMBERS)


def ended_by_a_return(x):
    total = torch.zeros(())
    for v in until_small(x):
        total = total + v
    return total


PROGRAMS.add(ended_by_a_return, *NUMBERS)


def yields_in_an_if(x):
    total, count = torch.zeros(()), 0
    for v in positive(x):
        total = total + v
        count += 1
    return total, count, len(list(positive(x)))


PROGRAMS.add(yields_in_an_if, *VECTORS)


def one_of_two(x):
    yield x.sum()
    if x.sum() > 0:
        yield x.max()
    else:
        yield x.sum() * 2
    yield x.sum() + 1


def yields_on_both_paths(x):
    total = torch.zeros(())
    for v in one_of_two(x):
        total = total * 2 + v
    return total, len(list(one_of_two(x)))


PROGRAMS.add(yields_on_both_paths, *FILLED)


def from_others(x):
    yield x
    yield from halves(x)
    for v in halves(x / 2):
        yield v + 1


def yields_from_others(x):
    total = torch.zeros(())
    for v in from_others(x):
        total = total + v
    return total


PROGRAMS.add(yields_from_others, *NUMBERS)


def asked_as_a_whole(x):
    first = any(v < 2 for v in halves(x))
    return first, all(v > 1.2 for v in halves(x)), max(halves(x + 2)), min(halves(x + 2))


PROGRAMS.add(asked_as_a_whole, *NUMBERS)


class Halving:
    def __init__(self, x):
        self.x = x

    def __iter__(self):
        v = self.x
        while v > 1:
            yield v
            v = v / 2


def a_method_yields(x):
    total = torch.zeros(())
    for v in Halving(x):
        total = total + v
    return total


PROGRAMS.add(a_method_yields, *NUMBERS)


def the_first_item(x):
    later = forever(x)
    both = next(later) + next(later)
    return next(halves(x), torch.tensor(-1.0)), both


PROGRAMS.add(the_first_item, *NUMBERS)


def counted(n):
    k = 0
    while k < n:
        yield k
        k += 1


def known_counts(x):
    for k in counted(4):
        x = x + k
    a, b = counted(2)
    named = dict(zip("ab", counted(2), strict=True))
    return x + a * b, sum(counted(5)), list(counted(3)), named["b"], [*counted(2)][1]


PROGRAMS.add(known_counts, *NUMBERS)


def writes_outside(x):
    out = []

    def scaled(v, scale=2, *, bias=1):
        while v > 1:
            out.append(v)
            yield v * scale + bias
            v = v / 2
        out.append(v)

    total = x * 0
    for v in scaled(x, bias=3):
        total += v
    return total, len(out), out[-1]


PROGRAMS.add(writes_outside, *NUMBERS)


def made_of_items(x):
    doubled = sum(map(lambda v: v * 2, halves(x)), torch.zeros(()))
    large = sum((v for v in halves(x) if v > 2), torch.zeros(()))
    return doubled, large, sum(filter(lambda v: v < 2, halves(x)), torch.zeros(()))


PROGRAMS.add(made_of_items, *NUMBERS)


def in_a_branch_and_in_loops(x):
    total = x * 0
    if x > 2:
        for v in halves(x):
            total = total + v
    y = x
    while y > 0.5:
        for v in halves(y):
            if v < 2:
                continue
            total = total + v
        else:
            total = total + 10
        y = y - 1
    return total


PROGRAMS.add(in_a_branch_and_in_loops, *NUMBERS)


@contextlib.contextmanager
def one_or_two(n):
    if n > 1:
        yield n
    else:
        yield n * 2


def a_context_manager(x):
    with one_or_two(2) as k:
        return x * k


PROGRAMS.add(a_context_manager, *NUMBERS)


def tree(depth, x):
    if depth == 0:
        yield x
    else:
        yield from tree(depth - 1, x + 1)
        yield from tree(depth - 1, x - 1)


def yields_itself(x):
    return torch.stack(list(tree(2, x)))


PROGRAMS.add(yields_itself, *NUMBERS)


def while_it_holds(x):
    taken = itertools.takewhile(lambda v: v > -1, x)
    dropped = itertools.dropwhile(lambda v: v > 0, x)
    return sum(taken, torch.zeros(())), sum(dropped, torch.zeros(()))


PROGRAMS.add(while_it_holds, *VECTORS)


def used_twice(x):
    items = halves(x)
    total = x * 0
    for v in items:
        total = total + v
    for _ in items:
        total = total + 100
    return total


PROGRAMS.add(used_twice, *NUMBERS)


def used_after_a_break(x):
    items = halves(x)
    total = x * 0
    for v in items:
        total = total + v
        if total > 20:
            break
    for _ in items:
        total = total + 100
    return total


def used_after_its_first_item(x):
    items = halves(x)
    total = next(items, x)
    for v in items:
        total = total + v * 2
    return total


def used_after_a_question(x):
    items = halves(x)
    large = any(v > 2 for v in items)
    return large, sum(items, x * 0)


def used_in_a_loop_over_it(x):
    items = halves(x)
    total = x * 0
    for v in items:
        total = total + v
        for w in items:
            total = total + w * 10
    return total


def taken_from_it(x):
    items = halves(x)
    large = sum(itertools.takewhile(lambda v: v > 2, items), x * 0)
    return large, sum(items, x * 0)


for program in (
    used_after_a_break,
    used_after_its_first_item,
    used_after_a_question,
    used_in_a_loop_over_it,
    taken_from_it,
):
    PROGRAMS.add(program, *NUMBERS, expect="refuse", match="may have been used|used up before")


def its_own_iterator(x):
    total = x * 0
    for v in iter(halves(x)):
        total = total + v
    return total


PROGRAMS.add(its_own_iterator, *NUMBERS)
