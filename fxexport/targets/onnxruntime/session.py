"""Running files in ONNX Runtime: the one place that imports it, and only when it is needed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.utils.dlpack

from fxexport.errors import FxExportError

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime

__all__ = ["INSTALL_HINT", "OrtSession", "RuntimeFailure", "available"]

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

    def __init__(self, message: str, *, hint: str = "", lacking: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.lacking = lacking


def available() -> bool:
    """Whether ONNX Runtime is installed (nothing is imported)."""
    return importlib.util.find_spec("onnxruntime") is not None


_UNKNOWN_OPERATOR = "is not a registered function/op"


class OrtSession:
    """A file, loaded into ONNX Runtime on the CPU.

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
        initializers: Mapping[str, np.ndarray[Any, Any]] | None = None,
    ) -> None:
        """Loads a file.

        Args:
            model: its path, or its bytes.
            optimize: whether ONNX Runtime may rewrite the graph before it runs it.
            data_folder: where weights outside of `model` lie when it is given as bytes.
            initializers: weights that `model` says are outside of it, and that are nowhere: ONNX
                Runtime uses their memory, and copies none of it.

        Raises:
            RuntimeFailure: when ONNX Runtime is missing, or refuses the file.
        """
        if not available():
            raise RuntimeFailure("ONNX Runtime is not installed", hint=INSTALL_HINT, lacking=True)
        try:
            import onnxruntime
        except ImportError as error:
            raise RuntimeFailure(
                f"ONNX Runtime is installed but does not start: {error}",
                hint=INSTALL_HINT,
                lacking=True,
            ) from error
        options = _options(onnxruntime, optimize, data_folder)
        if initializers:
            values = list(map(onnxruntime.OrtValue.ortvalue_from_numpy, initializers.values()))
            options.add_external_initializers(list(initializers), values)
            self._kept = initializers, values
        source = model if isinstance(model, bytes) else os.fspath(model)
        try:
            self._session = onnxruntime.InferenceSession(
                source, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            said = _said(error).removeprefix("NOT_IMPLEMENTED : ")
            lacking, fault = True, "has no kernel on the CPU"
            if _UNKNOWN_OPERATOR in said:  # of a user's own lowering
                fault, said = "lacks an operator", said.partition("Fatal error: ")[2]
            elif type(error).__name__ != "NotImplemented":
                lacking, fault = False, "does not load the file"
            raise RuntimeFailure(
                f"ONNX Runtime {onnxruntime.__version__} {fault}: {said}", lacking=lacking
            ) from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self.input_names: list[str] = [value.name for value in inputs]
        self.output_names: list[str] = [value.name for value in outputs]
        self.input_types: list[str] = [value.type for value in inputs]
        self.output_types: list[str] = [value.type for value in outputs]

    def run(self, inputs: Mapping[str, Any]) -> list[Any]:
        """Runs the file.

        Args:
            inputs: a tensor or a Python scalar for each input, by name; further ones are left
                out.

        Returns:
            The outputs in order, on the CPU; nothing is shared with ONNX Runtime. A tensor each, or
            a list of tensors for a sequence, or text.

        Raises:
            RuntimeFailure: when ONNX Runtime fails.
        """
        feed = {
            name: self._value(name, kind, inputs)
            for name, kind in zip(self.input_names, self.input_types, strict=True)
        }
        try:
            values = {name: value for name, (value, _) in feed.items()}
            if any(kind.startswith("seq(") for kind in (*self.input_types, *self.output_types)):
                # The items of a sequence can be had from an OrtValue only as NumPy arrays.
                return [_from_numpy(result) for result in self._session.run(None, values)]
            results = self._session.run_with_ort_values(None, values)
        except Exception as error:
            raise RuntimeFailure(f"ONNX Runtime fails on the file: {_said(error)}") from error
        return [self._tensor(name, r) for name, r in zip(self.output_names, results, strict=True)]

    def _value(self, name: str, kind: str, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
        """An input for ONNX Runtime, and the array that owns its memory."""
        import onnxruntime

        if name not in inputs:
            raise RuntimeFailure(f"the file's input {name!r} is not given")
        if kind.startswith("seq(") and isinstance(inputs[name], (list, tuple)):
            items = [self._value(name, kind[4:-1], {name: item}) for item in inputs[name]]
            return [array for _, array in items], None
        if kind not in _DTYPES:
            raise RuntimeFailure(f"the file's input {name!r} is a {kind}, not a tensor of numbers")
        dtype, number = _DTYPES[kind]
        tensor = inputs[name]
        if not isinstance(tensor, torch.Tensor):
            tensor = torch.tensor(tensor, dtype=dtype)
        if tensor.dtype != dtype:
            raise RuntimeFailure(f"the file's input {name!r} is a {kind}, got {tensor.dtype}")
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
        bits = _BITS.get(dtype)
        array = (tensor if bits is None else tensor.view(bits)).numpy()
        value = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, number)
        return value, array

    def _tensor(self, name: str, value: onnxruntime.OrtValue) -> torch.Tensor | str:
        """An output as a tensor of its own, or as text."""
        if value.is_tensor() and value.data_type() == "tensor(string)":
            return _from_numpy(value.numpy())
        if not value.is_tensor() or value.data_type() not in _DTYPES:
            raise RuntimeFailure(
                f"the file's output {name!r} is a {value.data_type()}, not a tensor of numbers"
            )
        dtype, _ = _DTYPES[value.data_type()]
        if 0 in value.shape():
            return torch.empty(value.shape(), dtype=dtype)
        tensor = torch.utils.dlpack.from_dlpack(value).clone()
        return tensor if tensor.dtype == dtype else tensor.view(dtype)


def _from_numpy(value: Any) -> Any:
    """A tensor for an array, a list of them for a list, text for text."""
    if isinstance(value, list):
        return [_from_numpy(item) for item in value]
    if isinstance(value, str):
        return value
    if value.dtype == object:
        return str(value.item())
    return torch.tensor(value)


def _options(
    ort: Any, optimize: bool, data_folder: str | os.PathLike[str] | None
) -> onnxruntime.SessionOptions:
    options = ort.SessionOptions()
    # Failures are raised; what it prints beside them would only repeat them.
    options.log_severity_level = 4
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
    if data_folder is not None:
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", os.fspath(data_folder)
        )
    return options


def _said(error: Exception) -> str:
    """ONNX Runtime's message without its numbering."""
    parts: Sequence[str] = str(error).split(" : ")
    if parts and parts[0].startswith("[ONNXRuntimeError]"):
        parts = parts[2:]
    return " : ".join(parts).strip() or type(error).__name__
