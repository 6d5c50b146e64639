"""Functions on spectra written with others, since PyTorch's own take numbers for sizes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fxexport.capture.session.session import Session
from fxexport.source.exceptions import note_raised

__all__ = ["istft"]


def istft(
    session: Session,
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
    if not 0 < hop <= (n_fft if win_length is None else win_length) <= n_fft:
        raise note_raised(
            RuntimeError("istft expected 0 < hop_length <= win_length and win_length <= n_fft")
        )
    _check(input, n_fft, bins, win_length, window, onesided, return_complex)
    batch = 1 if input.dim() == 2 else input.shape[0]
    _needs(session, batch > 0, "istft has a spectrum")
    _needs(session, frames > 0, "istft has a frame")
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
    sums = torch.ops.aten.unfold_backward(rows * weights, [rows.shape[0], size], 1, n_fft, hop)
    start = n_fft // 2 if center else 0
    end = size - start if length is None else torch.sym_min(start + length, size)
    _needs(session, end > start, "istft has a sample to give")
    overlaps = _overlaps(weights.square(), hop, frames)[start:end]
    # As PyTorch: what no window reaches is no quotient.
    session.raises_unless(
        ~(overlaps.amin() < 1e-11), "the windows of istft overlap: their squares have a sum"
    )
    signal: Tensor = sums[:, start:end] / overlaps
    if length is not None:
        missing = torch.sym_max(0, start + length - size)
        signal = torch.nn.functional.pad(signal, (0, missing)).narrow(1, 0, length)
    return signal[0] if input.dim() == 2 else signal


def _needs(session: Session, condition: bool | torch.SymBool, text: str) -> None:
    """What PyTorch raises on otherwise, and the file does."""
    if session.known(condition) is False:
        raise note_raised(RuntimeError(f"expected that {text}"))
    session.needs(condition, text)


def _overlaps(weights: Tensor, hop: int, frames: Any) -> Tensor:
    """The sum of all frames' weights for each sample.

    A frame is cut into pieces of `hop` samples. Each piece of the signal is a sum of some pieces
    of a frame: of all but at the ends. That product is small beside adding up whole frames.
    (What is NaN in a window is so in the samples at the end as well.)
    """
    count = -(-weights.shape[0] // hop)
    pieces = torch.nn.functional.pad(weights, (0, count * hop - weights.shape[0]))
    places = torch.arange(frames + count - 1)[:, None] - torch.arange(count)
    met = ((places >= 0) & (places < frames)).to(weights.dtype)
    return (met @ pieces.reshape(count, hop)).reshape(-1)


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
