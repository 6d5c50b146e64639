"""Lists of lists of dynamic length; stacks, queues and beams of tuples."""

from __future__ import annotations

import functools
from collections import defaultdict, deque

import torch

from tests.programs.program import Programs, ints, rand

PROGRAMS = Programs("nested_lists")
X0, X1, X2, X3, X6 = (rand(n, 4, seed=n) for n in (0, 1, 2, 3, 6))
XS, XN = (X3, X0, X1, X2, X6), (X3, X1, X2, X6)
I3, I0, I1, I6 = ints(3), ints(0), ints(1), ints(6)
IS, IN = (I3, I0, I1, I6), (I3, I1, I6)


def nested_build_read(t):
    lists = []
    for i, v in enumerate(t.tolist()):
        inner = []
        for j in range(i):
            inner.append(v * j)
        lists.append(inner)
    s = 0
    for inner in lists:
        for w in inner:
            s = s * 2 + w
    return s, len(lists)


PROGRAMS.add(nested_build_read, *IS)


def nested_comp(t):
    lists = [[v * j for j in range(i)] for i, v in enumerate(t.tolist())]
    return sum(len(items) for items in lists), sum(sum(items) for items in lists)


PROGRAMS.add(nested_comp, *IS)


def groups_append(x):
    groups = [[], [], []]
    for r in x:
        if r.sum() > 1:
            groups[0].append(r)
        elif r.sum() > -1:
            groups[1].append(r)
        else:
            groups[2].append(r)
    return len(groups[0]), len(groups[1]), len(groups[2])


PROGRAMS.add(groups_append, *XN)


def groups_dyn_index(t):
    groups = [[] for _ in range(3)]
    for v in t.tolist():
        groups[v % 3].append(v)
    return len(groups[0]), sum(groups[1]), len(groups[2])


PROGRAMS.add(groups_dyn_index, *IS)


def adjacency(t, n):
    adj = [[] for _ in range(n)]
    for i, v in enumerate(t.tolist()):
        adj[v % n].append(i)
    s = 0
    for a in adj:
        s = s * 10
        for b in a:
            s = s + b
    return s


PROGRAMS.add(adjacency, *[(i, 4) for i in IS], (I6, 2))


def dict_groups(t):
    d = {"even": [], "odd": []}
    for v in t.tolist():
        if v % 2 == 0:
            d["even"].append(v)
        else:
            d["odd"].append(v)
    return sum(d["even"]), len(d["odd"])


PROGRAMS.add(dict_groups, *IS)


def defaultdict_list(t):
    d = defaultdict(list)
    for v in t.tolist():
        d["all"].append(v)
        if v > 3:
            d["big"].append(v)
    return sum(d["all"]), len(d["big"])


PROGRAMS.add(defaultdict_list, *IS)


def beam_search_seqs(x):
    # each hypothesis: (list tokens, score)
    beams = [([0], 0.0)]
    for r in x:
        cand = []
        for toks, sc in beams:
            vals, idx = r.topk(2)
            for k in range(2):
                cand.append((toks + [int(idx[k])], sc + float(vals[k])))
        cand = sorted(cand, key=lambda c: -c[1])
        beams = cand[:2]
    return torch.tensor(beams[0][0]), beams[0][1]


PROGRAMS.add(beam_search_seqs, *XN)


def beam_fixed_width(x):
    vals, idx = x[0].topk(2)
    beams = [([int(idx[k])], float(vals[k])) for k in range(2)]
    for r in x[1:]:
        cand = []
        for toks, sc in beams:
            vals, idx = r.topk(2)
            for k in range(2):
                cand.append((toks + [int(idx[k])], sc + float(vals[k])))
        cand.sort(key=lambda c: -c[1])
        beams = cand[:2]
    return torch.tensor(beams[0][0]), beams[0][1], torch.tensor(beams[1][0])


PROGRAMS.add(beam_fixed_width, *XN)


def viterbi(x):
    trans = torch.arange(16.0).reshape(4, 4) * 0.1
    score = x[0]
    history = []
    for r in x[1:]:
        nxt = score.unsqueeze(1) + trans + r.unsqueeze(0)
        score, idx = nxt.max(0)
        history.append(idx)
    best = [score.argmax()]
    for h in reversed(history):
        best.append(h[best[-1]])
    best.reverse()
    return torch.stack(best)


PROGRAMS.add(viterbi, *XN)


def viterbi_item(x):
    trans = torch.arange(16.0).reshape(4, 4) * 0.1
    score = x[0]
    history = []
    for i in range(1, x.shape[0]):
        nxt = score.unsqueeze(1) + trans + x[i].unsqueeze(0)
        score, idx = nxt.max(0)
        history.append(idx)
    last = score.argmax()
    best = [last.item()]
    for h in reversed(history):
        last = h[last]
        best.append(last.item())
    best.reverse()
    return torch.tensor(best), best


PROGRAMS.add(viterbi_item, *XN)


