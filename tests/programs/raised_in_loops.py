"""Exceptions that a condition decides on, raised or caught in loops."""

# The programs are written as users write them.

from __future__ import annotations

import contextlib

import torch

from tests.programs.program import Programs

PROGRAMS = Programs("raised_in_loops")


def rows(*values):
    """A row of each of these numbers."""
    return torch.tensor(values).reshape(-1, 1).expand(-1, 3).clone() + torch.tensor([0, 0.25, 0.5])


# No row is above 0; the first; one in the middle; the last; several; there are no rows.
CASES = (
    rows(-1.0, -2.0, -3.0),
    rows(2.0, -1.0, -3.0),
    rows(-1.0, 3.0, -2.0, -4.0),
    rows(-1.0, -2.0, 4.0),
    rows(-1.0, 5.0, 6.0, -2.0, 7.0),
    rows(-4.0),
    rows(1.0),
    rows(1.0)[:0],
)


class Stop(Exception):
    def __init__(self, row, at=0):
        super().__init__("stop")
        self.row = row
        self.at = at


def leaves_for(x):
    y = torch.zeros(3)
    try:
        for row in x:
            y = y + 1
            if row.sum() > 0:
                raise KeyError("positive")
            y = y + row
    except KeyError:
        y = y * 10
    return y


PROGRAMS.add(leaves_for, *CASES)


def with_values(x):
    y = torch.zeros(3)
    n = 0
    try:
        for k, row in enumerate(x):
            if row.sum() > 0:
                raise Stop(row * 2, k)
            y = y + row
            n = n + 1
    except Stop as stop:
        y = y + stop.row
        n = n * 100 + stop.at
    return y, n


PROGRAMS.add(with_values, *CASES)


def two_classes(x):
    y = torch.zeros(3)
    try:
        for row in x:
            if row[0] > 4:
                raise KeyError("large")
            y = y + 1
            if row[0] > 0:
                raise ValueError("positive")
            y = y + row
    except KeyError:
        y = y * 10
    except ValueError:
        y = y * 100
    return y


PROGRAMS.add(two_classes, *CASES)


def one_of_them_uncaught(x):
    y = torch.zeros(3)
    try:
        for row in x:
            if row[0] > 100:
                raise TypeError("large")
            y = y + 1
            if row[0] > 0:
                raise ValueError("positive")
    except ValueError:
        y = y * 100
    return y


PROGRAMS.add(one_of_them_uncaught, *CASES)


def leaves_while(x):
    y = torch.zeros(3)
    k = 0
    try:
        while k < x.shape[0]:
            if x[k].sum() > 0:
                raise IndexError(k)
            y = y + x[k]
            k = k + 1
    except IndexError:
        y = y * 10 + k
    return y, k


PROGRAMS.add(leaves_while, *CASES)


def while_on_data(x):
    y = x.sum(0) * 0
    try:
        while y.sum() < 10:
            y = y + 1
            if (y + x.sum()).max() > 2.5:
                raise Stop(y)
            y = y + 0.5
    except Stop as stop:
        return stop.row * 10
    return y


PROGRAMS.add(while_on_data, *CASES)


def caught_in_body(x):
    y = torch.zeros(3)
    for row in x:
        try:
            if row.sum() > 0:
                raise KeyError("positive")
            y = y + row
        except KeyError:
            y = y * 2 + 1
        else:
            y = y + 0.5
        finally:
            y = y + 0.125
    return y


PROGRAMS.add(caught_in_body, *CASES)


def continue_in_handler(x):
    y = torch.zeros(3)
    for row in x:
        try:
            if row.sum() > 0:
                raise KeyError("positive")
            y = y + row
        except KeyError:
            y = y + 100
            continue
        y = y * 2
    return y


PROGRAMS.add(continue_in_handler, *CASES)


def break_in_handler(x):
    y = torch.zeros(3)
    for row in x:
        try:
            if row.sum() > 0:
                raise KeyError("positive")
            y = y + row
        except KeyError:
            y = y + 100
            break
        y = y * 2
    else:
        y = y - 1
    return y


PROGRAMS.add(break_in_handler, *CASES)


def return_in_handler(x):
    y = torch.zeros(3)
    for row in x:
        try:
            if row.sum() > 0:
                raise Stop(row)
            y = y + row
        except Stop as stop:
            return stop.row * 7 + y
        y = y * 2
    return y


PROGRAMS.add(return_in_handler, *CASES)


