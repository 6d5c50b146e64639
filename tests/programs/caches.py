"""Decoders that look back: attention over as many keys as there are so far."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.programs.program import Programs, rand

PROGRAMS = Programs("caches")
X = [rand(n, 4, seed=n) for n in (4, 0, 1, 2, 7)]


def masked_by_the_trip(x):
    y = torch.zeros_like(x)
    keys = x[:0]
    for i in range(x.shape[0]):
        keys = torch.cat([keys, x[i : i + 1]])
        near = torch.arange(i + 1) >= i - 2
        y[i] = F.scaled_dot_product_attention(
            x[None, i : i + 1], keys[None], keys[None], attn_mask=near[None]
        )[0, 0]
    return y, keys


PROGRAMS.add(masked_by_the_trip, *X)


def masked_by_a_counter(x):
    y = torch.zeros_like(x)
    keys, k = x[:0], 0
    while k < x.shape[0]:
        keys = torch.cat([keys, x[k : k + 1]])
        even = torch.arange(k + 1) % 2 == k % 2
        y[k] = F.scaled_dot_product_attention(
            x[None, k : k + 1], keys[None], keys[None], attn_mask=even[None]
        )[0, 0]
        k += 1
    return y


PROGRAMS.add(masked_by_a_counter, *X)


def heads_under_a_mask_of_rows(x):
    heads = x.reshape(1, x.shape[0], 2, 2).transpose(1, 2)
    total = x.sum() * 0
    for i in range(x.shape[0]):
        mask = torch.ones(i + 1, dtype=torch.bool)
        mask[: i // 2] = False
        seen = heads[:, :, : i + 1]
        found = F.scaled_dot_product_attention(
            heads[:, :, i : i + 1], seen, seen, attn_mask=mask[None, None, None]
        )
        total = total * 0.5 + found.sum()
    return total


PROGRAMS.add(heads_under_a_mask_of_rows, *X)


def weights_by_the_trip(x):
    bias = torch.zeros(1, 1)
    out = x[:0]
    for i in range(x.shape[0]):
        bias = F.pad(bias, (0, 1)) - 0.25 if i > 0 else bias
        found = F.scaled_dot_product_attention(
            x[None, i : i + 1], x[None, : i + 1], x[None, : i + 1], attn_mask=bias[None]
        )
        out = torch.cat([out, found[0]])
    return out


PROGRAMS.add(weights_by_the_trip, *X)