def crf_batch(e):
    # torchcrf
    S, B, _ = e.shape
    mask = torch.ones(S, B, dtype=torch.bool)
    trans = torch.arange(16.0).reshape(4, 4) * 0.1
    score = e[0]
    history = []
    for i in range(1, S):
        nxt = score.unsqueeze(2) + trans + e[i].unsqueeze(1)
        nscore, idx = nxt.max(dim=1)
        score = torch.where(mask[i].unsqueeze(1), nscore, score)
        history.append(idx)
    seq_ends = mask.long().sum(dim=0) - 1
    out = []
    for b in range(B):
        _, last = score[b].max(dim=0)
        best = [last.item()]
        for hist in reversed(history[: seq_ends[b]]):
            last = hist[b][best[-1]]
            best.append(last.item())
        best.reverse()
        out.append(best)
    return torch.tensor([sum(o) for o in out])


PROGRAMS.add(crf_batch, *[(rand(n, b, 4, seed=n + b),) for n, b in ((3, 2), (1, 1), (5, 3))])


def crf_batch_return(e):
    S, B, _ = e.shape
    score = e[0]
    history = []
    for i in range(1, S):
        score, idx = (score.unsqueeze(2) + e[i].unsqueeze(1)).max(dim=1)
        history.append(idx)
    out = []
    for b in range(B):
        _, last = score[b].max(dim=0)
        best = [last.item()]
        for hist in reversed(history):
            last = hist[b][best[-1]]
            best.append(last.item())
        best.reverse()
        out.append(best)
    return torch.tensor(out)


PROGRAMS.add(crf_batch_return, *[(rand(n, b, 4, seed=n + b),) for n, b in ((3, 2), (1, 1), (5, 3))])


def shift_reduce(t):
    stack = []
    for v in t.tolist():
        stack.append((v, v * 2))
        if len(stack) >= 2 and v % 2 == 0:
            b = stack.pop()
            a = stack.pop()
            stack.append((a[0] + b[0], a[1] * b[1]))
    return len(stack), sum(s[0] for s in stack)


PROGRAMS.add(shift_reduce, *IS)


def shift_reduce_tensor(x):
    buf = list(torch.unbind(x))
    stack = []
    buf.reverse()
    while len(buf) > 0:
        stack.append(buf.pop())
        if len(stack) > 1 and (stack[-1].sum() > 0):
            r = stack.pop()
            items = stack.pop()
            stack.append(torch.tanh(items + r))
    return stack[-1], len(stack)


PROGRAMS.add(shift_reduce_tensor, *XN)


def queue_tuples(t):
    q = deque([(0, 1)])
    s = 0
    n = t.shape[0]
    while q:
        d, v = q.popleft()
        s = s + v
        if d < n and d < 3:
            q.append((d + 1, v * 2))
            q.append((d + 1, v + 1))
    return s


PROGRAMS.add(queue_tuples, *IS)


def bfs(t):
    n = t.shape[0]
    order = []
    q = [0]
    while q:
        u = q.pop(0)
        if u < n:
            order.append(u)
            q.append(2 * u + 1)
            q.append(2 * u + 2)
    return len(order), torch.tensor(order)


PROGRAMS.add(bfs, *IN)


def state_in_list(x, state):
    for r in x:
        state[0] = state[0] * 0.5 + r
    return state[0]


PROGRAMS.add(state_in_list, (X3, [rand(4)]), (X0, [rand(4)]), (X6, [rand(4, seed=3)]))


def state_none_in_list(x, state):
    for r in x:
        state[0] = r if state[0] is None else state[0] * 0.5 + r
    return state[0] if state[0] is not None else x.new_zeros(4)


PROGRAMS.add(state_none_in_list, (X3, [None]), (X0, [None]), (X6, [None]))


def state_none_param(x, state=None):
    if state is None:
        state = [x.new_zeros(4), 0]
    for r in x:
        state[0] = state[0] + r
        state[1] += 1
    return state[0], state[1]


PROGRAMS.add(state_none_param, *XS)


def nested_return_lens(t):
    lists = [list(range(v)) for v in t.tolist()]
    return torch.tensor([len(items) for items in lists])


PROGRAMS.add(nested_return_lens, *IN)


def flatten_nested(t):
    lists = [list(range(v)) for v in t.tolist()]
    return torch.tensor([w for items in lists for w in items])


PROGRAMS.add(flatten_nested, *IN)


def sum_nested(t):
    lists = [[v, v + 1] for v in t.tolist()]
    return torch.tensor(sum(lists, []))  # noqa: RUF017


PROGRAMS.add(sum_nested, *IN)


def tensors_per_level(x):
    levels = [[], []]
    for r in x:
        levels[0].append(r[:2])
        levels[1].append(r[2:])
    outs = [torch.stack(items) for items in levels]
    return outs[0], outs[1]


PROGRAMS.add(tensors_per_level, *XN)


def multi_apply(x):
    def one(r):
        return r * 2, r.sum()

    res = map(one, x)
    return tuple(map(list, zip(*res)))


PROGRAMS.add(multi_apply, *XN)


def multi_apply_partial(x):
    def one(r, k=1):
        return r * k, r.sum()

    pf = functools.partial(one, k=3)
    res = map(
        pf,
        [r for r in x],
    )
    a, b = tuple(map(list, zip(*res)))
    return torch.stack(a), torch.stack(b)


PROGRAMS.add(multi_apply_partial, *XN)


def returns_lists_of_numbers(x):
    return [[v.item() * 2 for v in r] for r in x]


PROGRAMS.add(returns_lists_of_numbers, X3, X1)
