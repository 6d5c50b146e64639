"""itertools, next, max with a key, slices and tensors of lists of dynamic length."""

from __future__ import annotations

import itertools

import torch

from tests.programs.program import Programs, ints, rand

PROGRAMS = Programs("list_tools")
X0, X1, X2, X3, X6 = (rand(n, 4, seed=n) for n in (0, 1, 2, 3, 6))
XS, XN = (X3, X0, X1, X2, X6), (X3, X1, X2, X6)
I3, I0, I1, I6 = ints(3), ints(0), ints(1), ints(6)
IS, IN = (I3, I0, I1, I6), (I3, I1, I6)


def product_iter(x):
    s = x.new_zeros(())
    for i, j in itertools.product(range(x.shape[0]), range(x.shape[1])):
        s = s * 0.5 + x[i, j]
    return s


PROGRAMS.add(product_iter, *XS)


def chain_iter(x):
    items = [r for r in x]
    return torch.stack(list(itertools.chain(items, [x[0]], items)))


PROGRAMS.add(chain_iter, *XN)


def chain_from_iterable(t):
    items = list(itertools.chain.from_iterable([[v, v + 1] for v in t.tolist()]))
    return torch.tensor(items)


PROGRAMS.add(chain_from_iterable, *IN)


def accumulate_iter(t):
    return torch.tensor(list(itertools.accumulate(t.tolist())))


PROGRAMS.add(accumulate_iter, *IN)


def accumulate_fn(x):
    return torch.stack(list(itertools.accumulate(x, lambda a, b: a * 0.5 + b)))


PROGRAMS.add(accumulate_fn, *XN)


def pairwise_iter(x):
    s = x.new_zeros(4)
    for a, b in itertools.pairwise(x):
        s = s + a * b
    return s


PROGRAMS.add(pairwise_iter, *XN)


def pairwise_list(t):
    return sum(b - a for a, b in itertools.pairwise(t.tolist()))


PROGRAMS.add(pairwise_list, *IS)


def range_step(x, k):
    s = x.new_zeros(4)
    for i in range(0, x.shape[0], k):
        s = s * 0.5 + x[i]
    return s


PROGRAMS.add(range_step, (X6, 2), (X6, 3), (X6, 1), (X0, 1), (X3, 7))


def range_bound_tensor(x, k):
    s = x.new_zeros(4)
    for i in range(k):
        s = s * 0.5 + x[i]
    return s


PROGRAMS.add(
    range_bound_tensor, (X6, torch.tensor(2)), (X6, torch.tensor(3)), (X6, torch.tensor(0))
)


def next_gen(x):
    return next(r for r in x)


PROGRAMS.add(next_gen, *XN)


def next_gen_default(x):
    return next((r for r in x if r.sum() > 0), torch.zeros(4))


PROGRAMS.add(next_gen_default, *XS)


def next_gen_default_none(t):
    v = next((i for i, v in enumerate(t.tolist()) if v > 5), None)
    return -1 if v is None else v


PROGRAMS.add(next_gen_default_none, *IS)


def next_gen_default_num(t):
    return next((v for v in t.tolist() if v > 5), -1)


PROGRAMS.add(next_gen_default_num, *IS)


def max_gen_key(t):
    return max((v for v in t.tolist()), key=lambda v: (v * 7) % 5)


PROGRAMS.add(max_gen_key, *[i for i in IS if len(i)])


def max_key_tensor(x):
    return max(x, key=lambda r: r.sum())


PROGRAMS.add(max_key_tensor, *XN)


def max_key_pairs(x):
    items = [(r.sum().item(), r * 2) for r in x]
    s, b = max(items, key=lambda p: p[0])
    return s, b


PROGRAMS.add(max_key_pairs, *XN)


def max_range_key(x):
    items = [r.sum().item() for r in x]
    return max(range(len(items)), key=items.__getitem__), min(
        range(len(items)), key=lambda i: items[i]
    )


PROGRAMS.add(max_range_key, *XN)


def max_default(t):
    return max(t.tolist(), default=-1), min((v for v in t.tolist()), default=99)


PROGRAMS.add(max_default, *IS)


def sum_1_for(x):
    return sum(1 for r in x if r.sum() > 0)


PROGRAMS.add(sum_1_for, *XS)


def any_all(x):
    return any(r.sum() > 1 for r in x), all((r.sum() > -3) for r in x)


