"""A value that may be None as an argument of functions that are not rewritten."""

# The programs are written as users write them.
# ruff: noqa: E741

from __future__ import annotations

import torch

from tests.programs.program import Programs, rand, vec

PROGRAMS = Programs("optional_arguments")
POS, NEG = vec(1.0, 2.0, 3.0), vec(-1.0, -2.0, -3.0)
X3, X1, X5 = (
    vec(1.0, 2.0, 3.0, -4.0, -1.0, 5.0).reshape(3, 2),
    vec(1.0, 2.0).reshape(1, 2),
    rand(5, 2),
)
X0 = X3[:0].clone()


def sorted_key_maybe(x):
    m = None
    if x.sum() > 0:
        m = 3
    return x * sorted([m if m is not None else 1, 2])[0]


PROGRAMS.add(sorted_key_maybe, POS, NEG)


def list_contains_none(x):
    m = None
    if x.sum() > 0:
        m = 1
    return x if m in (1, 2) else -x


PROGRAMS.add(list_contains_none, POS, NEG)


def list_contains_none2(x):
    m = None
    if x.sum() > 0:
        m = x
    return x * 2 if None in (m,) else -x


PROGRAMS.add(list_contains_none2, POS, NEG)


def filter_none(x):
    m = None
    if x.sum() > 0:
        m = x
    l = list(filter(None.__ne__, [1, m]))
    return x * len(l)


PROGRAMS.add(filter_none, POS, NEG)


def all_none(x):
    m = None
    if x.sum() > 0:
        m = x
    return x if all(v is not None for v in (x, m)) else -x


PROGRAMS.add(all_none, POS, NEG)


def any_maybe(x):
    m = None
    if x.sum() > 0:
        m = 1
    return x if any([m, 0]) else -x


PROGRAMS.add(any_maybe, POS, NEG)


def max_none(x):
    m = None
    if x.sum() > 0:
        m = x.sum()
    return x * max(m if m is not None else 0, 2)


PROGRAMS.add(max_none, POS, NEG)


def callable_none(x):
    f = None
    if x.sum() > 0:
        f = torch.relu
    return f(x) if f is not None else x


PROGRAMS.add(callable_none, POS, NEG)


def callable_none2(x):
    f = None
    if x.sum() > 0:
        f = torch.relu
    return f(x) if callable(f) else x - 1


PROGRAMS.add(callable_none2, POS, NEG)


def hasattr_none(x):
    f = None
    if x.sum() > 0:
        f = x
    return x if hasattr(f, "shape") else x - 1


PROGRAMS.add(hasattr_none, POS, NEG)


def getattr_none(x):
    f = None
    if x.sum() > 0:
        f = x
    return x * getattr(f, "ndim", 7)


PROGRAMS.add(getattr_none, POS, NEG)


def str_none2(x):
    f = None
    if x.sum() > 0:
        f = x
    return x if str(f) == "None" else -x


PROGRAMS.add(str_none2, POS, NEG, expect="refuse")


def type_none(x):
    f = None
    if x.sum() > 0:
        f = x
    return x if type(f) is torch.Tensor else -x


PROGRAMS.add(type_none, POS, NEG, expect="refuse")


def dictkey_none(x):
    f = None
    if x.sum() > 0:
        f = "a"
    return x * {None: 1, "a": 2}[f]


PROGRAMS.add(dictkey_none, POS, NEG)


def dictget_none(x):
    f = None
    if x.sum() > 0:
        f = "a"
    return x * {None: 1, "a": 2}.get(f)


PROGRAMS.add(dictget_none, POS, NEG, expect="refuse")


def set_none(x):
    f = None
    if x.sum() > 0:
        f = 1
    return x * len({f, 1})


PROGRAMS.add(set_none, POS, NEG, expect="refuse")


def global_maybe(x):
    global GM
    GM = None
    if x.sum() > 0:
        GM = x * 2

    def f():
        return x if GM is None else GM

    return f()


PROGRAMS.add(global_maybe, POS, NEG)


def map_maybe(x):
    f = None
    if x.sum() > 0:
        f = x * 2
    return sum(map(lambda v: x if v is None else v, [f, x]))


PROGRAMS.add(map_maybe, POS, NEG)


