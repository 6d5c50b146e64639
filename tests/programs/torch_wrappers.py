"""What PyTorch puts around functions and modules: compile, profiling, asserts, vmap."""

from __future__ import annotations

import torch
from torch import nn

from tests.programs.program import Programs, rand

PROGRAMS = Programs("torch_wrappers")
ROWS = (rand(3, 4) + 1, rand(3, 4) - 1, rand(1, 4) + 2, rand(5, 4))


class CompiledForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    @torch.compile(backend="eager")
    def forward(self, x):
        return self.linear(x) * 2


PROGRAMS.add(CompiledForward, *ROWS)


class DisabledForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    @torch.compiler.disable(recursive=False)
    def scaled(self, x, factor=2):
        return self.linear(x) * factor

    @torch.compiler.disable
    def forward(self, x):
        if x.sum() > 0:
            return self.scaled(x)
        return self.scaled(x, factor=3)


PROGRAMS.add(DisabledForward, *ROWS)


def profiled(x):
    with torch.profiler.record_function("first"):
        y = x * 2
    with torch.autograd.profiler.record_function("second"):
        if y.sum() > 0:
            y = y + 1
    return y


PROGRAMS.add(profiled, *ROWS)


class InBranch(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        if x.sum() > 0:
            return self.linear(x)
        return x * 2


PROGRAMS.add(lambda: nn.DataParallel(InBranch()), *ROWS, name="data_parallel", factory=True)


def asserted(x):
    torch._assert(x.shape[0] > 0, "no rows")
    torch._assert(x.shape[1] == 4, f"{x.shape[1]} columns")
    torch._check(x.shape[0] < 1000, lambda: "too many")
    torch._check_value(bool(x.sum() > -1000))
    torch._assert(x.sum() > -100, "too small")
    return x * 2


PROGRAMS.add(asserted, *ROWS)


class PatchEmbedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection = nn.Conv2d(3, 4, 4, 4)

    def forward(self, x):
        _, _, height, width = x.shape
        torch._assert(height % 4 == 0, f"height {height}")
        torch._assert(width % 4 == 0, f"width {width}")
        return self.projection(x).flatten(2).transpose(1, 2)


PROGRAMS.add(PatchEmbedding, rand(2, 3, 8, 8), rand(1, 3, 16, 4), rand(5, 3, 4, 12))


def caught_assert(x):
    try:
        torch._assert(x.sum() > 0, "negative")
    except AssertionError:
        return x * 3
    return x


PROGRAMS.add(caught_assert, *ROWS)


def indexed_in_vmap(x):
    pairs = torch.vmap(torch.vmap(lambda q, k: x[q] * x[k, None].sum(), (None, 0)), (0, None))
    rows = torch.vmap(lambda row, q: row[q] * 2)(x[:3], torch.arange(3))
    return (
        pairs(torch.arange(3), torch.arange(2)),
        rows,
        torch.vmap(lambda q: x[:, q])(torch.arange(4)),
    )


PROGRAMS.add(indexed_in_vmap, rand(3, 4), rand(3, 4) - 1, dynamic=False)


class GrowingParameter(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.arange(12.0).reshape(3, 4), requires_grad=False)

    def forward(self, x):
        n = x.shape[0]
        if n > self.table.shape[0]:
            self.table = nn.Parameter(torch.arange(4.0 * n).reshape(n, 4), requires_grad=False)
        return x + self.table[:n]


PROGRAMS.add(GrowingParameter, *ROWS)


class KeptParameter(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))
        self.linear = nn.Linear(4, 4)
        self.cache = None

    def forward(self, x):
        self.cache = self.gain
        self.last = self.linear
        return self.last(x) * self.cache


PROGRAMS.add(KeptParameter, *ROWS)


class Largest(nn.Module):
    def forward(self, x):
        return torch.max(x, 1)


class Sorted(nn.Module):
    def forward(self, x):
        return torch.sort(x, 1), torch.min(x, 0), torch.topk(x, 2)


PROGRAMS.add(lambda: torch.jit.script(Largest()), *ROWS, name="scripted_largest", factory=True)
PROGRAMS.add(lambda: torch.jit.script(Sorted()), *ROWS, name="scripted_sorted", factory=True)


class Quantized(nn.Module):
    def __init__(self):
        super().__init__()
        # Its own module of PyTorch, but for the packed weights.
        self.linear = nn.quantized.dynamic.Linear(4, 4)
        weight = torch.quantize_per_tensor(torch.eye(4), 0.1, 0, torch.qint8)
        self.linear.set_weight_bias(weight, torch.zeros(4))

    def forward(self, x):
        return self.linear(x)


PROGRAMS.add(Quantized, *ROWS, expect="refuse", match="quantized operator")


def drawn_without_a_generator(x):
    n = x.shape[0]
    noise = torch.randn((n, 4), generator=None, dtype=x.dtype) + torch.rand(n, 4, generator=None)
    noise = noise + torch.normal(0.0, 1.0, (n, 4), generator=None)
    places = torch.randperm(n, generator=None)[:, None] + torch.randint(
        0, 3, (n, 4), generator=None
    )
    return x + noise * 0 + places * 0


PROGRAMS.add(drawn_without_a_generator, *ROWS)


def sizes_of_padding_from_data(x, a, b):
    ones = torch.ones(1, 1, 3)
    y = torch.nn.functional.conv1d(torch.nn.functional.pad(x, (int(a), 0))[:, None], ones)
    z = torch.nn.functional.conv1d(torch.nn.functional.pad(x, (0, int(b)))[:, None], ones)
    return y + z


PROGRAMS.add(
    sizes_of_padding_from_data,
    (rand(2, 9), torch.tensor(2), torch.tensor(2)),
    (rand(2, 7), torch.tensor(1), torch.tensor(1)),
    (rand(1, 5), torch.tensor(-2), torch.tensor(-2)),
)