PROGRAMS.add(any_all, *XS)


def any_all_list(t):
    items = t.tolist()
    return any(v > 8 for v in items), all(v < 9 for v in items)


PROGRAMS.add(any_all_list, *IS)


def slices_steps(x):
    items = [r for r in x]
    return (
        torch.stack(items[::2]),
        len(items[1::2]),
        torch.stack(items[::-1]),
        len(items[:1]),
        len(items[-2:]),
    )


PROGRAMS.add(slices_steps, *XN)


def slice_dyn_step(x, k):
    items = [r for r in x]
    return torch.stack(items[::k])


PROGRAMS.add(slice_dyn_step, (X6, 2), (X6, 3), (X3, 1))


def del_i(x):
    items = [r for r in x]
    del items[1]
    return torch.stack(items) if items else x


PROGRAMS.add(del_i, X6, X3, X2)


def del_slice(x):
    items = [r for r in x] + [x[0]]
    del items[:1]
    return torch.stack(items)


PROGRAMS.add(del_slice, *XN)


def del_slice2(x):
    items = [r for r in x]
    del items[1:2]
    return torch.stack(items)


PROGRAMS.add(del_slice2, X6, X3, X2)


def del_slice_tail(x):
    items = [r for r in x]
    del items[1:]
    return torch.stack(items)


PROGRAMS.add(del_slice_tail, X6, X3, X1, X2)


def pop_i(x, i):
    items = [r for r in x]
    a = items.pop(i)
    return a, len(items), items[0]


PROGRAMS.add(pop_i, (X6, 2), (X6, 3), (X3, 1))


def insert_i(x, i):
    items = [r for r in x]
    items.insert(i, x[0] * 0)
    return torch.stack(items)


PROGRAMS.add(insert_i, (X6, 2), (X6, 3), (X3, 1), (X3, 0))


def slice_assign_empty(x):
    items = [r for r in x]
    items[1:2] = []
    return torch.stack(items)


PROGRAMS.add(slice_assign_empty, X6, X3, X2)


def slice_assign_items(x):
    items = [r for r in x]
    items[1:2] = [x[0] * 3, x[1] * 4]
    return torch.stack(items)


PROGRAMS.add(slice_assign_items, X6, X3, X2)


def slice_assign_all(x):
    items = [r for r in x]
    items[:] = [r * 2 for r in items]
    return torch.stack(items)


PROGRAMS.add(slice_assign_all, X6, X3, X2)


def list_index(t, v):
    items = t.tolist()
    return items.index(v)


PROGRAMS.add(list_index, *[(i, int(i[-1])) for i in (I3, I1, I6)])


def list_remove(t, v):
    items = t.tolist()
    items.remove(v)
    return len(items), sum(items)


PROGRAMS.add(list_remove, *[(i, int(i[-1])) for i in (I3, I1, I6)])


def list_in_count(t, v):
    items = t.tolist()
    return v in items, items.count(v)


PROGRAMS.add(list_in_count, *[(i, int(i[-1])) for i in (I3, I1, I6)])


def list_extend(t):
    items = t.tolist()
    m = [1, 2]
    m.extend(items)
    m += items
    return torch.tensor(m)


PROGRAMS.add(list_extend, *IS)


def torch_tensor_nested(t):
    tokens = t.tolist()
    return torch.tensor([[v] for v in tokens])


PROGRAMS.add(torch_tensor_nested, *IN)


def torch_tensor_pairs(t):
    tokens = t.tolist()
    return torch.tensor([[v, v * 2] for v in tokens])


PROGRAMS.add(torch_tensor_pairs, *IN)


def torch_tensor_wrapped(t):
    tokens = t.tolist()
    return torch.tensor([tokens])


PROGRAMS.add(torch_tensor_wrapped, *IN)


def torch_tensor_wrapped2(t):
    items = [0]
    for v in t.tolist():
        items.append(v)
    return torch.tensor([items], dtype=torch.long)


PROGRAMS.add(torch_tensor_wrapped2, *[i for i in IS if len(i)])


def as_tensor_list(t):
    return torch.as_tensor(t.tolist(), dtype=torch.float32), torch.LongTensor(t.tolist())


PROGRAMS.add(as_tensor_list, *IS)


def new_tensor_list(t):
    return t.new_tensor(t.tolist())


PROGRAMS.add(new_tensor_list, *IS)
