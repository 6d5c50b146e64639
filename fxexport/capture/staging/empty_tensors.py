"""Tensors without elements on one path of a branch: they may stand for any rank."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch

from fxexport import _torch_compat as compat
from fxexport.capture.recording.types import Value
from fxexport.capture.session.session import Session

__all__ = ["Emptiness"]


# The condition of one path, and the facts learnt on it.
_Known = tuple[Value, Mapping[str, compat.SizeFact]]


class Emptiness:
    """Tells which tensors are certainly empty on the two paths of a branch on a size."""

    def __init__(self, session: Session, facts: Mapping[str, _Known]) -> None:
        """`facts`: for "then" and "other", the condition that holds and the facts learnt there."""
        self._session = session
        self._facts = facts

    def takes_rank(self, side: str, empty: torch.Tensor, full: torch.Tensor) -> bool:
        """Whether the tensor of one side can stand as one, also empty, of the other's rank."""
        session = self._session
        if empty.dtype != full.dtype or not self._certain(side, empty):
            return False
        sizes = session.tensors.inner(full).shape
        if all(session.in_scope(size) for size in sizes) and not self._certain(side, full):
            return False
        session.note(
            "assumption",
            f"a tensor without elements of {empty.dim()} dimensions has {full.dim()} in the file, "
            "as on the other path",
        )
        return True

    def _certain(self, side: str, tensor: torch.Tensor) -> bool:
        """Whether a tensor has no elements where one side's condition holds."""
        if not isinstance(self._facts[side][0], torch.SymBool):
            return False
        session = self._session
        with self.knowing(side):
            return any(
                session.known(size <= 0) is True for size in session.tensors.inner(tensor).shape
            )

    @contextlib.contextmanager
    def knowing(self, side: str) -> Iterator[None]:
        """Around what is asked where one side's condition holds."""
        fact, learnt = self._facts[side]
        session = self._session
        with session.env.supposing():
            if isinstance(fact, torch.SymBool):
                with compat.no_recording():
                    session.env.assume(fact, "path condition")
            for item in learnt.values():
                session.env.learn(item)
            yield