def breaks_in_try(x):
    y = torch.zeros(3)
    for row in x:
        try:
            if row[0] > 4:
                break
            if row[0] > 2:
                raise KeyError
            if row[0] > 0:
                continue
            y = y + row
        except KeyError:
            y = y + 100
        finally:
            y = y + 0.5
        y = y * 2
    return y


PROGRAMS.add(breaks_in_try, *CASES)


def raises_from_call(x):
    def check(row, best):
        if row.sum() > best.sum() + 3:
            raise Stop(row)
        return torch.maximum(row, best)

    best = torch.full((3,), -2.0)
    seen = 0
    try:
        for row in x:
            best = check(row, best)
            seen = seen + 1
    except Stop as stop:
        best = best - stop.row
    return best, seen


PROGRAMS.add(raises_from_call, *CASES)


def grows_a_list(x):
    out = []
    try:
        for row in x:
            out.append(row)
            if row.sum() > 0:
                out.append(row * 2)
                raise KeyError
            out.append(row * 3)
    except KeyError:
        out.append(out[0] * 5)
    total = torch.zeros(3)
    for row in out:
        total = total * 0.5 + row
    return total, len(out)


PROGRAMS.add(grows_a_list, *CASES)


def writes_in_place(x):
    y = x.clone()
    total = torch.zeros(3)
    try:
        for k in range(x.shape[0]):
            y[k] = y[k] * 2
            total += y[k]
            if y[k].sum() > 0:
                y[k] = 0
                raise KeyError
            y[k] += 1
    except KeyError:
        total -= 1
    return y, total


PROGRAMS.add(writes_in_place, *CASES)


def nested_loops(x):
    y = torch.zeros(3)
    try:
        for row in x:
            for k in range(x.shape[0]):
                if row[0] + k > 5:
                    raise KeyError("large")
                y = y + 1
            y = y + row
    except KeyError:
        y = y * 10
    return y


PROGRAMS.add(nested_loops, *CASES)


def inner_try_in_outer_loop(x):
    y = torch.zeros(3)
    bad = 0
    for row in x:
        try:
            for other in x:
                if (row + other).sum() > 9:
                    raise KeyError("large")
                y = y + other
        except KeyError:
            bad = bad + 1
    return y, bad


PROGRAMS.add(inner_try_in_outer_loop, *CASES)


def handler_raises_again(x):
    y = torch.zeros(3)
    try:
        for row in x:
            try:
                if row[0] > 0:
                    raise KeyError
                y = y + row
            except KeyError:
                y = y + 50
                if row[0] > 4:
                    raise
    except KeyError:
        y = y * 3
    return y


PROGRAMS.add(handler_raises_again, *CASES)


def finally_in_body(x):
    y = torch.zeros(3)
    n = 0
    try:
        for row in x:
            try:
                y = y + 1
                if row[0] > 0:
                    raise KeyError
                y = y + row
            finally:
                n = n + 1
    except KeyError:
        y = y * 3
    return y, n


PROGRAMS.add(finally_in_body, *CASES)


def suppressed_in_body(x):
    y = torch.zeros(3)
    for row in x:
        with contextlib.suppress(KeyError):
            y = y + 1
            if row[0] > 0:
                raise KeyError
            y = y + row
        y = y * 2
    return y


PROGRAMS.add(suppressed_in_body, *CASES)


def suppressed_around(x):
    y = torch.zeros(3)
    with contextlib.suppress(KeyError):
        for row in x:
            y = y + 1
            if row[0] > 0:
                raise KeyError
            y = y + row
    return y * 2


PROGRAMS.add(suppressed_around, *CASES)


def else_of_loop(x):
    y = torch.zeros(3)
    try:
        for row in x:
            if row[0] > 4:
                raise KeyError
            if row[0] > 0:
                break
            y = y + row
        else:
            y = y + 1000
    except KeyError:
        y = y - 7
    return y


PROGRAMS.add(else_of_loop, *CASES)


def unrolled(x):
    y = torch.zeros(3)
    last = 0
    try:
        for k in range(3):
            y = y + k
            if x[0, k] > 0:
                raise KeyError
            last = k
    except KeyError:
        y = y * 10
    return y, last


PROGRAMS.add(
    unrolled, *CASES[:-1], torch.tensor([[-1.0, 2.0, -3.0]]), torch.tensor([[-1.0, -1.0, 3.0]])
)


def long_unrolled(x):
    y = torch.zeros(3)
    last = 0
    try:
        for k in range(40):
            y = y + x[0]
            if y.sum() > 20:
                raise KeyError
            last = k
    except KeyError:
        y = y * 10
    return y, last


