"""PyTorch's attention layers in eval, with masks: eager takes a fast path with other values."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from tests.programs.program import Programs, rand

PROGRAMS = Programs("attention_paths", fast_paths=True)


def padding(*lengths: int, size: int) -> torch.Tensor:
    """A mask that is true where a row has no key; a negative length has the padding in front."""
    places = torch.arange(size)
    rows = [places >= n if n >= 0 else places < size + n for n in lengths]
    return torch.stack(rows)


# Padding at the end, in front, everywhere, nowhere; other sizes.
ROWS = (
    (rand(2, 4, 8), padding(4, 2, size=4)),
    (rand(2, 4, 8), padding(3, -2, size=4)),
    (rand(2, 4, 8), padding(0, 3, size=4)),
    (rand(3, 4, 8), padding(4, 4, 4, size=4)),
    (rand(3, 6, 8), padding(2, 3, 1, size=6)),
    (rand(1, 1, 8), padding(1, size=1)),
    (rand(1, 5, 8), padding(-5, size=5)),
)


class Encoder(nn.Module):
    def __init__(self, layers: int = 1, nested: bool = True, norm: bool = False, **options):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **options)
        self.encoder = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(8) if norm else None, enable_nested_tensor=nested
        )
        if norm:
            nn.init.constant_(self.encoder.norm.bias, 0.5)

    def forward(self, x, pad):
        return self.encoder(x, src_key_padding_mask=pad)


PROGRAMS.add(lambda: Encoder(layers=2), *ROWS, name="encoder", factory=True)
PROGRAMS.add(lambda: Encoder(norm=True), *ROWS, name="with_norm", factory=True)
PROGRAMS.add(lambda: Encoder(nested=False), *ROWS, name="not_nested", factory=True)
PROGRAMS.add(lambda: Encoder(norm_first=True), *ROWS, name="norm_first", factory=True)
PROGRAMS.add(lambda: Encoder(activation=nn.SiLU()), *ROWS, name="other_activation", factory=True)


class FloatMask(Encoder):
    def forward(self, x, pad):
        mask = torch.zeros(pad.shape).masked_fill(pad, -math.inf)
        return self.encoder(x, src_key_padding_mask=mask)


PROGRAMS.add(FloatMask, *ROWS)


class Causal(Encoder):
    def forward(self, x, pad):
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return self.encoder(x, mask=mask, src_key_padding_mask=pad)


PROGRAMS.add(Causal, *ROWS)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x, pad):
        blocked = torch.zeros(x.shape[1], x.shape[1], dtype=torch.bool)
        blocked[0] = True
        return self.layer(x, src_key_padding_mask=pad), self.layer(x, src_mask=blocked)


PROGRAMS.add(Layer, *ROWS)


class Attention(nn.Module):
    def __init__(self, batch_first: bool = True, weights: bool = False):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.weights = weights

    def forward(self, x, pad):
        if not self.attention.batch_first:
            x = x.transpose(0, 1)
        heads = torch.zeros(x.shape[0] * 2, x.shape[1], x.shape[1], dtype=torch.bool)
        heads[1, -1] = True
        outputs = [self.attention(x, x, x, key_padding_mask=pad, need_weights=self.weights)[0]]
        if self.attention.batch_first:
            outputs.append(self.attention(x, x, x, attn_mask=heads, need_weights=False)[0])
        outputs.append(self.attention(x, x * 2, x, key_padding_mask=pad, need_weights=False)[0])
        return outputs


PROGRAMS.add(Attention, *ROWS)
PROGRAMS.add(lambda: Attention(batch_first=False), *ROWS, name="batch_second", factory=True)
PROGRAMS.add(lambda: Attention(weights=True), *ROWS, name="with_weights", factory=True)


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)

    def forward(self, x, pad):
        return self.transformer(x, x * 0.5, src_key_padding_mask=pad, memory_key_padding_mask=pad)


PROGRAMS.add(Whole, *ROWS)


class InBranch(Encoder):
    def forward(self, x, pad):
        if x.sum() > 0:
            return self.encoder(x, src_key_padding_mask=pad)
        return self.encoder(-x)


PROGRAMS.add(InBranch, *ROWS, (-rand(2, 4, 8), padding(4, 2, size=4)))


class NotChecked(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, mask_check=False)

    def forward(self, x, pad):
        return self.encoder(x, src_key_padding_mask=pad)


PROGRAMS.add(NotChecked, *ROWS)


def grouped_heads(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


def heads(*counts):
    return tuple(rand(2, count, 5, 4, seed=count) for count in counts)


GROUPS = (heads(6, 2, 2), heads(6, 2, 3), heads(6, 3, 1), heads(6, 6, 2), heads(6, 6, 6))
PROGRAMS.add(grouped_heads, *GROUPS)
PROGRAMS.add(grouped_heads, *GROUPS, name="grouped_heads_named",
             dynamic={"k": {1: "keys"}, "v": {1: "values"}})  # fmt: skip


def heads_repeated_without_a_mask(q, k, v):
    options = {"enable_gqa": True}
    if q.sum() > 0:
        k = k.repeat_interleave(6 // k.shape[1], dim=1)
        options = {}
    return F.scaled_dot_product_attention(q, k, v, **options)


NEGATIVE = tuple(-x for x in heads(6, 2, 6))
PROGRAMS.add(heads_repeated_without_a_mask, heads(6, 2, 6), NEGATIVE, dynamic=None)
