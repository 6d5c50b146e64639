"""Exceptions that a condition decides on, where what came before or after them is easily lost."""

# The programs are written as users write them.
# ruff: noqa: F841, TRY

from __future__ import annotations

import contextlib
import dataclasses
import math

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("raised_pitfalls")
ROWS = (rand(3, 4) + 1, rand(3, 4) - 2, rand(1, 4) + 2, rand(5, 4) - 2)
SIGNS = tuple(torch.tensor([[a, b, 1.0, 2.0]]) for a in (1.0, -1.0) for b in (1.0, -1.0))
NUMBERS = tuple(torch.full((2, 4), float(k)) for k in (0, 1, 2, 5, -1, -3))


@dataclasses.dataclass
class Rich(Exception):
    value: torch.Tensor
    note: str = "none"


class Odd(Exception):
    def __init__(self, a, *, b):
        super().__init__()
        self.pair = (a, b)


def nonlocal_after_site(x):
    n = 0

    def step(v):
        nonlocal n
        n = n + 1
        if v.sum() > 0:
            raise KeyError
        n = n + 10

    try:
        step(x)
        n = n + 100
    except KeyError:
        n = n + 1000
    return x + n


PROGRAMS.add(nonlocal_after_site, *ROWS)

TOTAL = 0


def global_after_site(x):
    global TOTAL
    TOTAL = 1

    def step(v):
        global TOTAL
        if v.sum() > 0:
            raise KeyError
        TOTAL = TOTAL + 10

    try:
        step(x)
        TOTAL = TOTAL + 100
    except KeyError:
        TOTAL = TOTAL + 1000
    return x + TOTAL


PROGRAMS.add(global_after_site, *ROWS)


def list_touched_before(x):
    items = [x[0], x[0] * 2]
    try:
        items.append(x[0] * 3)
        if x.sum() > 0:
            raise KeyError
        items[0] = x[0] * 100
        items.append(x[0] * 4)
    except KeyError:
        items[1] = x[0] * 50
    return items[0] + items[1] + items[-1], len(items)


PROGRAMS.add(list_touched_before, *ROWS)


def tensor_touched_before(x):
    y = x.clone()
    y[0] = 1
    try:
        y[0] = y[0] + 1
        if x.sum() > 0:
            raise KeyError
        y[0] = y[0] * 10
    except KeyError:
        y[0] = y[0] - 5
    return y


PROGRAMS.add(tensor_touched_before, *ROWS)


def view_and_base(x):
    y = x.clone()
    v = y.view(-1)
    try:
        v[0] = 3
        if x.sum() > 0:
            y.mul_(2)
            raise KeyError
        y.add_(5)
        v[1] = 7
    except KeyError:
        v[2] = y[0, 0] + 1
    return y, v * 1


PROGRAMS.add(view_and_base, *ROWS)


def swapped(x):
    a, b = x * 1, x * 2
    try:
        a, b = b, a
        if x.sum() > 0:
            raise KeyError
        a, b = b, a + 1
    except KeyError:
        a = a - b
    return a, b


PROGRAMS.add(swapped, *ROWS)


def aliased_in_handler(x):
    y = x.clone()
    other = y
    try:
        if x.sum() > 0:
            other = x * 3
            raise KeyError
        other = y
    except KeyError:
        y = other
    y = y + 1
    return y, other


PROGRAMS.add(aliased_in_handler, *ROWS)


def iterator_before(x):
    it = iter([x[0], x[0] * 2, x[0] * 3])
    y = next(it)
    try:
        y = y + next(it)
        if x.sum() > 0:
            raise KeyError
        y = y + next(it)
    except KeyError:
        y = y * 100
    return y


PROGRAMS.add(iterator_before, *ROWS)


def iterator_in_handler(x):
    it = iter([x[0], x[0] * 2, x[0] * 3])
    y = next(it)
    try:
        y = y + next(it)
        if x.sum() > 0:
            raise KeyError
        y = y - next(it)
    except KeyError:
        y = y * 100 + next(it)
    return y


PROGRAMS.add(iterator_in_handler, *ROWS, expect="either")


def iterator_of_loop_in_handler(x):
    it = iter([x[0], x[0] * 2, x[0] * 3])
    y = x[0] * 0
    try:
        for v in it:
            y = y + v
            if y.sum() > 2:
                raise KeyError
    except KeyError:
        for v in it:
            y = y - v * 10
    return y


PROGRAMS.add(iterator_of_loop_in_handler, *ROWS, expect="either")


