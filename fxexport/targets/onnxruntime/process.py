"""The process that runs ONNX Runtime: a crash in it is an outcome, and not the end of the program.

ONNX Runtime divides by zero in some operators on tensors without elements, and runs out of stack on
some graphs. One process does for all files of a program, one after the other. It is started when an
export begins and is up long before there is a file, and leaves by itself when nothing was asked for
twenty seconds, or when the program ends, however it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from fxexport.targets.onnxruntime.arena import Arena
from fxexport.targets.onnxruntime.worker import IDLE_CODE

__all__ = ["Message", "ProcessDied", "ProcessOverdue", "RuntimeProcess"]

Message = dict[str, Any]
_WORKER = Path(__file__).with_name("worker.py")
# glibc gives large blocks back at once then: of loading ResNet-50 1.2 times its weights stay, and
# not 2.4 times.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "131072"}


class ProcessDied(Exception):
    """The process ended before it answered.

    Attributes:
        how: for example "SIGFPE".
        from_outside: whether the system or somebody ended it, for want of memory for example.
    """

    def __init__(self, how: str, *, from_outside: bool) -> None:
        super().__init__(how)
        self.how = how
        self.from_outside = from_outside


class ProcessOverdue(Exception):
    """The process had no answer in time, and was ended.

    Attributes:
        seconds: how long it had.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer in {seconds:g} s")
        self.seconds = seconds


class RuntimeProcess:
    """A running process.

    Attributes:
        version: of ONNX Runtime.
        failure: why ONNX Runtime does not start in it; empty if it does.
    """

    _shared: ClassVar[RuntimeProcess | None] = None
    _lock: ClassVar[threading.RLock] = threading.RLock()
    _numbers: ClassVar[itertools.count[int]] = itertools.count()

    def __init__(self) -> None:
        self.version = ""
        self.failure = ""
        self.alive = True
        self._dropped: deque[int] = deque()
        self._started = False
        if not sys.executable or getattr(sys, "frozen", False):
            raise FileNotFoundError("this program is no Python interpreter that could be started")
        with contextlib.ExitStack() as stack:
            self._arena = stack.enter_context(contextlib.closing(Arena()))
            self._printed = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                [sys.executable, "-P", os.fspath(_WORKER), self._arena.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                pass_fds=self._arena.inherited,
                env={**_MALLOC, **os.environ},
                bufsize=0,
            )
            stack.pop_all()
        self._send({"do": "start", "path": [os.path.abspath(folder) for folder in sys.path]})

    @classmethod
    def shared(cls) -> RuntimeProcess:
        """The process of this program; started where there is none."""
        with cls._lock:
            found = cls._shared
            if found is None or not found._lives():
                cls.end_shared()
                cls._shared = found = cls()
            return found

    @classmethod
    def end_shared(cls) -> None:
        """Ends the process of this program, if there is one."""
        with cls._lock:
            if cls._shared is not None:
                cls._shared.end()
            cls._shared = None

    @classmethod
    def forget(cls) -> None:
        """In a fork of this program: the process is the parent's, and stays it."""
        found, cls._shared, cls._lock = cls._shared, None, threading.RLock()
        if found is not None:
            found._let_go()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def new_session(self) -> int:
        """A number for a file that is to be loaded."""
        return next(self._numbers)

    def drop(self, session: int) -> None:
        """The file is not needed any more; the process is told with the next request."""
        self._dropped.append(session)

    def ask(
        self,
        request: Message,
        parts: Sequence[memoryview] = (),
        into: Any = None,
        seconds: float | None = None,
    ) -> tuple[Message, Any]:
        """Asks for something, and waits for the answer.

        Args:
            request: what to do; see `worker.Worker`. It says where arrays are by their number in
                `parts`, and the process gets the places.
            parts: bytes that go along.
            into: makes of an answer what it stands for, while the arena holds it.
            seconds: how long it may take, its start apart; None for as long as it likes.

        Returns:
            The answer, and what `into` has made of it.

        Raises:
            ProcessDied: it ended before.
            ProcessOverdue: it took longer, and was ended.
        """
        with self._lock:
            try:
                answer = self._asked(request, parts, seconds)
            except BaseException:  # Ctrl-C as well: nobody would take the answer
                self.end()
                raise
            found = None if into is None or "error" in answer else into(self._arena, answer)
            self._arena.trim()
            return answer, found

    def _asked(
        self, request: Message, parts: Sequence[memoryview], seconds: float | None
    ) -> Message:
        if not self._started:
            self._greet()
        if self.failure:
            return {"error": self.failure, "class": "ImportError"}
        places, size = self._arena.write(parts)
        dropped = [self._dropped.popleft() for _ in range(len(self._dropped))]
        self._send({**request, "places": places, "bytes": size, "drop": dropped})
        return self._answer() if seconds is None else self._answer_within(seconds)

    def _answer_within(self, seconds: float) -> Message:
        """The answer; the process is ended where there is none in time."""
        watch = _Watch(self._process, seconds)
        try:
            answer = self._answer()
        except ProcessDied:
            if watch.ended_it:
                raise ProcessOverdue(seconds) from None
            raise
        finally:
            watch.stop()
        if watch.ended_it:  # just now: nobody is there for the next request
            raise ProcessOverdue(seconds)
        return answer

    def _greet(self) -> None:
        """Takes the answer to the first request, which was sent at the start."""
        self._started = True
        try:
            hello = self._answer()
        except ProcessDied as death:
            if not death.how:
                raise
            self.failure = f"it crashed ({death.how})"
        else:
            self.version, self.failure = hello.get("version", ""), hello.get("error", "")

    def end(self) -> None:
        """Ends the process."""
        if self.alive:
            self._process.kill()
            self._process.wait()
            self._let_go()

    def _lives(self) -> bool:
        return self.alive and self._process.poll() is None

    def _let_go(self) -> None:
        """Closes what belongs to the process."""
        self.alive = False
        for stream in (self._process.stdin, self._process.stdout, self._printed, self._arena):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def _send(self, request: Message) -> None:
        if self._process.poll() is not None:
            raise self._death()
        assert self._process.stdin is not None
        left = memoryview(json.dumps(request).encode() + b"\n")
        try:
            while left.nbytes:
                left = left[self._process.stdin.write(left) :]
        except OSError as error:
            raise self._death() from error

    def _answer(self) -> Message:
        assert self._process.stdout is not None
        line = bytearray()
        while not line.endswith(b"\n"):
            data = self._process.stdout.read(1 << 16)
            if not data:
                raise self._death()
            line += data
        answer: Message = json.loads(line)
        return answer

    def _death(self) -> ProcessDied:
        """How the process ended; it is waited for."""
        code = self._process.wait()
        if code == IDLE_CODE:
            return ProcessDied("", from_outside=True)
        if code < 0:
            name = f"signal {-code}"
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
            return ProcessDied(name, from_outside=name in ("SIGKILL", "SIGTERM", "SIGHUP"))
        return ProcessDied(f"exit code {code}{self._last_line()}", from_outside=False)

    def _last_line(self) -> str:
        self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, self._printed.tell() - 4000))
        lines = self._printed.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""


class _Watch:
    """Ends a process after a time: one that computes cannot be asked to stop.

    Attributes:
        ended_it: whether it did.
    """

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.ended_it = False
        self._process = process
        self._stopped = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """The answer is there; from now on the process lives."""
        with self._lock:
            self._stopped = True
        self._timer.cancel()

    def _end(self) -> None:
        with self._lock:
            if not self._stopped:
                self.ended_it = True
                self._process.kill()


atexit.register(RuntimeProcess.end_shared)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=RuntimeProcess.forget)
