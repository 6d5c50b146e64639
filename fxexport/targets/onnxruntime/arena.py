"""Memory that two processes share: a file without a name, which is gone with the last of them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from io import FileIO

from fxexport.targets.onnxruntime.worker import ALIGNMENT

__all__ = ["Arena"]

_KEPT = 1 << 20


class Arena:
    """One file, open in both processes.

    They take turns, so it needs no lock. On Linux it lies in memory alone, whatever room /dev/shm
    has; elsewhere it is a temporary file, which the system keeps in memory as far as it can.

    Attributes:
        name: what the other process opens: the number of a descriptor, or a path.
        inherited: the descriptors that it has to inherit for that.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if os.name == "nt":  # descriptors are not handed on there
            self._folder = tempfile.TemporaryDirectory(prefix="fxexport-")
            self.name = os.path.join(self._folder.name, "arena")
            self._file = FileIO(self.name, "w+b")
            self.inherited: tuple[int, ...] = ()
        else:
            self._file = FileIO(_unnamed(), "r+b")
            self.name = str(self._file.fileno())
            self.inherited = (self._file.fileno(),)

    def write(self, parts: Sequence[memoryview]) -> tuple[list[int], int]:
        """Replaces what the arena holds.

        Returns:
            Where each part begins, and where the last one ends.
        """
        self.trim()
        places: list[int] = []
        end = 0
        for part in parts:
            start = -(-end // ALIGNMENT) * ALIGNMENT
            places.append(start)
            end = start + part.nbytes
            self._file.seek(start)
            left = part
            while left.nbytes:
                left = left[self._file.write(left) :]
        if self._file.seek(0, os.SEEK_END) < end:  # what ends with an empty part
            self._file.truncate(end)
        return places, end

    def read_into(self, start: int, part: memoryview) -> None:
        """Fills memory with what begins there."""
        self._file.seek(start)
        while part.nbytes:
            count = self._file.readinto(part)
            if not count:
                raise EOFError("the arena ends before the array does")
            part = part[count:]

    def trim(self) -> None:
        """Gives large memory back to the system; what was there is not needed any more."""
        if self._file.seek(0, os.SEEK_END) > _KEPT:
            self._file.truncate(0)

    def close(self) -> None:
        """Lets go of it."""
        self._file.close()
        if self._folder is not None:
            self._folder.cleanup()


def _unnamed() -> int:
    if sys.platform == "linux":
        return os.memfd_create("fxexport", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
