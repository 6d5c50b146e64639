"""Values that are one of several things after an if: functions, modules, text, classes, ranks."""

# The programs are written as users write them.

from __future__ import annotations

import functools

import torch
from torch import nn

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("choices")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0, -3.0)
SMALL, LARGE = vec(0.1, 0.2, 0.3), vec(5.0, 9.0)
X = rand(3, 4)
ROWS = (X, -X, rand(5, 4) + 1, rand(1, 4) - 1, X[:0].clone())


# -- text ------------------------------------------------------------------------------------------


def key_of_a_dict(x):
    key = "a"
    if x.sum() > 0:
        key = "b"
    return x * {"a": 2.0, "b": 3.0}[key]


def missing_key(x):
    key = "a" if x.sum() > 0 else "b"
    return x * {"a": 2.0}.get(key, 5.0)


def level(x):
    level = "high" if x.sum() > 5 else "mid" if x.sum() > 0 else "low"
    if level == "high":
        x = x + 1
    if level in ("low", "mid"):
        x = x * 3
    if level.startswith("h"):
        x = x - 2
    return x * len(level)


def text_put_together(x):
    side = "p" if x.sum() > 0 else "q"
    table = {"xp": 1.0, "xq": 2.0, "x-p!": 3.0, "x-q!": 4.0}
    return x * table["x" + side] * table[f"x-{side}!"]


def text_of_a_number(x):
    k = int(x.abs().sum()) % 3
    return x * {"t0": 1.0, "t1": 2.0, "t2": 3.0}[f"t{k}"]


def text_of_two_numbers(x):
    h, w = int(x.abs().sum()) % 2, int(x.abs().max()) % 2
    key = f"{h}x{w}"
    if key == "0x1":
        x = x + 10
    return x * {"0x0": 1.0, "0x1": 2.0, "1x0": 3.0, "1x1": 4.0}[key]


def text_of_a_size(x):
    return x * {"n3": 2.0, "n2": 3.0, "n1": 4.0}.get("n" + str(x.shape[0]), 1.0)


def text_of_a_flag(x):
    return x * {"True": 2.0, "False": 3.0}[f"{bool(x.sum() > 0)}"]


def number_among_texts(x):
    k = int(x.abs().sum()) % 4
    return x + 1 if f"m{k}" in ("m1", "m3") else x - 1


def number_as_a_key(x):
    k = int(x.abs().sum()) % 3
    return x * {0: 1.5, 1: 2.5, 2: -1.0}[k]


def pair_as_a_key(x):
    k = int(x.abs().sum()) % 2
    return x * {(0, "a"): 1.5, (1, "a"): 2.5, (1, "b"): 9.0}[(k, "a")]


def number_from_text(x):
    k = int(x.abs().sum()) % 4
    return x * int(f"{k}"), int("%d" % k) + 1, float(str(k - 2)), int("12"), int("ff", 16)


def letter(x):
    return x * {"p": 2.0, "q": 3.0, "r": 4.0}["pqr"[int(x.abs().sum()) % 3]]


for program in (
    text_of_a_number, text_of_two_numbers, text_of_a_size, text_of_a_flag,
):  # fmt: skip
    PROGRAMS.add(program, POS, NEG, SMALL, LARGE, scripted=False)
for program in (
    key_of_a_dict, missing_key, level, text_put_together, number_among_texts, number_as_a_key,
    pair_as_a_key, letter,
    number_from_text,
):  # fmt: skip
    PROGRAMS.add(program, POS, NEG, SMALL, LARGE)


def number_from_more_text(x):
    return x * int(f"{x.shape[0]}0")


def number_from_text_to_a_base(x):
    return x * int(f"{x.shape[0]}", 16)


def number_from_text_of_a_float(x):
    return x * float(f"{x.sum().item()}")


for program in (number_from_more_text, number_from_text_to_a_base, number_from_text_of_a_float):
    PROGRAMS.add(program, POS, NEG, LARGE, expect="refuse", match="text made of a number")


