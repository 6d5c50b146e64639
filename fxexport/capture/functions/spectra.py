"""Functions on spectra written with others, since PyTorch's own take numbers for sizes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fxexport.source.exceptions import note_raised

__all__ = ["istft"]


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: Any = None,
    return_complex: bool = False,
) -> Tensor:
    """`torch.istft`, for a number of frames and a length that may be dynamic."""
    hop = n_fft // 4 if hop_length is None else hop_length
    bins, frames = input.shape[-2:]
    _check(input, n_fft, bins, win_length, window, onesided, return_complex)
    weights = _centred(input, n_fft, win_length, window)
    rows = input.transpose(-2, -1)
    norm = "ortho" if normalized else "backward"
    if return_complex:
        rows = torch.fft.ifft(rows, norm=norm)
    else:
        rows = torch.fft.irfft(rows[..., : n_fft // 2 + 1], n=n_fft, norm=norm)
    if rows.dim() == 2:
        rows = rows[None]
    size = n_fft + hop * (frames - 1)
    ones = weights.square().expand(1, frames, n_fft)
    sums = torch.ops.aten.unfold_backward(rows * weights, [rows.shape[0], size], 1, n_fft, hop)
    overlaps = torch.ops.aten.unfold_backward(ones, [1, size], 1, n_fft, hop)
    signal: Tensor = sums / overlaps
    start = n_fft // 2 if center else 0
    if length is None:
        signal = signal[:, start : size - start]
    else:
        missing = torch.sym_max(0, start + length - size)
        signal = torch.nn.functional.pad(signal, (0, missing)).narrow(1, start, length)
    return signal[0] if input.dim() == 2 else signal


def _check(
    spectrum: Tensor,
    n_fft: int,
    bins: Any,
    win_length: int | None,
    window: Tensor | None,
    onesided: bool | None,
    return_complex: bool,
) -> None:
    """Raises as PyTorch does."""
    if not spectrum.is_complex() or spectrum.dim() not in (2, 3):
        raise note_raised(RuntimeError("istft expects a complex tensor of 2 or 3 dimensions"))
    half = bins != n_fft if onesided is None else onesided
    wanted = n_fft // 2 + 1 if half else n_fft
    if bins != wanted:
        raise note_raised(RuntimeError(f"istft expected {wanted} frequencies, got {bins}"))
    if half and return_complex:
        raise note_raised(
            RuntimeError("istft: one side of a spectrum cannot give a complex signal")
        )
    if window is not None and window.shape != (n_fft if win_length is None else win_length,):
        raise note_raised(
            RuntimeError("istft: the window must have one dimension, of size win_length")
        )


def _centred(spectrum: Tensor, n_fft: int, win_length: int | None, window: Tensor | None) -> Tensor:
    """The window, with zeros around it up to the size of a frame."""
    size = n_fft if win_length is None else win_length
    if window is None:
        window = torch.ones(size, dtype=spectrum.dtype.to_real(), device=spectrum.device)
    left = (n_fft - size) // 2
    return torch.nn.functional.pad(window, (left, n_fft - size - left))
