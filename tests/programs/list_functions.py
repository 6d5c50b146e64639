"""Lists of dynamic length from tensors, and Python's functions on them."""

from __future__ import annotations

import torch

from tests.programs.program import Programs, ints, rand

PROGRAMS = Programs("list_functions")
X0, X1, X2, X3, X6 = (rand(n, 4, seed=n) for n in (0, 1, 2, 3, 6))
XS, XN = (X3, X0, X1, X2, X6), (X3, X1, X2, X6)
I3, I0, I1, I6 = ints(3), ints(0), ints(1), ints(6)
IS, IN = (I3, I0, I1, I6), (I3, I1, I6)


def unbind_stack(x):
    return torch.stack([r * 2 for r in x.unbind(0)])


PROGRAMS.add(unbind_stack, *XN)


def unbind_dim1_t(x):
    return torch.stack([r * 2 for r in x.t().unbind(1)])


PROGRAMS.add(unbind_dim1_t, *XN)


def split_2(x):
    return torch.cat([p.sum(0, keepdim=True) for p in x.split(2)])


PROGRAMS.add(split_2, *XN)


def split_sizes(x):
    n = x.shape[0]
    a, b = x.split([n // 2, n - n // 2])
    return a.sum(0), b.sum(0)


PROGRAMS.add(split_sizes, *XS)


def split_dyn_sizes(x, s):
    return torch.stack([p.sum(0) for p in x.split(s.tolist())])


PROGRAMS.add(
    split_dyn_sizes,
    *[
        (x, torch.tensor([1] * k + [x.shape[0] - k]))
        for x, k in ((X3, 1), (X1, 0), (X6, 4), (X3, 2))
    ],
)


def split_comp_sizes(x):
    return (
        torch.stack([p.sum(0) for p in x.split([1 for _ in range(x.shape[0])])])
        if x.shape[0]
        else x
    )


PROGRAMS.add(split_comp_sizes, *XS)


def chunk3(x):
    return [p.sum(0) for p in x.chunk(3)][0], len(x.chunk(3))  # noqa: RUF015


PROGRAMS.add(chunk3, *XS)


def tensor_split(x):
    return torch.stack([p.sum(0) for p in x.tensor_split(3)])


PROGRAMS.add(tensor_split, *XN)


def tensor_split_n(x, n):
    return torch.stack([p.sum(0) for p in x.tensor_split(n)])


PROGRAMS.add(tensor_split_n, *[(X3, 2), (X6, 3), (X1, 1)])


def hsplit(x):
    return torch.stack([p for p in x.hsplit(2)])


PROGRAMS.add(hsplit, *[(rand(3, 4, seed=9),), (rand(3, 8, seed=9),)])


def tolist_sum(t):
    return sum(t.tolist())


PROGRAMS.add(tolist_sum, *IS)


def tolist_loop(t):
    s = 0
    for v in t.tolist():
        s = s * 2 + v
    return s


PROGRAMS.add(tolist_loop, *IS)


def tolist_concat(t):
    items = [0] + t.tolist()
    return torch.tensor(items), len(items)


PROGRAMS.add(tolist_concat, *IS)


def tolist_concat_after(t):
    items = t.tolist() + [0]
    return torch.tensor(items), len(items)


PROGRAMS.add(tolist_concat_after, *IS)


def tolist_2d(x):
    items = x.tolist()
    return torch.tensor([row[0] for row in items])


PROGRAMS.add(tolist_2d, *XN)


def list_of_tensor(x):
    items = list(x)
    items.append(x[0])
    return torch.stack(items), len(items)


PROGRAMS.add(list_of_tensor, *XN)


def enumerate_unbind(x):
    s = x.new_zeros(4)
    for i, r in enumerate(x.unbind(0)):
        s = s + i * r
    return s


PROGRAMS.add(enumerate_unbind, *XN)


def zip_star(x):
    pairs = [(r.sum(), r * 2) for r in x]
    a, b = zip(*pairs)
    return torch.stack(a), torch.stack(b)


PROGRAMS.add(zip_star, *XN)


def zip_lists(x):
    a = [r for r in x]
    b = [r * 2 for r in x]
    return torch.stack([p + q for p, q in zip(a, b)])


PROGRAMS.add(zip_lists, *XN)


def zip_list_shift(x):
    a = [r for r in x]
    s = x.new_zeros(4)
    for p, q in zip(a, a[1:]):  # noqa: RUF007
        s = s + p * q
    return s


PROGRAMS.add(zip_list_shift, *XN)


def map_fn(x):
    return torch.stack(list(map(lambda r: r * 2, x)))


PROGRAMS.add(map_fn, *XN)


def map_two(x):
    return torch.stack(list(map(lambda r, s: r * s, x, x.flip(0))))


PROGRAMS.add(map_two, *XN)


def map_list(x):
    items = [r.sum() for r in x]
    return torch.stack(list(map(torch.exp, items)))


PROGRAMS.add(map_list, *XN)


def filter_fn(x):
    items = list(filter(lambda r: r.sum() > 0, x))
    return len(items)


PROGRAMS.add(filter_fn, *XS)


def filter_list(t):
    items = list(filter(lambda v: v % 2 == 0, t.tolist()))
    return len(items), sum(items)


PROGRAMS.add(filter_list, *IS)


def reversed_list(x):
    items = [r for r in x]
    return torch.stack(list(reversed(items)))


PROGRAMS.add(reversed_list, *XN)


def reversed_enum(x):
    s = x.new_zeros(4)
    for i, r in reversed(list(enumerate(x))):
        s = s * 0.5 + i * r
    return s


PROGRAMS.add(reversed_enum, *XN)


def sorted_ints(t):
    return torch.tensor(sorted(t.tolist()))


PROGRAMS.add(sorted_ints, *IN)


def sorted_key(t):
    return torch.tensor(sorted(t.tolist(), key=lambda v: -v))


PROGRAMS.add(sorted_key, *IN)


def sorted_reverse(t):
    return torch.tensor(sorted(t.tolist(), reverse=True))


PROGRAMS.add(sorted_reverse, *IN)


def sorted_tensors_key(x):
    return torch.stack(sorted(x, key=lambda r: r.sum().item()))


PROGRAMS.add(sorted_tensors_key, *XN)


def sorted_pairs(x):
    pairs = [(r.sum().item(), i) for i, r in enumerate(x)]
    pairs.sort(key=lambda p: p[0], reverse=True)
    return torch.tensor([i for _, i in pairs])


PROGRAMS.add(sorted_pairs, *XN)


def sorted_pairs_plain(x):
    pairs = sorted([(r.sum().item(), i) for i, r in enumerate(x)])
    return torch.tensor([i for _, i in pairs])


PROGRAMS.add(sorted_pairs_plain, *XN)


def list_sort(t):
    items = t.tolist()
    items.sort()
    return torch.tensor(items)


PROGRAMS.add(list_sort, *IN)


def sort_fixed(x):
    items = [x[0].sum().item(), x[0].mean().item(), x[0].max().item()]
    items.sort()
    return items[0], items[1], items[2]


PROGRAMS.add(sort_fixed, *XN)


def sort_fixed_key(x):
    items = [x.sum(0), x.mean(0), x.max(0).values]
    items = sorted(items, key=lambda t: t.sum().item())
    return items[0], items[1], items[2]


PROGRAMS.add(sort_fixed_key, *XN)