class AttributeByText(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(4, 4), nn.Linear(4, 4)
        self.layer0, self.layer1 = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        y = getattr(self, "up" if x.sum() > 0 else "down")(x)
        return getattr(self, f"layer{x.shape[0] % 2}")(y)


PROGRAMS.add(AttributeByText, *ROWS)


# -- functions, modules, classes -------------------------------------------------------------------


def a_function(x):
    f = torch.relu
    if x.sum() > 0:
        f = torch.tanh
    return f(x)


def one_in_a_list(x):
    return [torch.relu, torch.sigmoid, torch.neg][int(x.abs().sum()) % 3](x)


def none_or_one_of_two(x):
    f = None
    if x.sum() > 0:
        f = torch.exp if x.max() > 2 else torch.tanh
    return x * 2 if f is None else f(x)


def partials(x):
    if x.sum() > 0:
        f = functools.partial(torch.mul, 2.0)
    else:
        f = functools.partial(torch.add, x.mean(), alpha=3)
    return f(x)


def partials_of_one_function(x):
    f = functools.partial(torch.add, alpha=2 if x.sum() > 0 else 3)
    return f(x, x)


def lambdas(x):
    m = x.mean()
    if x.sum() > 0:
        t = m * 2
        f = lambda y: y + t
    else:
        f = lambda y: y * m
    return f(x)


def _adds(t):
    return lambda y: y + t


def closures_of_one_function(x):
    f = _adds(x.sum()) if x.sum() > 0 else _adds(x.mean() * 3)
    return f(x)


def _both(*functions):
    def inner(y):
        for f in functions:
            y = f(y)
        return y

    return inner


def function_put_before_on_one_path(x):
    f = torch.relu
    if x.sum() > 0:
        f = _both(f, _adds(x.mean()))
    return f(x)


def _counter(t):
    n = t

    def up():
        nonlocal n
        n = n + 1

    def get():
        return n

    return up, get


def closures_that_share_a_variable(x):
    up, get = _counter(x.sum()) if x.sum() > 0 else _counter(x.mean())
    up()
    up()
    return x * get()


def default_argument(x):
    if x.sum() > 0:
        t = x.sum()
        f = lambda y, t=t: y + t
    else:
        f = lambda y: y * 2
    return f(x)


def method_of_a_tensor(x):
    f = x.sum if x.sum() > 0 else x.mean
    return x - f()


class Scale:
    def __init__(self, by):
        self.by = by

    def of(self, x):
        return x * self.by


class Shift:
    def __init__(self, by, times=1):
        self.by, self.times = by, times

    def of(self, x):
        return x + self.by * self.times


def objects_of_two_classes(x):
    thing = Scale(x.mean()) if x.sum() > 0 else Shift(3)
    return thing.of(x)


def asked_for_its_class(x):
    thing = Scale(x.mean()) if x.sum() > 0 else Shift(x.max(), 2)
    if isinstance(thing, Shift):
        return x * thing.times
    return x - thing.by


def a_class(x):
    made = (Scale if x.sum() > 0 else Shift)(2.0)
    return made.of(x)


def bound_method(x):
    f = Scale(x.mean()).of if x.sum() > 0 else Shift(x.max()).of
    return f(x)


def written_on_the_object_that_it_is(x):
    a, b = Scale(1.0), Shift(1.0)
    thing = a if x.sum() > 0 else b
    thing.by = 5.0
    return a.of(x) + b.of(x)


for program in (
    a_function, one_in_a_list, none_or_one_of_two, partials, partials_of_one_function, lambdas,
    closures_of_one_function, function_put_before_on_one_path, closures_that_share_a_variable,
    default_argument, method_of_a_tensor, objects_of_two_classes, asked_for_its_class, a_class,
    bound_method, written_on_the_object_that_it_is,
):  # fmt: skip
    PROGRAMS.add(program, POS, NEG, SMALL, LARGE)


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.heads = nn.ModuleDict({"p": nn.Linear(4, 2), "q": nn.Sequential(nn.Linear(4, 2))})

    def forward(self, x):
        y = self.experts[int(x.abs().sum()) % 3](x)
        if x.shape[0] > 2:
            head = self.heads["p"]
        else:
            head = self.heads["q"]
        return head(y), self.heads["p" if y.sum() > 0 else "q"](x)


PROGRAMS.add(Experts, *ROWS)


class Method(nn.Module):
    def up(self, x):
        return x * 2

    def down(self, x):
        return x - 1

    def forward(self, x):
        f = self.up
        if x.sum() > 0:
            f = self.down
        return f(x)


PROGRAMS.add(Method, *ROWS)


# -- tensors and containers ------------------------------------------------------------------------


def ranks(x):
    y = x.sum(0) if x.sum() > 0 else x
    z = torch.relu(y * 2 + 1) - y
    z -= 1
    return z.sum(-1).mean()


def dtypes(x):
    y = x.long() if x.sum() > 0 else x
    return (y + 1).float() * y.dim()


def dtype_as_a_value(x):
    kind = torch.float64 if x.sum() > 0 else torch.float32
    return x.to(kind).sum().float()


def number_or_tensor(x):
    y = 2.5 if x.sum() > 0 else x.sum(0)
    return x - y


def tuples_of_two_lengths(x):
    parts = (x,) if x.sum() > 0 else (x, x + 1, "k")
    return sum(p for p in parts if not isinstance(p, str)) * len(parts)


def named_tuples_of_two_kinds(x):
    found = x.max(1) if x.sum() > 0 else x.min(1)
    return found.values + found.indices


def text_or_tensor_in_a_pair(x):
    pair = (x * 2, "text") if x.sum() > 0 else (x, x.sum())
    if isinstance(pair[1], str):
        return pair[0]
    return pair[0] + pair[1]


def unpacked(x):
    pair = (x, 1) if x.sum() > 0 else [x * 2, x.mean()]
    y, k = pair
    return y * k


def unpacked_with_a_star(x):
    parts = (x, 1, 2) if x.sum() > 0 else (x * 2, 5)
    first, *rest = parts
    return first * len(rest) + rest[-1]


def dicts_of_two_keys(x):
    d = {"a": x} if x.sum() > 0 else {"b": x * 2, "c": x + 1}
    total = x.sum()
    for key, value in d.items():
        total = total + value.sum() * (2 if key == "a" else 3)
    return total


def dict_given_to_a_function(x):
    options = {"dim": 0} if x.sum() > 0 else {"dim": 0, "keepdim": True}
    return x.sum(**options) + x


def compared(x):
    kind = "sum" if x.sum() > 0 else None
    if kind == "sum" and kind is not None:
        return x + 1
    return x - 1


def list_that_is_one_of_two(x):
    pos, neg = [], []
    for k in range(3):
        (pos if x[0, k] > 0 else neg).append(x[:, k])
    return torch.stack([*pos, *neg]).sum(0) * len(pos)


for program in (
    ranks, dtypes, number_or_tensor, tuples_of_two_lengths,
    named_tuples_of_two_kinds, text_or_tensor_in_a_pair, unpacked, unpacked_with_a_star,
    dicts_of_two_keys, dict_given_to_a_function, compared,
):  # fmt: skip
    PROGRAMS.add(program, *ROWS[:4])
PROGRAMS.add(list_that_is_one_of_two, *ROWS[:4])
PROGRAMS.add(dtype_as_a_value, *ROWS[:4], scripted=False)


# -- through loops ---------------------------------------------------------------------------------


def state_machine(x):
    state, n = "idle", 0
    for row in x:
        if state == "idle":
            if row.sum() > 0:
                state = "run"
        else:
            n = n + 1
            if row.max() > 1:
                state = "idle"
    if state == "run":
        n = n + 100
    return x * n


def function_that_changes(x):
    f, y = torch.relu, x.sum(0)
    for row in x:
        y = f(y) + row
        if row.sum() > 0:
            f = torch.tanh
        elif row.max() > 1:
            f = torch.neg
    return f(y)


def kind_of_the_best(x):
    best = None
    for row in x:
        if row.sum() > 0:
            best = (row, "pos") if row.max() > 1 else (row * 2, "neg", 1)
    if best is None:
        return x.sum(0)
    if best[1] == "pos":
        return best[0]
    return -best[0] * best[2]


def rank_that_changes(x):
    y = x.sum()
    for row in x:
        y = row if row.sum() > 0 else y * 2
    return y.sum()


def one_of_several_each_trip(x):
    y, k = torch.zeros(4), 0
    while y.sum() < 10:
        f = torch.abs if k % 2 == 0 else torch.relu
        y = y + f(x.abs().sum(0)) + 1
        k += 1
    return y


def picked_each_trip(x):
    y = x
    for row in x:
        y = [torch.relu, torch.sigmoid, torch.tanh, torch.abs][int(row.argmax())](y)
    return y


for program in (
    state_machine, function_that_changes, kind_of_the_best, rank_that_changes,
    one_of_several_each_trip, picked_each_trip,
):  # fmt: skip
    PROGRAMS.add(program, *ROWS)


# -- returned --------------------------------------------------------------------------------------


def none_or_a_tensor(x):
    if x.sum() > 0:
        return x * 2, x.sum(0)
    return None, x.sum(0)


def none_or_a_pair(x):
    if x.sum() > 0:
        return {"boxes": x[x > 0], "aux": (x, x + 1)}
    return {"boxes": x.sum(0), "aux": None}


def best_row(x):
    best = None
    for row in x:
        if row.sum() > 0:
            best = row
    return best, x * 2


def int_or_float(x):
    return 1 if x.sum() > 0 else 2.5


def two_dtypes(x):
    return x.long() if x.sum() > 0 else x


for program in (none_or_a_tensor, none_or_a_pair, best_row, int_or_float, two_dtypes):
    PROGRAMS.add(program, *ROWS)


# -- many of them ----------------------------------------------------------------------------------


class ManyExperts(nn.Module):
    """More than ONNX Runtime reads as ifs inside each other."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(40))

    def forward(self, x):
        k = int(x.abs().sum() * 10) % 40
        return self.experts[k](x) + self.experts[-1 - k](x)


class ExpertARow(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(11))

    def forward(self, x):
        return torch.stack([x.sum(0), *[self.experts[int(r.abs().sum() * 9) % 11](r) for r in x]])


def many_numbers(x):
    table = [k * k - 7 for k in range(33)]
    k = int(x.abs().sum() * 10) % 33
    return x * table[k]


def many_tensors(x):
    table = [x * k + 1 for k in range(20)]
    k = int(x.abs().sum() * 10) % 20
    return table[k]


def many_functions(x):
    table = [torch.relu, torch.tanh, torch.sin, torch.cos, torch.abs, torch.neg] * 3
    k = int(x.abs().sum() * 10) % 18
    f = table[k]
    if k % 6 == 0:
        return f(x), 1
    return f(x) * 2, 2


def letters(x):
    name = "abcdefghijklmnop"[int(x.abs().sum() * 10) % 16]
    return x + 1 if name in "ace" else x - 1 if name == "p" else x


MANY = tuple(rand(3, 4, seed=k) for k in range(12))
for program in (ManyExperts, ExpertARow, many_numbers, many_tensors, many_functions):
    PROGRAMS.add(program, *MANY, rand(5, 4), rand(1, 4), scripted=False)
PROGRAMS.add(letters, *MANY, scripted=False)


def rank_by_path(x, w):
    boxes = x.reshape(-1, 2, 2) if w.sum() > 0 else x
    left, right = boxes[..., :1], boxes[..., 1:2]
    both = torch.stack((left.clamp(min=0), right * 2), dim=boxes.dim())
    return both.reshape(boxes.shape).reshape(-1, 2).sum(0)


PROGRAMS.add(
    rank_by_path,
    (rand(4, 2, seed=1), rand(3, seed=2)),
    (rand(6, 2, seed=3), -rand(3, seed=2)),
    (rand(2, 2, seed=4), -torch.ones(3)),
    (rand(8, 2, seed=4), torch.ones(3)),
    scripted=False,  # in TorchScript a shape is a list, of a length that the path decides
)
