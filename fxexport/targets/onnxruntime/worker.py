"""The program of the process that runs ONNX Runtime: ``python -P worker.py ARENA``.

It is started by its path, and imports nothing of fxexport: NumPy and ONNX Runtime are up in a tenth
of a second. `process.py` is the other side. Each request is a line of JSON on stdin, each answer
one on what was stdout, and arrays lie in the arena, a file that both processes have open.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from io import FileIO
from typing import Any

IDLE_SECONDS = 20.0
IDLE_CODE = 75
"""How it leaves when nothing was asked for so long; whatever comes next starts another."""
ALIGNMENT = 64
"""Where an array may begin in the arena."""

Message = dict[str, Any]


def main(arena_name: str) -> None:
    """Answers requests until stdin ends, which it does when the other process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other side's, which ends this one
    _leave_no_core_file()
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what libraries print is no answer
    arena = FileIO(int(arena_name) if arena_name.isdigit() else arena_name, "r+b")
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    worker = Worker(arena)
    while True:
        try:
            line = requests.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            os._exit(IDLE_CODE)
        answers.write(json.dumps(worker.answer(json.loads(line))).encode() + b"\n")


def _read(requests: queue.SimpleQueue[bytes]) -> None:
    """Takes requests in a thread of its own, which sees the end of the other process at once."""
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _leave_no_core_file() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


class Worker:
    """The loaded files, and what is done with them."""

    def __init__(self, arena: FileIO) -> None:
        self._arena = arena
        self._sessions: dict[int, Any] = {}
        self._ort: Any = None

    def answer(self, request: Message) -> Message:
        """What one request gives; an exception is an answer too."""
        for number in request.get("drop", ()):
            self._sessions.pop(number, None)
        actions: dict[str, Callable[[Message], Message]] = {
            "start": self._start,
            "load": self._load,
            "run": self._run,
        }
        try:
            return actions[request["do"]](request)
        except Exception as error:  # whatever ONNX Runtime raises
            return {"error": str(error), "class": type(error).__name__}

    def _start(self, request: Message) -> Message:
        """Imports ONNX Runtime; it is found where the other process finds it."""
        sys.path += [folder for folder in request["path"] if folder not in sys.path]
        import onnxruntime

        self._ort = onnxruntime
        return {"version": onnxruntime.__version__}

    def _load(self, request: Message) -> Message:
        options = self._ort.SessionOptions()
        # Failures are raised; what it prints beside them would only repeat them.
        options.log_severity_level = 4
        levels = self._ort.GraphOptimizationLevel
        options.graph_optimization_level = (
            levels.ORT_ENABLE_ALL if request["optimize"] else levels.ORT_DISABLE_ALL
        )
        for key, value in request["config"].items():
            options.add_session_config_entry(key, value)
        model = request["file"]
        if model is None:
            model = bytes(self._mapped(request["bytes"]))
        session = self._ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._sessions[request["session"]] = session
        return {
            "inputs": [[value.name, value.type] for value in session.get_inputs()],
            "outputs": [[value.name, value.type] for value in session.get_outputs()],
        }

    def _run(self, request: Message) -> Message:
        session = self._sessions[request["session"]]
        places, end = request["places"], request["bytes"]
        mapped = self._mapped(end)
        held: list[Any] = []  # arrays that own what ONNX Runtime only points at
        feed = {
            name: self._value(spec, places, mapped, held, in_list=False)
            for name, spec in request["feed"]
        }
        if request["sequences"]:
            # The items of a sequence can be had from an OrtValue only as NumPy arrays.
            return {"results": self._written(session.run(None, feed), end, self._array)}
        results = session.run_with_ort_values(None, feed)
        return {"results": self._written(results, end, self._tensor)}

    def _mapped(self, size: int) -> memoryview:
        """The first bytes of the arena."""
        if not size:
            return memoryview(b"")
        return memoryview(mmap.mmap(self._arena.fileno(), size, access=mmap.ACCESS_COPY))

    def _value(
        self,
        spec: Any,
        places: Sequence[int],
        mapped: memoryview,
        held: list[Any],
        *,
        in_list: bool,
    ) -> Any:
        """An input: a list for a sequence, else a value that points into the arena."""
        import numpy

        if isinstance(spec, list):
            return [self._value(item, places, mapped, held, in_list=True) for item in spec]
        count = 1
        for size in spec["shape"]:
            count *= size
        if count:
            flat = numpy.frombuffer(mapped, spec["numpy"], count, places[spec["part"]])
        else:
            flat = numpy.empty(0, spec["numpy"])
        array = flat.reshape(spec["shape"])
        held.append(array)
        if in_list:
            return array
        return self._ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, spec["onnx"])

    def _written(
        self, results: Iterable[Any], at: int, write: Callable[[Any, int], tuple[Any, int]]
    ) -> list[Any]:
        """Results, one behind the other in the arena, described."""
        described = []
        for result in results:
            spec, at = write(result, at)
            described.append(spec)
        return described

    def _tensor(self, value: Any, at: int) -> tuple[Any, int]:
        """A result that ONNX Runtime holds; its bytes are copied as they are in every dtype."""
        kind = value.data_type()
        if kind == "tensor(string)":
            return {"text": str(value.numpy().item())}, at
        if not value.is_tensor():
            return {"type": kind, "shape": None}, at
        shape = list(value.shape())
        size = 0 if 0 in shape else value.tensor_size_in_bytes()
        data = (ctypes.c_char * size).from_address(value.data_ptr()) if size else b""
        return {"type": kind, "shape": shape, "at": self._aligned(at)}, self._put(data, size, at)

    def _array(self, value: Any, at: int) -> tuple[Any, int]:
        """A result as NumPy has it: an array, text, or a list of them."""
        if isinstance(value, list):
            items = []
            for item in value:
                spec, at = self._array(item, at)
                items.append(spec)
            return {"items": items}, at
        if isinstance(value, str):
            return {"text": value}, at
        if value.dtype == object:
            return {"text": str(value.item())}, at
        import numpy

        array = numpy.ascontiguousarray(value).reshape(value.shape)
        spec = {"numpy": array.dtype.name, "shape": list(array.shape), "at": self._aligned(at)}
        return spec, self._put(array.reshape(-1).view(numpy.uint8).data, array.nbytes, at)

    def _aligned(self, at: int) -> int:
        return -(-at // ALIGNMENT) * ALIGNMENT

    def _put(self, data: Any, size: int, at: int) -> int:
        """Writes bytes behind `at`; returns where they end."""
        at = self._aligned(at)
        self._arena.seek(at)
        view = memoryview(data).cast("B") if size else memoryview(b"")
        while view.nbytes:
            view = view[self._arena.write(view) :]
        return at + size


if __name__ == "__main__":
    main(sys.argv[1])
