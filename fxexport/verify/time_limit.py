"""How long one run of a file may take, and PyTorch on inputs that were made.

A loop of a wrong file may never end, nor one of the model on inputs that it is not for. The limit
follows from what PyTorch took for the same inputs. It is so generous that nothing that ends meets
it: what is compared is decided by the model's size, and not by the clock.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections.abc import Iterator

from fxexport.errors import UsageError

__all__ = ["RunsOn", "TimeLimit", "check_timeout", "interrupted_after"]

# Lists that grow in a loop, for one, ONNX Runtime copies again and again.
_LEAST, _TIMES = 60.0, 30.0
# Where a file runs on once, it may on all inputs: it has half of the time in each next run.
_SHORTEST = 1.0


def check_timeout(asked: float | None) -> None:
    """Refuses what is no time.

    Raises:
        UsageError: it is no number above 0.
    """
    if asked is None:
        return
    is_number = isinstance(asked, (int, float)) and not isinstance(asked, bool)
    if not is_number or not 0 < asked <= threading.TIMEOUT_MAX:
        raise UsageError(f"verify_timeout: expected a number of seconds above 0, got {asked!r}")


class TimeLimit:
    """The limit of the next run.

    Attributes:
        took: what PyTorch took last, in seconds.
    """

    def __init__(self, asked: float | None = None) -> None:
        """Takes what the user asked for.

        Args:
            asked: the seconds that a run has, with what PyTorch's own time adds to them.
        """
        self._least = _LEAST if asked is None else float(asked)
        self.took = 0.0

    @property
    def seconds(self) -> float:
        """What the next run has."""
        return min(self._least + _TIMES * self.took, threading.TIMEOUT_MAX)

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Around a run in PyTorch; one that does not come to its end says nothing of the next."""
        start = time.perf_counter()
        yield
        self.took = time.perf_counter() - start

    def exceeded(self) -> None:
        """A run did not end in time."""
        self._least = max(self._least / 2, min(self._least, _SHORTEST))


class RunsOn(Exception):
    """PyTorch did not come to an end in time."""


class _Stop(BaseException):
    """Ends what runs; nothing that the model catches."""


@contextlib.contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """What runs inside is ended after a time, at Python's next step.

    Raises:
        RunsOn: it was.
    """
    thread, lock, over = threading.get_ident(), threading.Lock(), False

    def stop() -> None:
        with lock:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(_Stop)
                )

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        try:
            yield
        finally:
            with lock:
                over = True
            timer.cancel()  # it comes at the latest here
    except _Stop:
        raise RunsOn(f"it did not come to its end within {seconds:.3g} s") from None
