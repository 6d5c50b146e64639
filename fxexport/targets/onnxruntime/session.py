"""Running files in ONNX Runtime, which a process of its own imports."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fxexport.codes.ids import Code
from fxexport.errors import FxExportError
from fxexport.targets.onnxruntime.arena import Arena
from fxexport.targets.onnxruntime.process import (
    Message,
    ProcessDied,
    ProcessOverdue,
    RuntimeProcess,
)

__all__ = [
    "INSTALL_HINT",
    "OrtSession",
    "RuntimeCrash",
    "RuntimeFailure",
    "RuntimeOverdue",
    "available",
    "start_early",
]

INSTALL_HINT = "install it with pip install onnxruntime (or onnxruntime-gpu)"

# The dtypes of files, by ONNX Runtime's name: PyTorch's dtype and onnx.TensorProto's number.
_DTYPES: dict[str, tuple[torch.dtype, int]] = {
    "tensor(float)": (torch.float32, 1),
    "tensor(uint8)": (torch.uint8, 2),
    "tensor(int8)": (torch.int8, 3),
    "tensor(uint16)": (torch.uint16, 4),
    "tensor(int16)": (torch.int16, 5),
    "tensor(int32)": (torch.int32, 6),
    "tensor(int64)": (torch.int64, 7),
    "tensor(bool)": (torch.bool, 9),
    "tensor(float16)": (torch.float16, 10),
    "tensor(double)": (torch.float64, 11),
    "tensor(uint32)": (torch.uint32, 12),
    "tensor(uint64)": (torch.uint64, 13),
    "tensor(bfloat16)": (torch.bfloat16, 16),
    "tensor(float8e4m3fn)": (torch.float8_e4m3fn, 17),
    "tensor(float8e4m3fnuz)": (torch.float8_e4m3fnuz, 18),
    "tensor(float8e5m2)": (torch.float8_e5m2, 19),
    "tensor(float8e5m2fnuz)": (torch.float8_e5m2fnuz, 20),
}
# NumPy has no name for these: their bits travel as integers of the same width.
_BITS: dict[torch.dtype, torch.dtype] = {
    torch.bfloat16: torch.uint16,
    torch.float8_e4m3fn: torch.uint8,
    torch.float8_e4m3fnuz: torch.uint8,
    torch.float8_e5m2: torch.uint8,
    torch.float8_e5m2fnuz: torch.uint8,
}


class RuntimeFailure(FxExportError):
    """ONNX Runtime would not load or run a file; the message holds what it said.

    Attributes:
        lacking: whether that says nothing of the file: ONNX Runtime does not start here, or has no
            kernel on the CPU for an operator in this dtype.
    """

    kind = Code.RUNTIME_FAILS

    def __init__(self, message: str, *, hint: str = "", lacking: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.lacking = lacking


class RuntimeCrash(RuntimeFailure):
    """ONNX Runtime's process died on a file.

    Attributes:
        from_outside: whether the system or somebody ended it, for want of memory for example.
    """

    def __init__(self, message: str, *, from_outside: bool) -> None:
        super().__init__(message, lacking=from_outside)
        self.from_outside = from_outside


class RuntimeOverdue(RuntimeFailure):
    """A file did not come to its end in time; the process that ran it was ended.

    Attributes:
        seconds: how long it had.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the file did not come to its end within {seconds:.3g} s")
        self.seconds = seconds


def available() -> bool:
    """Whether ONNX Runtime is installed (nothing is imported)."""
    return importlib.util.find_spec("onnxruntime") is not None


_UNKNOWN_OPERATOR = "is not a registered function/op"
_DATA_FOLDER = "session.model_external_initializers_file_folder_path"


def start_early() -> None:
    """Starts ONNX Runtime's process now, beside what else there is to do before there is a file.

    What goes wrong is told when it is needed.
    """
    if available():
        with contextlib.suppress(OSError, ProcessDied):
            RuntimeProcess.shared()


