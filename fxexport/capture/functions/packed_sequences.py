"""Packed sequences, computed with ordinary operators.

PyTorch's own packing reads the lengths. Here the packed rows are those of a mask, in the same
order: time by time, the longest sequence first. LSTM, GRU and RNN on them stay whole.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.weak import WeakIdKeyDictionary

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Size
from fxexport.capture.session.session import Session, is_symbolic

__all__ = ["PackedSequences"]


class PackedSequences:
    """The replacements of PyTorch's two functions that pack and pad."""

    def __init__(self, session: Session) -> None:
        self._session = session
        # the batch_sizes of a packed sequence -> how many sequences it has
        self._batches: Any = WeakIdKeyDictionary()

    def pack(self, x: torch.Tensor, lengths: torch.Tensor, batch_first: bool) -> object:
        """``torch._pack_padded_sequence``: the rows, and how many sequences have each step."""
        session = self._session
        if batch_first:
            x = x.transpose(0, 1)
        lengths = lengths.to(torch.int64)
        self._keep_lengths(lengths, x.shape[0])
        longest: Any = lengths.max().item()
        if is_symbolic(longest):
            session.env.mark_size(longest.node.expr)
            session.env.assume(longest >= 1, "a sequence is not empty")
            session.env.assume(longest <= x.shape[0], "a length within the padded size")
        mask = torch.arange(longest)[:, None] < lengths[None, :]
        step, sequence = mask.nonzero().unbind(1)
        sizes = mask.sum(1)
        self._batches[sizes] = x.shape[1]
        return x[step, sequence], sizes

    def _keep_lengths(self, lengths: torch.Tensor, padded: Size) -> None:
        """What PyTorch raises on otherwise, and what packing takes for granted."""
        self._session.note(
            "assumption",
            "each length is at least 1 and at most the padded size, and the longest comes first "
            "(enforce_sorted=False sees to the order)",
        )
        needed: Any = (
            (lengths >= 1, "RuntimeError: expected that each length is at least 1"),
            # PyTorch gives fewer rows then than the lengths say.
            (lengths <= padded, "expected that each length is at most the padded size"),
            (
                lengths[:-1] >= lengths[1:],
                "RuntimeError: expected that the longest sequence comes first",
            ),
        )
        for holds, text in needed:
            self._session.guard(holds.all(), text)

    def pad(
        self,
        data: torch.Tensor,
        sizes: torch.Tensor,
        batch_first: bool,
        padding_value: float,
        total_length: Size,
    ) -> object:
        """``torch._pad_packed_sequence``: the padded tensor, and the lengths."""
        batch = self._batches.get(sizes)
        if batch is None:
            batch = sizes[0].item()
        mask = torch.arange(batch)[None, :] < sizes[:, None]
        step, sequence = mask.nonzero().unbind(1)
        fits = step.shape[0] == data.shape[0]
        self._session.guard(fits, "RuntimeError: expected that there is a row for each step")
        self._session.env.assume(fits, "a row for each step")
        longer = is_symbolic(total_length) or total_length > 0
        rows = total_length if longer else sizes.shape[0]
        padded = data.new_full((rows, batch, *data.shape[1:]), padding_value)
        padded = padded.index_put((step, sequence), data)
        return padded.transpose(0, 1) if batch_first else padded, mask.sum(0)

    def first_size(self, sizes: torch.Tensor) -> torch.Tensor | None:
        """``batch_sizes[0]``, known to be the number of sequences; None for other tensors."""
        batch = self._batches.get(sizes)
        if batch is None:
            return None
        number = torch.scalar_tensor(batch, dtype=torch.int64)
        if is_symbolic(batch):
            compat.remember_item(self._session.tensors.inner(number), batch)
        return number
