"""Objects, dicts and lists in lists of any length, changed through their list."""

# The programs are written as users write them.

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("items_in_place")
ROWS = (rand(3, 4), rand(1, 4), rand(5, 4) + 1, rand(6, 4) - 1, rand(4, 4)[:0], rand(7, 4))


class Inst:
    def __init__(self, **fields):
        for name, value in fields.items():
            setattr(self, name, value)


class DS:
    def __init__(self, **fields):
        for name, value in fields.items():
            setattr(self, name, value)


def last_list(x):
    gs = []
    for row in x:
        if len(gs) == 0 or row.sum() > 0:
            gs.append([])
        gs[-1].append(row)
    t = x.sum(0)
    for g in gs:
        t = t * 0.5 + g[0] + len(g)
    return t


def last_list_read_in_a_loop(x):
    gs = [[]]
    for row in x:
        if row.sum() > 0:
            gs.append([])
        gs[-1].append(row)
    t = x.sum(0)
    for g in gs:
        for r in g:
            t = t * 0.5 + r
    return t


def last_dict(x):
    ds = [{"n": 0, "s": x.sum(0)}]
    for row in x:
        if row.sum() > 0:
            ds.append({"n": 0, "s": row})
        ds[-1]["n"] += 1
        ds[-1]["s"] = ds[-1]["s"] + row
    t = x.sum(0)
    for d in ds:
        t = t * 0.5 + d["s"] * d["n"]
    return t


def first_dict(x):
    ds = [{"n": 0}]
    for row in x:
        ds.append({"n": 1})
        ds[0]["n"] += 1
    t = x.sum(0)
    for d in ds:
        t = t * 0.5 + d["n"]
    return t


def results_put_into_samples(x):
    samples = [DS(meta=dict(shape=(4, 4)), idx=i) for i in range(x.shape[0])]
    results = []
    for row, s in zip(x, samples):
        keep = row > 0
        results.append(Inst(boxes=row[keep], scores=row[keep] * 2))
    for s, r in zip(samples, results):
        s.pred = r
    t = x.sum(0)
    for s in samples:
        t = t * 0.5 + s.pred.scores.sum() + s.idx
    return t


def results_put_into_samples_returned(x):
    samples = [DS(idx=i) for i in range(x.shape[0])]
    results = [Inst(b=row) for row in x]
    for s, r in zip(samples, results):
        s.pred = r
    return [s.pred.b for s in samples]


def popped_into_another(x):
    q = [{"n": row.sum()} for row in x]
    out = []
    while q:
        d = q.pop(0)
        out.append(d)
        out[-1]["n"] = out[-1]["n"] * 2
    t = x.sum(0)
    for d in out:
        t = t * 0.5 + d["n"]
    return t


def first_and_last(x):
    ds = [{"n": x.sum()}, {"n": x.sum() * 2}]
    for row in x:
        ds[0]["n"] = ds[0]["n"] + 1
        ds[-1]["n"] = ds[-1]["n"] * 0.5
        if row.sum() > 0:
            ds.append({"n": row.sum()})
    t = x.sum(0)
    for d in ds:
        t = t * 0.5 + d["n"]
    return t


def tracks(x):
    class Track:
        def __init__(self, r):
            self.pos = r
            self.age = 0

    ts = []
    for row in x:
        for tr in ts:
            tr.age += 1
        if len(ts) > 0 and row.sum() > 0:
            ts[-1].pos = ts[-1].pos * 0.5 + row
            ts[-1].age = 0
        else:
            ts.append(Track(row))
    t = x.sum(0)
    for tr in ts:
        t = t * 0.5 + tr.pos * tr.age
    return t


def hypotheses(x):
    hs = [{"s": 0.0, "tok": [0]}]
    for row in x:
        h = hs[-1]
        h["tok"].append(int(row.argmax()))
        h["s"] = h["s"] + row.max()
        if row.sum() > 0:
            hs.append({"s": row.sum(), "tok": [1, 2]})
    t = x.sum(0)
    for h in hs:
        t = t * 0.5 + h["s"] * len(h["tok"])
    return t


def stack_of_lists(x):
    st = [[]]
    for row in x:
        if row.sum() > 0:
            st.append([row])
        elif len(st) > 1:
            top = st.pop()
            st[-1].append(len(top))
    return x.sum() + len(st) + len(st[0])


