"""Complex numbers in branches and loops, in lists, in state, and written in place."""

from __future__ import annotations

import torch
from torch import nn

from tests.programs.program import Programs, rand

PROGRAMS = Programs("complex_numbers")


def spectrum(rows: int, columns: int, *, seed: int) -> torch.Tensor:
    """A complex tensor."""
    return torch.view_as_complex(rand(rows, columns, 2, seed=seed))


X3, X0, X1, X5 = (rand(n, 8, seed=n) for n in (3, 0, 1, 5))
NEG3 = -X3.abs()
C3, C0, C1, C5 = (spectrum(n, 4, seed=20 + n) for n in (3, 0, 1, 5))
# Sums of the real parts are above 0, and below.
UP, DOWN = C3 + 3, C3 - 3


def turned_in_a_branch(c):
    if c.real.sum() > 0:
        c = c * 2j
    else:
        c = c.conj() + (1 - 1j)
    return c, c.abs()


PROGRAMS.add(turned_in_a_branch, UP, DOWN, C0, C1, C5)


def real_on_one_path(x):
    if x.sum() > 0:
        c = torch.complex(x, x * 2)
    else:
        c = x.to(torch.complex64)
    return c * 1j


PROGRAMS.add(real_on_one_path, X3, NEG3, X0, X1, X5)


def returned_early(c):
    for row in c:
        if row.abs().max() > 2:
            return row * 1j
    return torch.zeros(4, dtype=torch.complex64)


PROGRAMS.add(returned_early, C3 * 0.1, C3 * 9, C0, C1, C5)


def carried_by_a_loop(c):
    total = torch.zeros(4, dtype=torch.complex64)
    for row in c:
        total = total * 0.5j + row
    return total, total.angle()


PROGRAMS.add(carried_by_a_loop, C3, C0, C1, C5)


def carried_as_a_real_number_at_first(c):
    scale = torch.ones(4) * (1 + 0j)
    for k in range(c.shape[0]):
        if k % 2 == 1:
            scale = scale * c[k]
    return scale


PROGRAMS.add(carried_as_a_real_number_at_first, C3, C0, C1, C5)


def rows_collected(c):
    rows = []
    for row in c:
        if row.real.sum() > 0:
            rows.append(row * 2)
        else:
            rows.append(row.conj())
    return torch.stack(rows) if len(rows) > 0 else c


PROGRAMS.add(rows_collected, C3, C1, C5, C0)


def some_rows_collected(c):
    rows = [torch.full((4,), 1j)]
    for row in c:
        if row.imag.sum() > 0:
            rows.append(row)
    return torch.cat(rows, -1), len(rows)


PROGRAMS.add(some_rows_collected, C3, C1, C5, C0)


def power_iteration(c):
    v = torch.ones(4, dtype=torch.complex64)
    steps = 0
    while steps < 20 and bool((v - c.sum(0)).abs().max() > 1e-3):
        v = 0.5 * v + 0.5 * c.sum(0)
        steps += 1
    return v, steps


PROGRAMS.add(power_iteration, C3, C0, C1, C5)


def written_in_place(c):
    c = c.clone()
    for k in range(c.shape[0]):
        if k % 2 == 0:
            c[k] *= 1j
        else:
            c[k, 1:] = 0
            c.real[k] += 1
    c[c.real > 1] = 2j
    return c


PROGRAMS.add(written_in_place, C3, C0, C1, C5)


def rotated_by_position(x):
    freqs = 1.0 / (10.0 ** (torch.arange(0, 8, 2) / 8))
    turns = torch.outer(torch.arange(x.shape[0]), freqs)
    cis = torch.polar(torch.ones_like(turns), turns)
    pairs = torch.view_as_complex(x.reshape(x.shape[0], 4, 2))
    return torch.view_as_real(pairs * cis).flatten(1)


PROGRAMS.add(rotated_by_position, X3, X0, X1, X5)


def filtered(x):
    spectrum = torch.fft.rfft(x)
    if x.sum() > 0:
        spectrum[..., 2:] = 0
    else:
        spectrum = spectrum * torch.tensor([1, 1j, -1, -1j, 1])
    return torch.fft.irfft(spectrum, n=x.shape[-1])


PROGRAMS.add(filtered, X3, NEG3, X1, X5, dynamic={"x": {0: "n"}})


def transformed_again_and_again(x):
    c = torch.fft.fft(x)
    for _ in range(x.shape[0]):
        c = torch.fft.ifft(c * c.conj() / (1 + c.abs().sum()), norm="ortho")
    return c.real


PROGRAMS.add(transformed_again_and_again, X3, X1, X5)


class Smoothed(nn.Module):
    """Keeps a spectrum from frame to frame."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.zeros(5, dtype=torch.complex64))
        self.gain = nn.Parameter(torch.randn(5, dtype=torch.complex64))

    def forward(self, x):
        for frame in x:
            self.kept = 0.5 * self.kept + torch.fft.rfft(frame) * self.gain
        return self.kept.abs()


PROGRAMS.add(Smoothed, X3, X0, X1, X5, dynamic={"x": {0: "n"}})


def chosen_by_comparison(c):
    same = c == c[:1]
    return torch.where(same, c * 2, torch.zeros_like(c)), same.any(), (c != 0).sum()


PROGRAMS.add(chosen_by_comparison, C3, C1, C5)


def products_of_matrices(c):
    out = torch.eye(4, dtype=torch.complex64)
    for row in c:
        out = out @ torch.outer(row, row.conj()) + 0.1j
    return out / out.abs().max()


PROGRAMS.add(products_of_matrices, C3, C0, C1, C5)


def in_a_dict(c):
    found = {"first": c.sum(0)}
    for k, row in enumerate(c):
        if k % 2:
            found["first"] = found["first"] * row
        found["last"] = row
    return found["first"], found.get("last", c.sum(0))


PROGRAMS.add(in_a_dict, C3, C0, C1, C5)


def layer_of_a_fourier_operator(x, w):
    spectrum = torch.fft.rfft(x)
    out = torch.zeros(x.shape[0], w.shape[1], x.size(-1) // 2 + 1, dtype=torch.cfloat)
    out[:, :, :3] = torch.einsum("bix,iox->box", spectrum[:, :, :3], w)
    return torch.fft.irfft(out, n=x.size(-1))


PROGRAMS.add(
    layer_of_a_fourier_operator,
    *(
        (rand(batch, 3, n, seed=n), torch.view_as_complex(rand(3, 4, 3, 2, seed=9)))
        for batch, n in ((2, 16), (1, 9), (3, 20))
    ),
    dynamic={"x": {0: "batch", 2: "n"}},
)


def tokens_mixed(x):
    return torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real


PROGRAMS.add(tokens_mixed, *(rand(2, n, 8, seed=n) for n in (7, 1, 12)), dynamic={"x": {1: "n"}})


def autocorrelation(q, k):
    spectrum = torch.fft.rfft(q, dim=1) * torch.conj(torch.fft.rfft(k, dim=1))
    found = torch.fft.irfft(spectrum, n=q.shape[1], dim=1).mean(-1)
    return found, found.argmax(-1)


PROGRAMS.add(
    autocorrelation,
    *((rand(2, n, 4, seed=n), rand(2, n, 4, seed=n + 1)) for n in (12, 5, 30)),
    dynamic={"q": {1: "n"}, "k": {1: "n"}},
)


def read_out(c):
    return c * c.sum().item()


PROGRAMS.add(read_out, C3, expect="refuse", match="complex number is read out")
