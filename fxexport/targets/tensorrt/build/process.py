"""Running the child that builds, with a time limit, progress, and a clean end whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

__all__ = ["ChildOutcome", "run_child"]

Message = dict[str, Any]


@dataclass
class ChildOutcome:
    """What became of a child.

    Attributes:
        ok: whether the engine was built.
        findings: what the child found wrong, each with at least a `message`.
        errors: TensorRT's own error messages, in order.
        warnings: its warnings.
        notes: what the child itself has to say, where it did not matter for the engine.
        timed_out: the time limit ended it.
        crash: how it died, empty if it came to its end.
        seconds: how long it took.
        size: bytes of the engine.
        version: version that TensorRT itself reports.
    """

    ok: bool = False
    findings: list[Message] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    timed_out: bool = False
    crash: str = ""
    seconds: float = 0.0
    size: int = 0
    version: str = ""


def run_child(
    request: Mapping[str, Any],
    *,
    timeout: float | None = None,
    on_message: Callable[[Message], None] | None = None,
) -> ChildOutcome:
    """Runs one request in a child process.

    Args:
        request: what `worker` reads.
        timeout: seconds until the child is killed; None for no limit.
        on_message: told every message as it comes.

    Returns:
        What became of it. Whatever ends this call, also Ctrl-C, ends the child.
    """
    start = time.monotonic()
    outcome = ChildOutcome()
    with tempfile.TemporaryFile() as printed, _child(request, printed) as (process, pipe):
        done = False
        for message in _messages(pipe, None if timeout is None else start + timeout):
            if message is None:
                outcome.timed_out = True
                break
            done = _take(outcome, message) or done
            if on_message is not None:
                on_message(message)
        if outcome.timed_out:
            process.kill()
        code = process.wait()
        if not done and not outcome.timed_out:
            outcome.crash = _death(code, printed)
    outcome.seconds = time.monotonic() - start
    return outcome


@contextlib.contextmanager
def _child(
    request: Mapping[str, Any], printed: IO[bytes]
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A started child and the reading end of its pipe."""
    reading, writing = os.pipe()
    try:
        os.set_inheritable(writing, True)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fxexport.targets.tensorrt.build.worker", str(writing)],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=printed,
            pass_fds=(writing,),
        )
    finally:
        os.close(writing)
    try:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request).encode())
            process.stdin.close()
        yield process, reading
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(reading)


def _messages(pipe: int, deadline: float | None) -> Iterator[Message | None]:
    """The child's messages; None when the time is over."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                yield None
                return
            # In steps of an hour: select takes no number of seconds however large.
            if not selector.select(None if left is None else min(left, 3600.0)):
                continue
            data = os.read(pipe, 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield json.loads(line)


def _take(outcome: ChildOutcome, message: Message) -> bool:
    """Notes a message; True for the last one."""
    event = message["event"]
    if event == "finding":
        outcome.findings.append({k: v for k, v in message.items() if k != "event"})
    elif event == "log":
        texts = outcome.errors if message["level"] == "error" else outcome.warnings
        texts.append(message["text"])
    elif event == "note":
        outcome.notes.append(message["text"])
    elif event == "network":
        outcome.version = message["package"]
    elif event == "engine":
        outcome.size = message["size"]
    elif event == "done":
        outcome.ok = message["ok"]
        return True
    return False


def _death(code: int, printed: IO[bytes]) -> str:
    """How a child died, with the last line that it printed."""
    printed.seek(0, os.SEEK_END)
    printed.seek(max(0, printed.tell() - 4000))
    lines = printed.read().decode(errors="replace").strip().splitlines()
    last = f": {lines[-1]}" if lines and code > 0 else ""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
        return f"signal {-code}"
    return f"exit code {code}{last}"