def generator_after_raise(x):
    def make():
        yield x[0]
        if x.sum() > 0:
            raise KeyError
        yield x[0] * 5

    it = make()
    y = next(it)
    try:
        y = y + next(it)
    except KeyError:
        y = y + next(it, x[0] * 1000)
    return y


PROGRAMS.add(generator_after_raise, *ROWS, expect="either")


def rich(x):
    try:
        if x[0, 0] > 0:
            raise Rich(x * 2, note="first")
        if x[0, 1] > 0:
            raise Rich(x * 3)
        return x
    except Rich as error:
        return error.value + (1 if error.note == "first" else 2)


PROGRAMS.add(rich, *SIGNS)


def odd(x):
    try:
        if x[0, 0] > 0:
            raise Odd(x, b=3)
        if x[0, 1] > 0:
            raise Odd(x * 2, b=4)
        return x
    except Odd as error:
        a, b = error.pair
        return a * b


PROGRAMS.add(odd, *SIGNS)


def kept_in_list(x):
    errors = []
    for k in range(3):
        try:
            if x[0, k] > 0:
                raise Rich(x[0] * (k + 1))
        except Rich as error:
            errors.append(error)
    total = x[0] * 0
    for error in errors:
        total = total * 2 + error.value
    return total, len(errors)


PROGRAMS.add(kept_in_list, *SIGNS, expect="either")


def raised_later(x):
    failure = None
    y = x * 1
    try:
        if x[0, 0] > 0:
            raise Rich(x * 2)
        y = y + 1
    except Rich as error:
        failure = error
    y = y * 2
    try:
        if failure is not None:
            raise failure
        y = y + 3
    except Rich as error:
        y = y + error.value
    return y


PROGRAMS.add(raised_later, *SIGNS)


def exception_name_is_gone(x):
    error = x * 5
    try:
        if x.sum() > 0:
            raise KeyError
    except KeyError as error:
        y = x * 2
    else:
        y = x
    try:
        return y + error
    except NameError:
        return y - 1


PROGRAMS.add(exception_name_is_gone, *ROWS)


def no_grad_between(x):
    y = x * 1
    try:
        with torch.no_grad():
            y = y + 1
            if x.sum() > 0:
                raise KeyError
            y = y * 2
        y = y - 3
    except KeyError:
        y = y * 10
    return y


PROGRAMS.add(no_grad_between, *ROWS)


class Mode:
    level = 0

    def __enter__(self):
        Mode.level = Mode.level + 1
        return self

    def __exit__(self, *error):
        Mode.level = Mode.level - 1


def state_of_class(x):
    y = x * 1
    try:
        with Mode():
            y = y + Mode.level
            if x.sum() > 0:
                raise KeyError
            y = y + 10 * Mode.level
    except KeyError:
        y = y * 3 + Mode.level
    return y + Mode.level * 100


PROGRAMS.add(state_of_class, *ROWS)


def return_in_suppress(x):
    def f(v):
        with contextlib.suppress(KeyError):
            if v[0, 0] > 0:
                raise KeyError
            if v[0, 1] > 0:
                return v * 2
            v = v + 1
        return v * 3

    return f(x) + f(x - 0.5)


PROGRAMS.add(return_in_suppress, *SIGNS, SIGNS[0] * 0.25)


def try_in_ifs(x):
    y = x * 1
    if x[0, 0] > 0:
        try:
            if x[0, 1] > 0:
                raise KeyError
            y = y + 1
        except KeyError:
            y = y * 2
    else:
        try:
            y = y + 3
            if x[0, 1] > 0:
                raise ValueError
        except ValueError:
            y = y * 4
        y = y + 5
    return y


PROGRAMS.add(try_in_ifs, *SIGNS)


def conditions_known_after(x):
    y = x * 1
    ok = True
    try:
        if x.sum() > 0:
            raise KeyError
    except KeyError:
        ok = False
    if ok:
        y = y + 1
    else:
        y = y * 2
    return y, ok


PROGRAMS.add(conditions_known_after, *ROWS)


def remove_from_dict(x):
    d = {"a": x}
    if x[0, 0] > 0:
        d["b"] = x * 2
    try:
        y = d.pop("b") + 1
    except KeyError:
        y = x - 1
    try:
        del d["b"]
        y = y * 1000
    except KeyError:
        y = y * 3
    return y, len(d)


PROGRAMS.add(remove_from_dict, *SIGNS)


