"""Comprehensions, generators, closures and calls around tensors."""

from __future__ import annotations

import functools
import itertools

import torch
from torch import nn

from tests.programs.program import Programs, rand, vec

try:
    import surely_not_installed_package as optional_package
except ImportError:
    optional_package = None

PROGRAMS = Programs("python_calls")
POS, NEG, MIX = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0), vec(0.5, -0.25, 1.0, 7.0)
X1, X3, X5 = (rand(n, 4, seed=n) for n in (1, 3, 5))
EPSILON = 1e-3
LIMITS = {"low": -1.0, "high": 1.5}


def list_comprehension(x):
    parts = [x[:, i] * i for i in range(4) if i != 2]
    total = sum(parts)
    return total if total.sum() > 0 else -total


PROGRAMS.add(list_comprehension, X3.abs(), -X5.abs(), X1)


def comprehension_with_branch(x):
    parts = [p.sum() if p.mean() > 0 else p.prod() for p in (x, -x, x + 1)]
    return torch.stack(parts)


PROGRAMS.add(comprehension_with_branch, POS, NEG, MIX)


def dict_comprehension(x):
    table = {name: x * k for k, name in enumerate("abc")}
    return table["b"] + table["c"] if x.sum() > 0 else table["a"]


PROGRAMS.add(dict_comprehension, POS, NEG)


def generator_function(x):
    def scaled():
        for k in (1, 2, 3):
            yield x * k

    total = torch.zeros_like(x)
    for part in scaled():
        if part.sum() > 2:
            total = total + part
    return total


PROGRAMS.add(generator_function, POS, NEG, vec(0.5, 0.5))


def generator_expression(x):
    return sum(x[..., k] * 2**k for k in range(3)) + max(v for v in (0.5, 1.5))


PROGRAMS.add(generator_expression, X3, X1, X5)


def map_and_filter(x):
    parts = list(map(lambda k: x * k, filter(lambda k: k % 2, range(5))))
    a, b = parts
    return a + b if x.sum() > 0 else a - b


PROGRAMS.add(map_and_filter, POS, NEG)


def zip_longest_and_product(x):
    total = x.new_zeros(())
    for i, j in itertools.product(range(2), range(2)):
        if x[i] > x[j]:
            total = total + x[i] * (j + 1)
    return total


PROGRAMS.add(zip_longest_and_product, POS, NEG, MIX)


def sorted_static_keys(x):
    table = {"b": 2.0, "a": 1.0, "c": -3.0}
    for key in sorted(table):
        if x.sum() > table[key]:
            x = x + table[key]
    return x


PROGRAMS.add(sorted_static_keys, POS, NEG, vec(1.5))


def fstring_for_lookup(x):
    total = x
    weights = {"w0": 2.0, "w1": 3.0}
    for k in range(2):
        if total.sum() > 0:
            total = total - weights[f"w{k}"]
    return total


PROGRAMS.add(fstring_for_lookup, POS, NEG, vec(9.0))


def nonlocal_state(x):
    count = 0

    def note(value):
        nonlocal count
        if value.sum() > 0:
            count += 1
        return value * count

    y = note(x) + note(-x) + note(x + 5)
    return y, count


PROGRAMS.add(nonlocal_state, POS, NEG, MIX)


def closure_over_loop_variable(x):
    functions = []
    for k in range(3):
        functions.append(lambda v, k=k: v * k + 1)
    for function in functions:
        x = function(x) if x.sum() < 10 else x
    return x


PROGRAMS.add(closure_over_loop_variable, POS, NEG, vec(50.0))


def late_binding_closure(x):
    functions = [lambda v: v + k for k in range(3)]
    return functions[0](x) if x.sum() > 0 else functions[2](x) * 2


PROGRAMS.add(late_binding_closure, POS, NEG)


def partial_and_reduce(x):
    def step(a, b, *, rate):
        return a * rate + b if b.sum() > 0 else a

    fold = functools.partial(step, rate=0.5)
    return functools.reduce(fold, [x, x + 1, -x])


PROGRAMS.add(partial_and_reduce, POS, NEG, MIX)


def isinstance_dispatch(x):
    def total(value):
        if isinstance(value, torch.Tensor):
            return value.sum()
        if isinstance(value, (list, tuple)):
            return sum(total(v) for v in value)
        return value

    t = total([x, (x * 2, 3), 0.5])
    return t if t > 5 else t - 1