def maybe_in_torch_list(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    ts = [t for t in (x, m)]
    return torch.stack([t if t is not None else x for t in ts])


PROGRAMS.add(maybe_in_torch_list, POS, NEG)


def maybe_kwargs(x):
    m = None
    if x.sum() > 0:
        m = x > 1
    kw = {"mask": m}

    def f(v, mask=None):
        return v if mask is None else v * mask

    return f(x, **kw)


PROGRAMS.add(maybe_kwargs, POS, NEG)


def sdpa(x):
    q = x[None, None, :, None].repeat(1, 1, 1, 4)
    m = None
    if x.sum() > 0:
        m = torch.ones(3, 3).tril()[None, None] > 0
    return torch.nn.functional.scaled_dot_product_attention(q, q, q, attn_mask=m)


PROGRAMS.add(sdpa, POS, NEG)


def linear_bias(x):
    b = None
    if x.sum() > 0:
        b = x.new_ones(2)
    return torch.nn.functional.linear(x, x.new_ones(2, 3), b)


PROGRAMS.add(linear_bias, POS, NEG)


def dropout_none(x):
    m = None
    if x.sum() > 0:
        m = x * 2
    return m.view(-1).relu()[:2]


PROGRAMS.add(dropout_none, POS)


def slice_none(x):
    n = None
    if x.sum() > 0:
        n = 2
    return x[:n].sum()


PROGRAMS.add(slice_none, POS)


def slice_none2(x):
    n = None
    if x.sum() > 0:
        n = 2
    return x[:n].sum()


PROGRAMS.add(slice_none2, POS, NEG)


def sum_dim_none(x):
    d = None
    if x.sum() > 0:
        d = 0
    return x.sum(d)


PROGRAMS.add(sum_dim_none, POS, NEG)


def mean_dtype(x):
    d = None
    if x.sum() > 0:
        d = torch.float64
    return x.sum(dtype=d).float()


PROGRAMS.add(mean_dtype, POS, NEG)


# -- keywords that are given on some ways only ---------------------------------------------------


def _scaled(x, *, by=2.0, **more):
    return x * by + len(more)


def keyword_of_one_way(x):
    given = {}
    if x.sum() > 0:
        given["by"] = x.mean()
    if x[0] > 1:
        given["other"] = 1
    return _scaled(x, **given)


PROGRAMS.add(keyword_of_one_way, POS, NEG, POS + 2)


def keyword_of_one_way_for_pytorch(x):
    given = {"dim": 0}
    if x.sum() > 0:
        given["keepdim"] = False
    total = torch.sum(x, **given)
    if x.max() > 1:
        given = {"min": -0.5}
    else:
        given = {"max": 0.5}
    return total, torch.clamp(x, **given)


PROGRAMS.add(keyword_of_one_way_for_pytorch, POS, NEG, POS + 2)

HEADS = [
    (rand(2, 4, n, 8, seed=n), rand(2, 2, n, 8, seed=n + 9), torch.arange(n) < kept)
    for n, kept in ((3, 3), (3, 2), (5, 5), (1, 1), (6, 1))
]


def attention_that_needs_a_mask_or_none(q, k, kept):
    """As libraries do it: no mask where nothing is masked, heads repeated only with one."""
    mask, more = None, {}
    if not kept.all():
        mask = kept[None, None, None, :]
    if mask is None:
        more["enable_gqa"] = True
    else:
        k = k.repeat_interleave(2, 1)
    causal = q.shape[2] > 1 and mask is None
    return torch.nn.functional.scaled_dot_product_attention(
        q, k, k, attn_mask=mask, is_causal=causal, **more
    )


PROGRAMS.add(
    attention_that_needs_a_mask_or_none,
    *HEADS,
    dynamic={"q": {2: "n"}, "k": {2: "n"}, "kept": {0: "n"}},
)


def attention_with_a_mask_for_all_or_each(q, k, kept):
    mask = kept[None, None, None, :]
    if kept.sum() > 2:
        mask = mask.expand(q.shape[0], 1, 1, -1)
    return torch.nn.functional.scaled_dot_product_attention(q, k, k, mask, enable_gqa=True)


PROGRAMS.add(
    attention_with_a_mask_for_all_or_each,
    *HEADS,
    dynamic={"q": {0: "b", 2: "n"}, "k": {0: "b", 2: "n"}, "kept": {0: "n"}},
)