def list_remove(x):
    k = int(x[0, 0])
    items = [0, 2, 5]
    try:
        place = items.index(k)
    except ValueError:
        place = -1
    try:
        items.remove(k)
    except ValueError:
        place = place - 10
    return x + place, len(items)


PROGRAMS.add(list_remove, *NUMBERS, expect="either")


def math_domain(x):
    v = float(x[0, 0])
    try:
        r = math.sqrt(v)
    except ValueError:
        r = -1.0
    try:
        q = math.log(v)
    except ValueError:
        q = -2.0
    return x * r + q


PROGRAMS.add(math_domain, *NUMBERS)


def math_more(x):
    v = float(x[0, 0])
    try:
        r = math.acos(v)
    except ValueError:
        r = -1.0
    return x * r


PROGRAMS.add(math_more, *NUMBERS)


def not_a_number(x):
    v = (x[0, 0] / x[0, 1]).item()
    try:
        k = int(v)
    except ValueError:
        k = -1
    except OverflowError:
        k = -2
    return x + k


PROGRAMS.add(
    not_a_number,
    torch.tensor([[6.0, 2.0]]),
    torch.tensor([[0.0, 0.0]]),
    torch.tensor([[1.0, 0.0]]),
    torch.tensor([[-1.0, 0.0]]),
)


def modulo(x):
    n, m = int(x[0, 0]), x.shape[0]
    try:
        k = m % n
        k = k + m // (n - 1)
    except ZeroDivisionError:
        k = 77
    return x + k


PROGRAMS.add(modulo, *NUMBERS)


def augmented_division(x):
    n = int(x[0, 0])
    k = 100
    try:
        k //= n
        k /= n - 1
    except ZeroDivisionError:
        k = k + 0.5
    return x + k


PROGRAMS.add(augmented_division, *NUMBERS, expect="either")


def rows_of_tensor(x):
    k = int(x[0, 0])
    try:
        y = x[k] * 2
    except IndexError:
        y = x[0] - 1
    return y


PROGRAMS.add(rows_of_tensor, *NUMBERS)


def write_outside(x):
    k = int(x[0, 0])
    y = x.clone()
    try:
        y[0, 0] = 50
        y[k, 1] = 100
        y[0, 2] = 70
    except IndexError:
        y[0, 0] = 9
    return y


PROGRAMS.add(write_outside, *NUMBERS)


def chained_lookups(x):
    first = {0: "a", 1: "b", 5: "missing"}
    second = {"a": x * 1, "b": x * 2}
    k = int(x[0, 0])
    try:
        name = first[k]
        y = second[name]
    except KeyError:
        y = x * 0
    return y


PROGRAMS.add(chained_lookups, *NUMBERS)


def key_of_error(x):
    table = {0: x * 1, 1: x * 2}
    k = int(x[0, 0])
    try:
        y = table[k]
    except KeyError as error:
        y = x * error.args[0]
    return y


PROGRAMS.add(key_of_error, *NUMBERS, expect="either")


def deep_finally(x):
    log = []
    y = x * 1
    try:
        try:
            try:
                if x[0, 0] > 0:
                    raise KeyError
                log.append(1)
            finally:
                log.append(2)
                y = y + 1
            log.append(3)
        finally:
            log.append(4)
            y = y * 2
            if x[0, 1] > 0:
                raise ValueError
        log.append(5)
    except KeyError:
        log.append(6)
    except ValueError:
        log.append(7)
    return y, sum(log), len(log)


PROGRAMS.add(deep_finally, *SIGNS)


def finally_returns_flag(x):
    done = False
    y = x * 1
    try:
        if x[0, 0] > 0:
            raise KeyError
        if x[0, 1] > 0:
            return y * 9
        y = y + 1
    except KeyError:
        y = y + 2
    finally:
        done = True
    return y * (2 if done else 3)


PROGRAMS.add(finally_returns_flag, *SIGNS)


def recursion(x):
    def go(v, depth):
        if depth == 0:
            if v.sum() > 0:
                raise Rich(v)
            return v
        try:
            return go(v + 1, depth - 1) * 2
        except Rich as error:
            if error.value[0, 0] > 3:
                raise
            return error.value * 3

    try:
        return go(x, 3)
    except Rich as error:
        return error.value - 100


PROGRAMS.add(recursion, *ROWS, torch.full((2, 4), -4.0), torch.full((1, 4), 5.0))


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(4, 4)
        self.calls = 0

    def forward(self, x):
        self.calls = self.calls + 1
        y = self.lin(x)
        if y.sum() > 0.5:
            raise Rich(y)
        return y * 2


