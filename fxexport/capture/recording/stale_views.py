"""Views whose tensor has been written: functionalization makes them anew where they are read next.

Where that is in a branch or a loop, the new value is one of that body alone, and no other body can
use it. So they are made anew once more after a body that has read them.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, MutableMapping

import torch
from torch.utils.weak import WeakIdKeyDictionary

from fxexport import _torch_compat as compat
from fxexport.capture.recording.frame import Frame
from fxexport.capture.recording.recorder import Recorder

__all__ = ["StaleViews"]

_Views = list[tuple["weakref.ref[torch.Tensor]", "weakref.ref[Frame]"]]


class StaleViews:
    """The views of each tensor, and the tensors that have been written since they were read.

    Args:
        recorder: knows which graphs are being written.
        read: gives the value of a tensor, in the graph that is written now.
        replace: gives a tensor that is no view a value; its views are made anew when they are read.
    """

    def __init__(
        self,
        recorder: Recorder,
        read: Callable[[torch.Tensor], torch.Tensor],
        replace: Callable[[torch.Tensor, torch.Tensor], None],
    ) -> None:
        self._recorder = recorder
        self._read = read
        self._replace = replace
        self._views: MutableMapping[torch.Tensor, _Views] = WeakIdKeyDictionary()
        # what was written -> the graph in which it was
        self._written: MutableMapping[torch.Tensor, weakref.ref[Frame]] = WeakIdKeyDictionary()

    def made(self, view: torch.Tensor, base: torch.Tensor) -> None:
        """A view has been made."""
        known = [pair for pair in self._views.get(base, []) if pair[0]() is not None]
        self._views[base] = [*known, (weakref.ref(view), weakref.ref(self._recorder.frame))]

    def written(self, base: torch.Tensor) -> None:
        """A tensor, or a view of it, is given other contents."""
        self._written[base] = weakref.ref(self._recorder.frame)

    @contextlib.contextmanager
    def body(self) -> Iterator[None]:
        """Around a body: what is made in there for it alone is forgotten when it ends."""
        if not self._written:
            yield
            return
        bases = [base for base, where in self._written.items() if self._is_open(where())]
        for base in bases:
            self._read(base)  # what was written through a view comes to it here
        try:
            yield
        finally:
            for base in bases:
                if any(self._is_lost(view()) for view, _ in self._views.get(base, [])):
                    self._replace(base, self._read(base))

    def _is_lost(self, view: torch.Tensor | None) -> bool:
        """Whether the value that a view has now is one of a graph that is no longer written."""
        if view is None:
            return False
        value = compat.present_inner_of(view)
        return not any(id(value) in frame.tensors for frame in self._open_frames())

    def _open_frames(self) -> Iterator[Frame]:
        frame: Frame | None = self._recorder.frame
        while frame is not None:
            yield frame
            frame = frame.parent

    def _is_open(self, frame: Frame | None) -> bool:
        """Whether a graph is being written, or one inside of it."""
        return any(frame is present for present in self._open_frames())