PROGRAMS.add(long_unrolled, *CASES[:-1], rows(0.2, 1.0))


def searches(x):
    table = {0: x * 1, 1: x * 2}
    y = x * 0
    misses = 0
    for k in range(x.shape[0]):
        try:
            y = y + table[k]
        except KeyError:
            misses = misses + 1
    return y, misses


PROGRAMS.add(searches, *CASES)


def retries(x):
    y = x.sum(0)
    tries = 0
    while True:
        try:
            if y.sum() > 5 + tries:
                raise OverflowError
            break
        except OverflowError:
            y = y / 2
            tries = tries + 1
    return y, tries


PROGRAMS.add(retries, *CASES)


def deep_call(x):
    def third(row):
        if row[0] > 4:
            raise Stop(row)
        return row + 1

    def second(row):
        out = third(row)
        if row[1] > 3:
            raise KeyError
        return out * 2

    y = torch.zeros(3)
    for row in x:
        try:
            y = y + second(row)
        except Stop as stop:
            y = y - stop.row
        except KeyError:
            y = y - 1
    return y


PROGRAMS.add(deep_call, *CASES)


def state_of_object(x):
    class Account:
        def __init__(self):
            self.total = torch.zeros(3)
            self.log = []

        def take(self, row):
            self.log.append(row)
            if row[0] > 2:
                raise Stop(self.total)
            self.total = self.total + row
            if row[0] > 0:
                raise KeyError

    a = Account()
    bad = 0
    try:
        for row in x:
            try:
                a.take(row)
            except KeyError:
                bad = bad + 1
    except Stop as stop:
        return stop.row - a.total - 5, bad, len(a.log)
    return a.total, bad, len(a.log)


PROGRAMS.add(state_of_object, *CASES)


def uncaught_at_last(x):
    y = torch.zeros(3)
    for row in x:
        try:
            if row[0] > 100:
                raise KeyError("too large")
            y = y + row
        except ValueError:
            y = y * 1000
    return y


PROGRAMS.add(uncaught_at_last, *CASES)


def leaves_comprehension(x):
    def half(row):
        if row[0] > 2:
            raise Stop(row)
        return row / 2

    try:
        halves = [half(row) for row in x]
    except Stop as stop:
        return stop.row
    total = torch.zeros(3)
    for row in halves:
        total = total * 2 + row
    return total


PROGRAMS.add(leaves_comprehension, *CASES)


def generator_raises(x):
    def halves():
        for row in x:
            if row[0] > 2:
                raise Stop(row)
            yield row / 2

    total = torch.zeros(3)
    try:
        for row in halves():
            total = total * 2 + row
    except Stop as stop:
        total = total + stop.row
    return total


PROGRAMS.add(generator_raises, *CASES)


def body_of_generator_raises(x):
    def halves():
        for row in x:
            yield row / 2

    total = torch.zeros(3)
    try:
        for row in halves():
            total = total + 1
            if row[0] > 1:
                raise KeyError
            total = total * 2 + row
    except KeyError:
        total = total - 20
    return total


PROGRAMS.add(body_of_generator_raises, *CASES)


def text_with_number(x):
    y = torch.zeros(3)
    try:
        for k, row in enumerate(x):
            if row[0] > 0:
                raise ValueError(f"row {k} is positive")
            y = y + row
    except ValueError:
        y = y * 3
    return y


PROGRAMS.add(text_with_number, *CASES)


def finds_first(x):
    found = None
    try:
        for row in x:
            if row[0] > 0:
                found = row
                raise StopIteration
    except StopIteration:
        pass
    return torch.zeros(3) if found is None else found * 2


PROGRAMS.add(finds_first, *CASES)


def unlike_values(x):
    result = "nothing"
    try:
        for row in x:
            if row[0] > 0:
                result = row
                raise KeyError
    except KeyError:
        return result + 1
    return x.sum(0) if result == "nothing" else x.sum(0) * 100


PROGRAMS.add(unlike_values, *CASES)


def grows_while_raising(x):
    y = x[:0]
    try:
        for row in x:
            y = torch.cat([y, row[None]])
            if row[0] > 0:
                raise KeyError
    except KeyError:
        y = torch.cat([y, y])
    return y


PROGRAMS.add(grows_while_raising, *CASES)


def asserts_in_loop(x):
    n = 0
    for row in x:
        try:
            assert row[0] < 0, "positive"
            n = n + 1
        except AssertionError:
            n = n + 10
    return x * n


PROGRAMS.add(asserts_in_loop, *CASES)