class Stack(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([Layer(), Layer()])

    def forward(self, x):
        for layer in self.layers:
            layer.calls = 0
        try:
            for layer in self.layers:
                x = layer(x)
        except Rich as error:
            x = error.value - 1
        return x + self.layers[0].calls + 10 * self.layers[1].calls


PROGRAMS.add(Stack, *ROWS, expect="either")


def hidden_in_any(x):
    def positive(row):
        if row[0] > 1.5:
            raise KeyError
        return row.sum() > 0

    try:
        found = any(positive(row) for row in x)
    except KeyError:
        return x * 100
    return x + 1 if found else x - 1


PROGRAMS.add(hidden_in_any, *ROWS)


def key_of_sort(x):
    def key(k):
        if x[0, k] > 1.5:
            raise KeyError
        return -k

    try:
        order = sorted([0, 1, 2], key=key)
    except KeyError:
        order = [2, 0, 1]
    return x[0, order[0]] + 10 * x[0, order[1]]


PROGRAMS.add(key_of_sort, *ROWS, expect="either")


class Guarded:
    def __init__(self, value):
        self.value = value

    def __getitem__(self, k):
        if self.value[0, k] > 0:
            raise IndexError(k)
        return self.value[0, k] * 2

    @property
    def checked(self):
        if self.value.sum() > 0:
            raise ValueError("positive")
        return self.value

    def __add__(self, other):
        if self.value.max() > 1:
            raise TypeError
        return self.value + other


def special_methods(x):
    g = Guarded(x)
    y = x * 0
    try:
        y = y + g[0]
        y = y + g[1]
    except IndexError:
        y = y - 1
    try:
        y = y + g.checked
    except ValueError:
        y = y - 2
    try:
        y = y + (g + 5)
    except TypeError:
        y = y - 3
    return y


PROGRAMS.add(special_methods, *ROWS, *SIGNS)


def optional_of_maybe(x, scale=None):
    v = {}
    if x.sum() > 0:
        v["s"] = x.mean()
    try:
        s = v["s"]
        if s > 1.5:
            raise OverflowError
    except LookupError:
        s = x.min()
    except ArithmeticError:
        s = x.max()
    return x * s


PROGRAMS.add(optional_of_maybe, *ROWS)


def unequal_results(x):
    def f(v):
        try:
            if v[0, 0] > 0:
                raise KeyError
            return v, 1
        except KeyError:
            return v[0]

    r = f(x)
    if isinstance(r, tuple):
        return r[0].sum() + r[1]
    return r.sum() * 2


PROGRAMS.add(unequal_results, *SIGNS)


def while_true_until_error(x):
    items = [x[0], x[0] * 2]
    total = x[0] * 0
    k = 0
    try:
        while True:
            total = total + items[k]
            k = k + 1
    except IndexError:
        total = total * 2
    return total, k


PROGRAMS.add(while_true_until_error, *ROWS)


def dynamic_until_error(x):
    total = x[0] * 0
    k = 0
    try:
        while True:
            total = total + x[k]
            k = k + 1
    except IndexError:
        total = total * 2
    return total, k


PROGRAMS.add(dynamic_until_error, *ROWS)


@torch.jit.script
def _scripted(x):
    if bool(x.sum() > 0):
        raise ValueError("positive")
    return x + 1


def raised_by_torchscript(x):
    try:
        return _scripted(x)
    except ValueError:
        return x * 2
    except torch.jit.Error:
        return x * 3


PROGRAMS.add(raised_by_torchscript, *ROWS, expect="refuse")


def raised_by_the_test(x):
    def going(k):
        if x[0, 0] > k:
            raise KeyError(k)
        return k < x.shape[0] + 2

    k = -2
    y = x[0] * 0
    try:
        while going(k):
            y = y + x[0]
            k = k + 1
    except KeyError:
        y = y * 100
    return y, k


PROGRAMS.add(raised_by_the_test, *ROWS, *NUMBERS)


def raised_on_data_by_the_test(x):
    def going(y):
        if y.sum() > 20:
            raise KeyError
        return y.max() < 7

    y = x.sum(0) * 0.1
    try:
        while going(y):
            y = y + x.abs().sum(0) + 0.5
    except KeyError:
        y = y * 100
    return y


PROGRAMS.add(raised_on_data_by_the_test, *ROWS)


def raised_in_logic(x):
    def check(v):
        if v > 1.5:
            raise KeyError
        return v > 0

    y = x * 1
    try:
        if (x[0, 0] > -1.5 and check(x[0, 1])) or check(x[0, 2]):
            y = y + 1
        elif check(x[0, 3]):
            y = y + 2
    except KeyError:
        y = y * 3
    return y


PROGRAMS.add(raised_in_logic, *ROWS, *SIGNS)


def raised_in_arguments(x):
    def check(v):
        if v > 1.5:
            raise KeyError
        return v * 2

    log = []

    def note(v):
        log.append(v)
        return v

    try:
        y = note(x[0, 0]) + check(x[0, 1]) * note(check(x[0, 2]))
    except KeyError:
        y = x[0, 0] * 0
    for v in log:
        y = y * 2 + v
    return y, len(log)


PROGRAMS.add(raised_in_arguments, *ROWS, *SIGNS)


def long_loop_of_two(x):
    y = x[0] * 0
    try:
        for k in range(40):
            y = y + x[0]
            if y.sum() > 20:
                raise KeyError(k)
            if y.sum() < -20:
                raise ValueError(k)
    except KeyError as error:
        y = y * 10 + error.args[0]
    except ValueError as error:
        y = y * 100 + error.args[0]
    return y


PROGRAMS.add(long_loop_of_two, *ROWS, rand(2, 4) * 0.01)


def long_loop_of_branches(x):
    y = x[0] * 0
    n = 0
    for k in range(20):
        try:
            if y.sum() > k:
                y = y - 2
                raise KeyError(k)
            y = y + x[0]
        except KeyError as error:
            n = n + error.args[0]
    return y, n


PROGRAMS.add(long_loop_of_branches, *ROWS)


def generator_with_try(x):
    def parts():
        try:
            yield x * 1
            if x.sum() > 0:
                yield x * 2
        finally:
            pass

    y = x * 0
    for part in parts():
        y = y + part
    return y


PROGRAMS.add(generator_with_try, *ROWS, expect="either")


def too_many(x):
    y = x[0] * 0

    def step(v, k):
        if v.sum() > k:
            raise KeyError
        return v + 1

    try:
        for k in "abcdefghijklmnopqrstuvwxyz":
            y = step(y, ord(k))
    except KeyError:
        y = y * 2
    return y


PROGRAMS.add(too_many, *ROWS, expect="refuse", match="more than 24 lines")


class Parser:
    class Error(Exception):
        pass

    errors = (KeyError, Error)

    def __init__(self, x):
        try:
            self.scale = self.read(x)
        except self.Error:
            self.scale = x.min()

    def read(self, x):
        if x.max() > 2:
            raise self.Error
        return x.max()

    def use(self, x):
        try:
            if x[0, 0] > 1:
                raise self.Error
            if x[0, 1] > 1:
                raise KeyError
            y = x + self.scale
        except self.errors as error:
            y = x - (1 if isinstance(error, KeyError) else 2)
        return y


def classes_of_attributes(x):
    return Parser(x).use(x)


PROGRAMS.add(classes_of_attributes, *ROWS, *SIGNS)


def through_partial(x):
    def step(v, limit):
        if v.sum() > limit:
            raise Rich(v)
        return v + limit

    calls = [lambda v: step(v, 1.0), lambda v: step(v, 2.0)]
    y = x[0]
    seen = 0
    for call in calls:
        try:
            y = call(y)
        except Rich as error:
            y = error.value * 0.5
            seen = seen + 1
    return y, seen


PROGRAMS.add(through_partial, *ROWS)


def in_conditional_expression(x):
    def check(v):
        if v > 1.2:
            raise KeyError
        return v

    try:
        y = check(x[0, 0]) if x[0, 1] > 0 else check(x[0, 2]) * 2
    except KeyError:
        y = x[0, 3] * 10
    return y


PROGRAMS.add(in_conditional_expression, *ROWS, *SIGNS)


def caches_what_it_computes(x):
    cache = {}

    def get(name):
        try:
            return cache[name]
        except KeyError:
            cache[name] = x.sum() * len(name)
            return cache[name]

    a = get("a")
    if x[0, 0] > 0:
        a = a + get("bb")
    return a + get("bb") + len(cache)


PROGRAMS.add(caches_what_it_computes, *ROWS)


def class_of_a_variable(x):
    kinds = [KeyError, ValueError]
    wanted = kinds[0]
    y = x * 1
    try:
        try:
            if x[0, 0] > 0:
                raise ValueError
            if x[0, 1] > 0:
                raise KeyError
        except wanted:
            y = y + 1
    except kinds[1]:
        y = y + 2
    return y


PROGRAMS.add(class_of_a_variable, *SIGNS)