class OrtSession:
    """A file, loaded into ONNX Runtime on the CPU, in a process of its own.

    Where that process is gone, the file is loaded again into the next one.

    Attributes:
        input_names: names of the inputs, in order.
        output_names: names of the outputs, in order.
        input_types: ONNX Runtime's type of each input, for example ``tensor(float)``.
        output_types: the same for the outputs.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes,
        *,
        optimize: bool = True,
        data_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        """Loads a file.

        Args:
            model: its path, or its bytes.
            optimize: whether ONNX Runtime may rewrite the graph before it runs it.
            data_folder: where weights outside of `model` lie when it is given as bytes.

        Raises:
            RuntimeCrash: when ONNX Runtime dies of the file.
            RuntimeFailure: when ONNX Runtime is missing, or refuses the file.
        """
        if not available():
            raise RuntimeFailure("ONNX Runtime is not installed", hint=INSTALL_HINT, lacking=True)
        self._parts = [memoryview(model)] if isinstance(model, bytes) else []
        config = {} if data_folder is None else {_DATA_FOLDER: os.path.abspath(data_folder)}
        self._request: Message = {
            "do": "load",
            "file": None if isinstance(model, bytes) else os.path.abspath(model),
            "optimize": optimize,
            "config": config,
        }
        self._process: RuntimeProcess | None = None
        self._number = -1
        loaded = self._load()
        self.input_names: list[str] = [name for name, _ in loaded["inputs"]]
        self.output_names: list[str] = [name for name, _ in loaded["outputs"]]
        self.input_types: list[str] = [kind for _, kind in loaded["inputs"]]
        self.output_types: list[str] = [kind for _, kind in loaded["outputs"]]

    def __del__(self) -> None:
        process = getattr(self, "_process", None)
        if process is not None:
            process.drop(self._number)

    def run(self, inputs: Mapping[str, Any], seconds: float | None = None) -> list[Any]:
        """Runs the file.

        Args:
            inputs: a tensor or a Python scalar for each input, by name; further ones are left
                out.
            seconds: how long it may take; None for as long as it likes.

        Returns:
            The outputs in order, on the CPU; nothing is shared with ONNX Runtime. A tensor each, or
            a list of tensors for a sequence, or text.

        Raises:
            RuntimeCrash: when ONNX Runtime dies.
            RuntimeOverdue: when it takes longer.
            RuntimeFailure: when ONNX Runtime fails.
        """
        parts: list[memoryview] = []
        kinds = zip(self.input_names, self.input_types, strict=True)
        request = {
            "do": "run",
            "feed": [[name, _described(name, kind, inputs, parts)] for name, kind in kinds],
            "sequences": any(k.startswith("seq(") for k in (*self.input_types, *self.output_types)),
        }

        def results(arena: Arena, answer: Message) -> list[Any]:
            named = zip(self.output_names, answer["results"], strict=True)
            return [_result(name, spec, arena) for name, spec in named]

        answer, found = self._asked(request, parts, results, seconds)
        if "error" in answer:
            raise RuntimeFailure(f"ONNX Runtime fails on the file: {_said(answer)}")
        return found  # type: ignore[no-any-return]

    def _asked(
        self,
        request: Message,
        parts: Sequence[memoryview],
        into: Any,
        seconds: float | None,
    ) -> tuple[Message, Any]:
        """The answer to a request about this file; a process that is gone is replaced before."""
        for last in (False, True):
            try:
                process = self._here()
                return process.ask({**request, "session": self._number}, parts, into, seconds)
            except ProcessOverdue as overdue:
                raise RuntimeOverdue(overdue.seconds) from None
            except ProcessDied as death:
                # It may have left for want of work just now, without a look at the request.
                if last or death.how:
                    raise _crash(death) from None
        raise AssertionError

    def _here(self) -> RuntimeProcess:
        """The process that has the file."""
        if self._process is None or not self._process.alive:
            self._load()
        assert self._process is not None
        return self._process

    def _load(self) -> Message:
        for last in (False, True):
            try:
                process = RuntimeProcess.shared()
                number = process.new_session()
                request = {**self._request, "session": number}
                answer, _ = process.ask(request, self._parts)
            except ProcessDied as death:
                if last or death.how:
                    raise _crash(death, " while it loaded the file") from None
            except OSError as error:
                raise RuntimeFailure(
                    f"no process could be started for ONNX Runtime: {error}", lacking=True
                ) from error
            else:
                break
        if "error" in answer:
            raise _load_failure(answer, process)
        self._process, self._number = process, number
        return answer


def _crash(death: ProcessDied, when: str = "") -> RuntimeCrash:
    """What is said of a process that is gone."""
    how = death.how or "it left"
    if death.from_outside:
        text = f"ONNX Runtime's process was ended ({how}){when}, for want of memory perhaps"
    else:
        text = f"ONNX Runtime crashed ({how}){when}"
    return RuntimeCrash(text, from_outside=death.from_outside)


def _load_failure(answer: Message, process: RuntimeProcess) -> RuntimeFailure:
    """Why a file was not loaded."""
    if process.failure:
        return RuntimeFailure(
            f"ONNX Runtime is installed but does not start: {process.failure}",
            hint=INSTALL_HINT,
            lacking=True,
        )
    said = _said(answer).removeprefix("NOT_IMPLEMENTED : ")
    lacking, fault = True, "has no kernel on the CPU"
    if _UNKNOWN_OPERATOR in said:  # of a user's own lowering
        fault, said = "lacks an operator", said.partition("Fatal error: ")[2]
    elif answer["class"] != "NotImplemented":
        lacking, fault = False, "does not load the file"
    return RuntimeFailure(f"ONNX Runtime {process.version} {fault}: {said}", lacking=lacking)


def _described(name: str, kind: str, inputs: Mapping[str, Any], parts: list[memoryview]) -> Any:
    """An input as the process takes it; its bytes become a part."""
    if name not in inputs:
        raise RuntimeFailure(f"the file's input {name!r} is not given")
    if kind.startswith("seq(") and isinstance(inputs[name], (list, tuple)):
        return [_described(name, kind[4:-1], {name: item}, parts) for item in inputs[name]]
    if kind not in _DTYPES:
        raise RuntimeFailure(f"the file's input {name!r} is a {kind}, not a tensor of numbers")
    dtype, number = _DTYPES[kind]
    tensor = inputs[name]
    if not isinstance(tensor, torch.Tensor):
        tensor = torch.tensor(tensor, dtype=dtype)
    if tensor.dtype != dtype:
        raise RuntimeFailure(f"the file's input {name!r} is a {kind}, got {tensor.dtype}")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    parts.append(_bytes_of(tensor))
    named = str(_BITS.get(dtype, dtype)).removeprefix("torch.")
    return {
        "onnx": number,
        "numpy": named,
        "shape": list(tensor.shape),
        "part": len(parts) - 1,
    }


def _result(name: str, spec: Message, arena: Arena) -> Any:
    """An output as a tensor of its own, as text, or as a list of tensors."""
    if "text" in spec:
        return spec["text"]
    if "items" in spec:
        return [_result(name, item, arena) for item in spec["items"]]
    if "numpy" in spec:
        dtype = getattr(torch, spec["numpy"])
    elif spec["shape"] is not None and spec["type"] in _DTYPES:
        dtype, _ = _DTYPES[spec["type"]]
    else:
        raise RuntimeFailure(
            f"the file's output {name!r} is a {spec['type']}, not a tensor of numbers"
        )
    tensor = torch.empty(spec["shape"], dtype=dtype)
    if tensor.numel():
        arena.read_into(spec["at"], _bytes_of(tensor))
    return tensor


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    """The memory of a tensor that lies in order."""
    if not tensor.numel():
        return memoryview(b"")
    return memoryview(tensor.reshape(-1).view(torch.uint8).numpy()).cast("B")


def _said(answer: Message) -> str:
    """ONNX Runtime's message without its numbering."""
    parts: Sequence[str] = answer["error"].split(" : ")
    if parts and parts[0].startswith("[ONNXRuntimeError]"):
        parts = parts[2:]
    return " : ".join(parts).strip() or answer["class"]
