"""Conditions and loops on sizes, ranks, dtypes; sizes that become values and back."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.programs.program import Programs, ints, rand, vec

PROGRAMS = Programs("shapes")
X0, X1, X2, X3, X5 = (rand(n, 4, seed=n) for n in (0, 1, 2, 3, 5))


def if_on_size(x):
    if x.size(0) > 3:
        return x[:3]
    return x * 2


PROGRAMS.add(if_on_size, X2, X0, X1, X3, X5)
PROGRAMS.add(if_on_size, X5, X0, X1, X3, X2, name="if_on_size_large_example")


def if_on_numel(x):
    if x.numel() > 10:
        return x.sum()
    elif x.numel() == 0:
        return torch.ones(())
    return x.mean()


PROGRAMS.add(if_on_numel, X3, X0, X1, rand(2, 5))


def if_on_size_equality(x, y):
    if x.shape[0] == y.shape[0]:
        return x + y
    return x.sum(0) + y


PROGRAMS.add(if_on_size_equality, (X3, X2), (X3, X3 + 1), (X1, X5), (X2, X2))
PROGRAMS.add(
    if_on_size_equality, (X3, X3 + 1), (X3, X2), (X1, X5), name="if_on_size_equality_equal_example"
)


def if_on_shape_equality(x, y):
    if x.shape != y.shape:
        y = y.mean(0, keepdim=True)
    return x * y


PROGRAMS.add(if_on_shape_equality, (X3, X2), (X3, X3 + 1), (X1, X5))


def size_one_is_special(x):
    if x.shape[0] == 1:
        return x.squeeze(0) * 100
    return x.sum(0)


PROGRAMS.add(size_one_is_special, X3, X1, X0, X5)
PROGRAMS.add(size_one_is_special, X1, X3, X0, X5, name="size_one_as_example")


def rank_condition(x):
    if x.dim() == 3:
        x = x.flatten(1)
    elif x.ndim == 1:
        x = x.unsqueeze(0)
    return x @ x.t()


PROGRAMS.add(rank_condition, rand(2, 3, 4), rand(5, 1, 2), name="rank_condition_3")
PROGRAMS.add(rank_condition, rand(4), rand(2), name="rank_condition_1")


def dtype_condition(x):
    if x.dtype == torch.int64:
        x = x.float() / 2
    if not x.is_floating_point():
        return x
    return x.sin()


PROGRAMS.add(dtype_condition, ints(3), ints(5), name="dtype_condition_int")
PROGRAMS.add(dtype_condition, X3, X1, name="dtype_condition_float")


def unpack_shape(x):
    b, c, *rest = x.shape
    n = 1
    for size in rest:
        n *= size
    return x.reshape(b, c * n)


PROGRAMS.add(unpack_shape, rand(2, 3, 4, 5), rand(1, 3, 2, 2), rand(4, 1, 5, 1))


def flatten_with_product(x):
    b, h, w = x.shape
    if h * w > 6:
        return x.view(b, h * w).mean(1)
    return x.sum((1, 2))


PROGRAMS.add(flatten_with_product, rand(2, 2, 3), rand(1, 4, 4), rand(3, 1, 1))


def pad_to_multiple(x):
    h = x.shape[-1]
    pad = (4 - h % 4) % 4
    if pad > 0:
        x = F.pad(x, (0, pad))
    return x.reshape(x.shape[0], -1, 4).sum(-1)


PROGRAMS.add(pad_to_multiple, rand(2, 6), rand(2, 8), rand(1, 3), rand(3, 1))


def crop_to_even(x):
    if x.shape[-1] % 2:
        x = x[..., :-1]
    return x[..., ::2] + x[..., 1::2]


PROGRAMS.add(crop_to_even, rand(2, 5), rand(2, 6), rand(1, 1), rand(3, 2))


def sliding_sum(x, k: int = 2):
    n = x.shape[0] - k + 1
    out = x.new_zeros(max(n, 0), x.shape[1])
    for i in range(k):
        if n > 0:
            out = out + x[i : i + n]
    return out


PROGRAMS.add(sliding_sum, X3, X0, X1, X2, X5)


def landscape_or_portrait(x):
    h, w = x.shape[-2:]
    if h > w:
        x = x.transpose(-1, -2)
    return x.mean(-1)


PROGRAMS.add(landscape_or_portrait, rand(2, 3, 5), rand(2, 5, 3), rand(1, 4, 4))


def resize_short_side(x):
    h, w = x.shape[-2:]
    scale = 8 / min(h, w)
    if scale > 1.0:
        size = (int(h * scale), int(w * scale))
        return F.interpolate(x, size=size, mode="nearest")
    return F.avg_pool2d(x, 2)


PROGRAMS.add(
    resize_short_side, rand(1, 1, 4, 6), rand(1, 1, 10, 12), rand(2, 1, 5, 5), rand(1, 1, 16, 8)
)


def select_top(x):
    k = min(3, x.shape[0])
    values, order = x.topk(k)
    return values, order


PROGRAMS.add(select_top, vec(1.0, 5.0, 3.0, 2.0), vec(2.0), vec(2.0, 3.0), vec())


def mask_then_count(x):
    kept = x[x[:, 0] > 0]
    if kept.shape[0] == 0:
        return torch.zeros(4)
    if len(kept) > 2:
        kept = kept[:2]
    return kept.mean(0)


PROGRAMS.add(mask_then_count, X3, X0, X5.abs(), -X3.abs(), X1.abs())


def nonzero_loop(x):
    total = x.new_zeros(())
    index = torch.nonzero(x > 0).flatten()
    for i in index:
        total = total * 0.5 + x[i]
    return total, index.numel()


PROGRAMS.add(nonzero_loop, vec(1.0, -1.0, 2.0), vec(1.0), vec(3.0, 2.0, 1.0, -4.0))


def tile_to_length(x, n):
    length = int(n)
    while x.shape[0] < length:
        x = torch.cat([x, x])
    return x[:length]


PROGRAMS.add(tile_to_length, *((X3, torch.tensor(n)) for n in (7, 2, 3, 12)), (X1, torch.tensor(4)))


def causal_mask(x):
    t = x.shape[1]
    mask = torch.ones(t, t).tril()
    if t > 1:
        x = x.masked_fill(mask == 0, float("-inf"))
    return x.softmax(-1)


PROGRAMS.add(causal_mask, rand(2, 3, 3), rand(1, 1, 1), rand(2, 5, 5))


def expand_or_repeat(x, y):
    if x.shape[0] < y.shape[0]:
        reps = y.shape[0] // x.shape[0]
        x = x.repeat(reps, 1)
    return x[: y.shape[0]].sum(0) + y.sum(0)


PROGRAMS.add(expand_or_repeat, (X1, X3), (X3, X1), (X2, rand(4, 4)), (X5, X5))


def arange_positions(x):
    positions = torch.arange(x.shape[0]).unsqueeze(1)
    if x.shape[0] > 2:
        positions = positions.flip(0)
    return x + positions


PROGRAMS.add(arange_positions, X3, X0, X1, X5)


def chunked_attention(q):
    out = q.new_zeros((0, q.shape[1]))
    for start in range(0, q.shape[0], 2):
        part = q[start : start + 2]
        out = torch.cat([out, (part @ q.t()).softmax(-1) @ q])
    return out


PROGRAMS.add(chunked_attention, X3, X0, X1, X5)


def tensor_of_sizes(x):
    size = torch.tensor([x.shape[0], x.shape[1]])
    if x.shape[0] > 2:
        size = size * 2
    return size, x.sum()


PROGRAMS.add(tensor_of_sizes, X3, X1, X5, rand(2, 7))


def static_dimension_choice(x):
    if x.shape[1] == 4:
        return x.relu()
    return x.tanh()


PROGRAMS.add(static_dimension_choice, X3, X1, dynamic={"x": {0: "n"}})


def shape_as_output(x):
    h, w = x.shape
    return {"size": (h, w), "area": h * w, "longest": max(h, w)}


PROGRAMS.add(shape_as_output, X3, X1, rand(6, 2))


def negative_index_of_size(x):
    n = x.size(-1)
    return x[:, -1] if n > 2 else x[:, n - 1] * 2


PROGRAMS.add(negative_index_of_size, X3, rand(3, 1), rand(1, 2))


class UnfoldsWhatIsPadded(torch.nn.Module):
    """Patches are merged after padding to a multiple of their size, as Swin does it."""

    def __init__(self):
        super().__init__()
        self.sample = torch.nn.Unfold((2, 2), stride=2)

    def forward(self, x):
        pad_h, pad_w = x.shape[-2] % 2, x.shape[-1] % 2
        if pad_h > 0 or pad_w > 0:
            x = torch.nn.functional.pad(x, [0, pad_w, 0, pad_h])
        return self.sample(x)


PROGRAMS.add(
    UnfoldsWhatIsPadded,
    *(rand(1, 3, h, w, seed=h) for h, w in ((6, 4), (5, 4), (2, 3), (1, 1), (9, 7))),
    dynamic={"x": {2: "h", 3: "w"}},
)


def copied_where_a_size_is_known(x):
    y = x + 1
    if x.shape[0] == 3:
        x, y = x.clone(), y.contiguous()
    return x * 2, y.relu()


PROGRAMS.add(copied_where_a_size_is_known, X3, X0, X1, X5)


class HeadsOfTheLastRows(torch.nn.Module):
    """As many steps of a causal convolution as there were, as in linear attention."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv1d(12, 12, 4, groups=12, padding=3)

    def forward(self, x):
        batch, steps, _ = x.shape
        y = self.conv(x.transpose(1, 2))[:, :, :steps]
        q, k, v = torch.split(y[:, :, -steps:].transpose(1, 2), [4, 4, 4], dim=-1)
        q, k, v = (part.view((batch, steps, -1, 2)) for part in (q, k, v))
        return q * k, v.sum(1) if steps > 2 else v.sum(1) * 2


PROGRAMS.add(
    HeadsOfTheLastRows,
    *(rand(b, n, 12, seed=n) for b, n in ((2, 5), (1, 1), (3, 2), (1, 9))),
    dynamic={"x": {0: "batch", 1: "steps"}},
)


def map_of_tokens(x):
    """Tokens behind the first one as an image, in front of which it is put again."""
    first, rest = torch.split(x, [1, x.shape[1] - 1], 1)
    high = 2 if x.shape[1] > 4 else 1
    wide = rest.shape[1] // high
    image = rest.permute(0, 2, 1).view(x.shape[0], x.shape[2], high, wide)
    return torch.cat((first, image.relu().flatten(2).transpose(1, 2)), 1)


PROGRAMS.add(map_of_tokens, *(rand(b, n, 3, seed=n) for b, n in ((2, 5), (1, 3), (3, 7), (2, 2))))
