"""Lists of dynamic length with items of several kinds: ranks, dtypes, text, functions, classes."""

# The programs are written as users write them.

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("mixed_lists")
ROWS = (
    rand(3, 4), -rand(3, 4).abs(), rand(1, 4), rand(5, 4) + 1, rand(6, 4) - 1, rand(4, 4)[:0],
)  # fmt: skip


def ranks(x):
    items = []
    for row in x:
        if row.sum() > 0:
            items.append(row)
        else:
            items.append(row.sum())
    total = x.sum(0)
    for item in items:
        if item.dim() == 1:
            total = total + item * 2
        else:
            total = total - item
    return total, len(items)


def dtypes(x):
    items = [row > 0 if row.sum() > 0 else row for row in x]
    total = x.sum(0)
    for item in items:
        total = (
            total + torch.where(item > 0, 1.0, 2.0) if item.dtype == torch.float32 else total * item
        )
    return total


def texts(x):
    names = []
    for row in x:
        names.append("up" if row.sum() > 0 else "down")
    total = x.sum(0)
    for k, name in enumerate(names):
        total = total + (k + 1 if name == "up" else -k)
    return total


def functions(x):
    fs = []
    for row in x:
        fs.append(torch.relu if row.sum() > 0 else torch.tanh)
    total = x.sum(0)
    for f in fs:
        total = f(total) + 0.5
    return total


def closures(x):
    fs = [torch.relu]
    for row in x:
        if row.sum() > 0:
            fs.append(lambda v, r=row: v * r)
        else:
            fs.append(lambda v, r=row: v + r)
    total = x.sum(0)
    for f in fs:
        total = f(total)
    return total


class A:
    def __init__(self, v):
        self.v = v

    def use(self, t):
        return t + self.v


class B:
    def __init__(self, w):
        self.w = w

    def use(self, t):
        return t * self.w


def objects(x):
    items = []
    for row in x:
        if row.sum() > 0:
            items.append(A(row))
        else:
            items.append(B(row.sum()))
    total = x.sum(0)
    for item in items:
        total = item.use(total)
    return total


def stack_machine(x):
    stack = []
    for row in x:
        if row.sum() > 0 or len(stack) < 1:
            stack.append((row, "leaf"))
        else:
            top, kind = stack.pop()
            stack.append((top * 2 if kind == "leaf" else top + 1, "node"))
    out = x.sum(0)
    for t, kind in stack:
        out = out + (t if kind == "leaf" else -t)
    return out


def tokens(x):
    out = []
    for row in x:
        k = int(row.sum())
        if k > 0:
            out.append(k)
        else:
            out.append("none")
    n = 0
    for t in out:
        if isinstance(t, str):
            n = n - 1
        else:
            n = n + t
    return x.sum() + n


def with_none(x):
    out = []
    for row in x:
        if row.sum() > 1:
            out.append(None)
        elif row.sum() > 0:
            out.append(row)
        else:
            out.append(row.sum())
    total = x.sum(0)
    for t in out:
        if t is None:
            total = total + 100
        elif t.dim() == 0:
            total = total + t
        else:
            total = total * t
    return total


def tuple_lengths(x):
    out = []
    for row in x:
        out.append((row,) if row.sum() > 0 else (row, "extra"))
    total = x.sum(0)
    for t in out:
        total = total + t[0] * len(t)
    return total


def pop_and_index(x):
    out = [x.sum()]
    for row in x:
        out.append(row if row.sum() > 0 else row.sum())
    last = out.pop()
    first = out[0] if len(out) else last
    if len(out) > 1:
        mid = out[1]
        return last.sum() + first.sum() + mid.sum()
    return last.sum() + first.sum()


def changed_item(x):
    out = []
    for row in x:
        out.append(row * 1 if row.sum() > 0 else row.sum())
    for t in out:
        t.add_(1)
    total = x.sum(0)
    for t in out:
        total = total + t
    return total


def changed_object(x):
    out = []
    for row in x:
        out.append(A(row) if row.sum() > 0 else B(row.sum()))
    for o in out:
        if isinstance(o, A):
            o.v = o.v + 1
    total = x.sum(0)
    for o in out:
        total = o.use(total)
    return total


def set_item(x):
    out = [row for row in x]
    for k in range(len(out)):
        if out[k].sum() < 0:
            out[k] = out[k].sum()
    total = x.sum(0)
    for t in out:
        total = total + t * t.dim()
    return total


def in_a_branch(x):
    out = [x.sum(0)]
    if x.sum() > 0:
        out.append(x.sum())
        out.append("end")
    total = x.sum(0)
    for t in out:
        if isinstance(t, str):
            total = total * 2
        else:
            total = total + t
    return total


def nested(x):
    out = []
    for row in x:
        inner = []
        for v in row:
            inner.append("p" if v > 0 else v)
        out.append(inner)
    n = x.sum() * 0
    for inner in out:
        for t in inner:
            n = n + (1 if isinstance(t, str) else t)
    return n


def contains(x):
    out = []
    for row in x:
        out.append("p" if row.sum() > 0 else 3)
    return x + 1 if "p" in out else x - 1, 3 in out


def concatenated(x):
    a = [row for row in x]
    b = [row.sum() for row in x]
    total = x.sum(0)
    for t in a + b:
        total = total + t * (t.dim() + 1)
    return total


def dict_items(x):
    out = []
    for row in x:
        out.append({"a": row} if row.sum() > 0 else {"b": row.sum()})
    total = x.sum(0)
    for d in out:
        total = total + (d["a"] if "a" in d else d["b"])
    return total


def stacked(x):
    out = []
    for row in x:
        out.append(row if row.sum() > 0 else row.sum())
    return torch.stack(out) if len(out) == 1 else x


def returned(x):
    return [row if row.sum() > 0 else row.sum() for row in x], x


def int_and_tensor(x):
    out = [0]
    for row in x:
        out.append(row)
    total = x.sum(0)
    for t in out:
        total = total + t
    return total


def kinds_over_time(x):
    state = []
    for row in x:
        if len(state) > 2:
            state = [("reset", row)]
        elif row.sum() > 0:
            state.append(row)
        else:
            state.append(("neg", row))
    total = x.sum(0)
    for s in state:
        if isinstance(s, tuple):
            total = total + s[1] * len(s[0])
        else:
            total = total - s
    return total


def reverse_sorted(x):
    out = []
    for row in x:
        out.append(row if row.sum() > 0 else row.sum())
    total = x.sum(0)
    for t in reversed(out[1:]):
        total = total * 0.5 + t
    return total


def optional_returned(x):
    return [row if row.sum() > 0 else None for row in x], x


def stack_plain(x):
    stack = []
    for row in x:
        if row.sum() > 0 or len(stack) < 1:
            stack.append(row)
        else:
            top = stack.pop()
            stack.append(top * 2)
    out = x.sum(0)
    for t in stack:
        out = out + t
    return out


for program in (
    ranks,
    tuple_lengths,
    dtypes,
    texts,
    functions,
    closures,
    objects,
    stack_machine,
    tokens,
    with_none,
    pop_and_index,
    set_item,
    in_a_branch,
    nested,
    contains,
    concatenated,
    dict_items,
    int_and_tensor,
    reverse_sorted,
    stack_plain,
    kinds_over_time,
    changed_item,
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}}, scripted=False)
for program, text in (
    (changed_object, "is an item of a list"),
    (stacked, "joined, and"),
    (returned, "None or of several kinds"),
    (optional_returned, "None or of several kinds"),
):
    PROGRAMS.add(
        program, *ROWS, dynamic={"x": {0: "n"}}, expect="refuse", match=text, scripted=False
    )
