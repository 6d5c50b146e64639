"""What a model returns where that is not alike on all paths: text, missing parts, other lengths."""

# The programs are written as users write them.

from __future__ import annotations

from dataclasses import dataclass

import torch

from tests.programs.program import Programs, rand

PROGRAMS = Programs("returned_values")
ROWS = (
    rand(3, 4), -rand(3, 4).abs(), rand(1, 4), rand(5, 4) + 1, rand(6, 4) - 1, rand(4, 4)[:0],
)  # fmt: skip


def label(x):
    return x * 2, "pos" if x.sum() > 0 else "neg"


def three_labels(x):
    s = "low"
    if x.sum() > 0:
        s = "mid"
    if x.sum() > 5:
        s = "high"
    return s, x


def number_text(x):
    return x, f"n={x.shape[0]}, k={int(x.abs().sum())}"


def bool_text(x):
    return x, str(bool(x.sum() > 0))


def choice_of_number_texts(x):
    k = int(x.sum())
    return x, f"+{k}" if x.sum() > 0 else f"minus {-k}!"


def float_text(x):
    return x, f"{x.sum().item():.2f}"


def text_or_none(x):
    return x, "pos" if x.sum() > 0 else None


def keys_sometimes(x):
    out = {"a": x}
    if x.sum() > 0:
        out["b"] = x.sum(0)
    out["c"] = x + 1
    return out


def keys_and_none(x):
    out = {"a": x}
    if x.sum() > 0:
        out["b"] = x.sum(0) if x[:1].sum() > 0 else None
    return out


def tuple_lengths(x):
    if x.sum() > 0:
        return x, x.sum(0)
    return x, x.sum(0), x.sum()


def list_lengths(x):
    out = [x]
    if x.sum() > 0:
        out = [x, x.sum(0), x.shape[0]]
    return out


def tensor_or_tuple(x):
    if x.sum() > 0:
        return x
    return x, x.sum(0)


def nested(x):
    d = {"x": x}
    if x.sum() > 0:
        d["more"] = {"s": x.sum(0), "n": x.shape[0]}
        if x.sum() > 5:
            d["more"]["t"] = x.sum()
    return d


def number_or_text(x):
    return x, ("none" if x.sum() > 0 else 3)


def named(x):
    return x.max(0) if x.numel() and x.sum() > 0 else (x.abs().sum(0) + torch.arange(4)).topk(4)


@dataclass
class Out:
    y: torch.Tensor
    aux: object = None


def object_aux(x):
    if x.sum() > 0:
        return Out(x, x.sum(0))
    return Out(x)


def optional_list(x):
    rows = None
    if x.sum() > 0:
        rows = [r * 2 for r in x]
    return x, rows


def optional_dict(x):
    d = None
    if x.sum() > 0:
        d = {"s": x.sum(0)}
        if x.sum() > 5:
            d["t"] = x.sum(), "big"
    return x, d


def empty_or_pair(x):
    if x.sum() > 0:
        return x, ()
    return x, (x.sum(0), x.sum())


def text_in_dict(x):
    if x.sum() > 0:
        return {"x": x, "why": "positive"}
    return {"x": x}


def lists_of_lists(x):
    return [[k for k in range(int(r.abs().sum()))] for r in x]


def lists_of_floats(x):
    return [[float(k) * 0.5 for k in range(int(r.abs().sum()))] for r in x], x


def lists_of_tolist(x):
    return {"a": x, "rows": [r.tolist() for r in x]}


def lists_of_lists_optional(x):
    rows = None
    if x.sum() > 0:
        rows = [[k, 2] for k in range(x.shape[0])]
    return x, rows


def lists_of_lists_of_lists(x):
    return [[[k] for k in range(int(r.abs().sum()))] for r in x]


def different_order(x):
    return {"a": x, "b": x.sum()} if x.sum() > 0 else {"b": x.sum(0), "a": x}


def text_from_loop(x):
    s = "none"
    for r in x:
        if r.sum() > 0:
            s = "some"
    return x, s


def text_list(x):
    return x, ["a" if x.sum() > 0 else "b", "c"]


for program in (
    label,
    three_labels,
    number_text,
    bool_text,
    choice_of_number_texts,
    text_or_none,
    keys_sometimes,
    keys_and_none,
    tuple_lengths,
    list_lengths,
    tensor_or_tuple,
    nested,
    number_or_text,
    named,
    object_aux,
    optional_list,
    optional_dict,
    empty_or_pair,
    text_in_dict,
    lists_of_lists,
    lists_of_floats,
    lists_of_tolist,
    lists_of_lists_optional,
    text_from_loop,
    text_list,
):
    PROGRAMS.add(program, *ROWS, dynamic={"x": {0: "n"}}, scripted=False)
PROGRAMS.add(float_text, *ROWS, expect="refuse", match="ONNX does not write as Python does")
PROGRAMS.add(lists_of_lists_of_lists, *ROWS, expect="refuse", match="list of lists")
PROGRAMS.add(different_order, *ROWS, expect="refuse", match="no order in common")