PROGRAMS.add(isinstance_dispatch, POS, NEG)


def hasattr_getattr(x):
    act = getattr(torch, "tanh") if hasattr(torch, "tanh") else torch.relu
    method = "abs" if x.shape[0] >= 0 else "neg"
    y = getattr(x, method)()
    return act(y) if y.sum() > 3 else y


PROGRAMS.add(hasattr_getattr, POS, vec(0.5), NEG)


def delete_and_rebind(x):
    y = x * 2
    if x.sum() > 0:
        z = y
        del y
        y = z + 1
    return y


PROGRAMS.add(delete_and_rebind, POS, NEG)


def augmented_assignments(x):
    a = x
    a = a + 0
    n = 1
    if x.sum() > 0:
        n += 2
        n *= 3
        n -= 1
        n //= 2
        n **= 2
        n %= 7
    return a * n


PROGRAMS.add(augmented_assignments, POS, NEG)


def chained_assignment(x):
    a = b = c = x * 2
    if x.sum() > 0:
        b = c + 1
    (d, e), f = (a, b), c
    return d + e - f


PROGRAMS.add(chained_assignment, POS, NEG)


def annotated_assignment(x: torch.Tensor) -> torch.Tensor:
    y: torch.Tensor = x * 2
    count: int = 0
    while count < x.shape[0]:
        step: float = 0.5
        y = y + step
        count += 1
    return y


PROGRAMS.add(annotated_assignment, POS, NEG, vec())


def docstring_and_print(x):
    """A docstring, a comment, prints and a lambda on one line."""
    if x.sum() > 0:  # positive
        print("positive branch")
        f = lambda v: v * 2
    else:
        f = torch.neg
    return f(x)


PROGRAMS.add(docstring_and_print, POS, NEG, expect="either")


def ternary_chain_of_functions(x):
    f = torch.sin if x.dim() == 1 else torch.cos
    g = (lambda v: v + 1) if x.dtype == torch.float32 else (lambda v: v)
    return g(f(x)) if x.sum() > 0 else f(g(x))


PROGRAMS.add(ternary_chain_of_functions, POS, NEG)


def long_boolean_expression(x):
    n = x.shape[0]
    ok = x.sum() > 0 and n > 1 and (x.max() > 2 or x.min() < -1) and not torch.isnan(x).any()
    return x * 2 if ok else x


PROGRAMS.add(long_boolean_expression, POS, NEG, vec(5.0), vec(1.0, 0.5))


def value_of_and_or(x):
    n = x.shape[0] or 5
    m = (x.shape[0] > 2 and 10) or 20
    return x.sum() + n, m


PROGRAMS.add(value_of_and_or, POS, NEG, vec())


class CallsItself(nn.Module):
    """Python recursion with a static depth."""

    def __init__(self, depth=3):
        super().__init__()
        self.scale = depth * 0.5
        self.inner = CallsItself(depth - 1) if depth > 0 else None

    def forward(self, x):
        if self.inner is None:
            return x
        if x.sum() > 0:
            return self.inner(x - self.scale)
        return self.inner(x * 2) + 1


PROGRAMS.add(CallsItself, POS, NEG, vec(0.75), MIX)


def recursive_pyramid(x, depth=3):
    if depth == 0:
        return x
    smaller = recursive_pyramid(x[..., ::2], depth - 1)
    return smaller + 1 if x.sum() > 0 else smaller - 1


PROGRAMS.add(recursive_pyramid, X3, rand(2, 9), -X5.abs())


def early_global_lookup_in_loop(x):
    for name, limit in LIMITS.items():
        if name.startswith("h") and x.max() > limit:
            x = x.clamp(max=limit)
        elif x.min() < limit:
            x = x + 0.5
    return x


PROGRAMS.add(early_global_lookup_in_loop, POS, NEG, MIX)


def division_of_numbers_by_pytorch(x):
    n = torch.div(x.shape[0], 2, rounding_mode="trunc") - 1
    return x[: int(n) + 1].sum(0), n + x.mean()


PROGRAMS.add(division_of_numbers_by_pytorch, rand(5, 4), rand(2, 4), rand(8, 4))
