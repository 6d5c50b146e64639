"""Views whose tensor has been written: functionalization makes them anew where they are read next.

Where that is in a branch or a loop, the new value is one of that body alone, and no other body can
use it. So all views are brought up to date before a body begins.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, MutableMapping

import torch
from torch.utils.weak import WeakIdKeyDictionary

from fxexport.capture.recording.frame import Frame
from fxexport.capture.recording.recorder import Recorder

__all__ = ["StaleViews"]

_Views = list[tuple["weakref.ref[torch.Tensor]", "weakref.ref[Frame]"]]


class StaleViews:
    """The views of each tensor, and the tensors that have been written since they were read.

    Args:
        recorder: knows which graphs are being written.
        read: gives the value of a tensor, in the graph that is written now.
    """

    def __init__(self, recorder: Recorder, read: Callable[[torch.Tensor], object]) -> None:
        self._recorder = recorder
        self._read = read
        self._views: MutableMapping[torch.Tensor, _Views] = WeakIdKeyDictionary()
        # Whatever has been written once: functionalization takes each view that is made of it
        # from then on for stale, and makes it anew at its first read.
        self._ever_written: MutableMapping[torch.Tensor, bool] = WeakIdKeyDictionary()
        # what was written, or has a view that was not read yet -> the graph in which it was
        self._written: MutableMapping[torch.Tensor, weakref.ref[Frame]] = WeakIdKeyDictionary()

    def made(self, view: torch.Tensor, base: torch.Tensor) -> None:
        """A view has been made."""
        known = [pair for pair in self._views.get(base, []) if pair[0]() is not None]
        frame = weakref.ref(self._recorder.frame)
        self._views[base] = [*known, (weakref.ref(view), frame)]
        noted = self._written.get(base)
        if base in self._ever_written and (noted is None or not self._is_open(noted())):
            self._written[base] = frame

    def are_there(self, base: torch.Tensor) -> bool:
        """Whether a tensor has views."""
        return any(view() is not None for view, _ in self._views.get(base, []))

    def written(self, base: torch.Tensor) -> None:
        """A tensor, or a view of it, is given other contents."""
        self._written[base] = weakref.ref(self._recorder.frame)
        self._ever_written[base] = True

    def bring_up_to_date(self) -> None:
        """To be called before a body begins."""
        if not self._written:
            return
        written = list(self._written.items())
        self._written.clear()
        for base, where in written:
            if self._is_open(where()):
                self._read(base)
                for view, made_in in self._views.get(base, []):
                    there = view()
                    if there is not None and self._is_open(made_in()):
                        self._read(there)

    def _is_open(self, frame: Frame | None) -> bool:
        """Whether a graph is being written, or one inside of it."""
        present: Frame | None = self._recorder.frame
        while present is not None and present is not frame:
            present = present.parent
        return present is not None