def first_moves_to_the_end(x):
    ds = [{"n": row.sum()} for row in x]
    if len(ds) == 0:
        return x.sum(0)
    t = x.sum(0) + ds[0]["n"]
    for row in x:
        t = t * 0.5 + ds[0]["n"]
        ds.append(ds.pop(0))
    return t


def reversed_in_the_loop(x):
    ds = [{"n": row.sum()} for row in x]
    if len(ds) == 0:
        return x.sum(0)
    t = x.sum(0) + ds[0]["n"]
    for row in x:
        t = t * 0.5 + ds[0]["n"]
        ds.reverse()
    return t


def first_is_another(x):
    ds = [{"n": row.sum()} for row in x]
    if len(ds) == 0:
        return x.sum(0)
    t = x.sum(0) + ds[0]["n"]
    for row in x:
        t = t * 0.5 + ds[0]["n"]
        ds[0] = {"n": row.max()}
    return t


def lists_by_index(x):
    bs = [[] for _ in range(x.shape[0])]
    for i, row in enumerate(x):
        bs[i // 2].append(row)
    t = x.sum(0)
    for b in bs:
        for r in b:
            t = t * 0.5 + r
    return t


def a_list_a_sample(x):
    outs = [[] for _ in range(x.shape[0])]
    for step in range(3):
        for o, row in zip(outs, x):
            o.append(row * step)
    t = x.sum(0)
    for o in outs:
        t = t * 0.5 + torch.stack(o).sum(0)
    return t


def one_dict_at_all_places(x):
    ms = [dict(k=0)] * x.shape[0]
    ms[0]["k"] = x.shape[1]
    return x + (ms[-1]["k"] if x.shape[0] > 0 else 0)


def one_dict_appended_each_time(x):
    a = {"n": x.sum() * 0}
    ds = []
    for row in x:
        ds.append(a)
        ds[0]["n"] = ds[0]["n"] + 1
    t = x.sum(0)
    for d in ds:
        t = t * 0.5 + d["n"]
    return t + a["n"]


def an_old_one_or_a_new_one(x):
    a = {"n": x.sum() * 0}
    ds = []
    for row in x:
        if row.sum() > 0:
            ds.append(a)
        else:
            ds.append({"n": row.sum()})
        ds[-1]["n"] = ds[-1]["n"] + 1
    t = x.sum(0)
    for d in ds:
        t = t * 0.5 + d["n"]
    return t + a["n"]


def from_another_list(x):
    src = [{"n": row.sum()} for row in x]
    ds = []
    for i in range(x.shape[0]):
        ds.append(src[0])
        ds[-1]["n"] = ds[-1]["n"] + 1
    t = x.sum(0)
    for d in src:
        t = t * 0.5 + d["n"]
    return t


def appended_twice(x):
    ds = []
    for row in x:
        d = {"n": row.sum()}
        ds.append(d)
        ds.append(d)
    for d in ds:
        d["n"] = d["n"] + 1
    t = x.sum(0)
    for d in ds:
        t = t * 0.5 + d["n"]
    return t


def one_of_two_that_are_there(x):
    a, b = {"n": x.sum()}, {"n": x.max() if x.numel() else x.sum()}
    ds = [a, b]
    for row in x:
        c = a if row.sum() > 0 else b
        ds.append(c)
        ds[-1]["n"] = ds[-1]["n"] + 1
    return x.sum(0) + ds[0]["n"] + ds[1]["n"] * 2


for program in (
    last_list,
    last_list_read_in_a_loop,
    last_dict,
    first_dict,
    results_put_into_samples,
    results_put_into_samples_returned,
    popped_into_another,
    first_and_last,
    tracks,
    hypotheses,
    stack_of_lists,
    first_moves_to_the_end,
    reversed_in_the_loop,
    first_is_another,
    lists_by_index,
    a_list_a_sample,
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}})
for program, text in (
    (one_dict_appended_each_time, "item of a list"),
    (an_old_one_or_a_new_one, "another name"),
    (from_another_list, "item of a list"),
    (appended_twice, "item of a list"),
    (one_of_two_that_are_there, "another name"),
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}}, expect="refuse", match=text)
PROGRAMS.add(
    one_dict_at_all_places,
    *[row for row in ROWS if row.shape[0]],
    dynamic={"x": {0: "n"}},
    expect="refuse",
    match="item of a list",
)
