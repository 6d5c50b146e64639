"""Running an engine on a GPU, with its buffers in PyTorch tensors.

Written against the API that `tensorrt` and `tensorrt_rtx` share; no GPU has been at hand, so this
has not been run yet. `tests/gpu` holds what to run first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fxexport.codes.ids import Code
from fxexport.errors import FxExportError, UsageError
from fxexport.profiles import Profile
from fxexport.profiles.profile import sizes_text
from fxexport.targets.tensorrt.build.explain import tidy
from fxexport.targets.tensorrt.build.package import TensorRTPackage

__all__ = ["Engine", "EngineFailure"]

_DEVICE = "cuda"


class EngineFailure(FxExportError):
    """TensorRT would not load or run an engine."""

    kind = Code.RUNTIME_FAILS


class Engine:
    """An engine, loaded on the current CUDA device.

    Attributes:
        input_names: names of the inputs, in the engine's order.
        output_names: names of the outputs.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        package: TensorRTPackage,
        profiles: Sequence[Profile] = (),
    ) -> None:
        """Loads an engine.

        Args:
            path: its file.
            package: what built it.
            profiles: the profiles that it was built with, in their order.

        Raises:
            EngineFailure: there is no GPU, or TensorRT does not load the file.
        """
        if not torch.cuda.is_available():
            raise EngineFailure("an engine runs on an NVIDIA GPU, and PyTorch sees none")
        trt = self._trt = package.load()
        self._profiles = list(profiles)
        self._said: list[str] = []
        self._logger = _collect_errors(trt, self._said)  # must outlive the runtime
        self._runtime = trt.Runtime(self._logger)
        with open(path, "rb") as file:
            self._engine = self._runtime.deserialize_cuda_engine(file.read())
        if self._engine is None:
            raise self._failure(f"{package.title} does not load {os.fspath(path)!r}")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise self._failure(f"{package.title} does not prepare {os.fspath(path)!r} to run")
        self._stream = torch.cuda.Stream()
        names = [self._engine.get_tensor_name(k) for k in range(self._engine.num_io_tensors)]
        is_input = trt.TensorIOMode.INPUT
        self.input_names = [n for n in names if self._engine.get_tensor_mode(n) == is_input]
        self.output_names = [n for n in names if n not in self.input_names]

    def run(self, inputs: Mapping[str, Any]) -> list[torch.Tensor]:
        """Runs the engine.

        Args:
            inputs: a tensor or a Python number for each input, by name.

        Returns:
            The outputs in the order of `output_names`: on the GPU, but for sizes, which TensorRT
            keeps on the CPU.

        Raises:
            UsageError: an input is missing, or its sizes lie outside of every profile.
            EngineFailure: TensorRT fails.
        """
        self._said.clear()
        given = {name: self._input(name, inputs) for name in self.input_names}
        self._choose_profile(given)
        context = self._context
        # An empty tensor has no address of its own, and TensorRT wants one.
        somewhere = {name: t if t.numel() else t.new_empty(1) for name, t in given.items()}
        for name, tensor in given.items():
            if not context.set_input_shape(name, tuple(tensor.shape)):
                raise UsageError(self._misfit(name, tensor))
            self._at(name, somewhere[name])
        outputs = {name: _OutputBuffer(self._trt, self._dtype(name)) for name in self._on_gpu()}
        for name, output in outputs.items():
            context.set_output_allocator(name, output.allocator)
        missing = context.infer_shapes()
        if missing:
            raise self._failure(f"TensorRT misses the shape of {', '.join(missing)}")
        sizes = {name: self._host_output(name) for name in self.output_names if name not in outputs}
        self._stream.wait_stream(torch.cuda.current_stream())
        started = context.execute_async_v3(self._stream.cuda_stream)
        self._stream.synchronize()
        failed = next((name for name, output in outputs.items() if output.failed), None)
        if failed is not None:
            raise EngineFailure(f"output {failed!r}: {outputs[failed].failed}")
        if not started:
            raise self._failure("TensorRT could not run the engine")
        return [
            outputs[name].tensor() if name in outputs else sizes[name] for name in self.output_names
        ]

    def _on_gpu(self) -> list[str]:
        """The outputs that are no sizes."""
        host = self._trt.TensorLocation.HOST
        return [n for n in self.output_names if self._engine.get_tensor_location(n) != host]

    def _host_output(self, name: str) -> torch.Tensor:
        """Memory for an output on the CPU, whose shape is known before the engine runs."""
        shape = tuple(self._context.get_tensor_shape(name))
        memory = torch.empty(shape, dtype=self._dtype(name))
        self._at(name, memory if memory.numel() else memory.new_empty(1))
        return memory

    def _at(self, name: str, tensor: torch.Tensor) -> None:
        if not self._context.set_tensor_address(name, tensor.data_ptr()):
            raise self._failure(f"TensorRT does not take the memory of {name!r}")

    def _misfit(self, name: str, tensor: torch.Tensor) -> str:
        """Why TensorRT does not take a shape: its own profile, as it was built with."""
        number = self._context.active_optimization_profile
        low, _, high = map(tuple, self._engine.get_tensor_profile_shape(name, number))
        return (
            f"these inputs lie outside of the engine's profile {number}: {name!r} has shape "
            f"{sizes_text(tensor.shape)}, the profile takes {sizes_text(low)} to {sizes_text(high)}"
        )

    def _failure(self, message: str) -> EngineFailure:
        """A failure with what TensorRT said of it."""
        said = f": {tidy(self._said[0])}" if self._said else ""
        return EngineFailure(message + said)

    def _input(self, name: str, inputs: Mapping[str, Any]) -> torch.Tensor:
        if name not in inputs:
            raise UsageError(f"the engine's input {name!r} is not given")
        # The values of shape inputs are read by the CPU; everything else lies on the GPU.
        on_host = self._engine.get_tensor_location(name) == self._trt.TensorLocation.HOST
        tensor = torch.as_tensor(inputs[name]).to(self._dtype(name))
        return tensor.contiguous().to("cpu" if on_host else _DEVICE)

    def _dtype(self, name: str) -> torch.dtype:
        kind = str(self._engine.get_tensor_dtype(name)).rsplit(".", 1)[-1]
        if kind not in _DTYPES:
            raise EngineFailure(f"{name!r} is {kind}, and PyTorch has no tensors of that")
        return _DTYPES[kind]

    def _choose_profile(self, given: Mapping[str, torch.Tensor]) -> None:
        """The first profile that takes these sizes."""
        if not self._profiles:
            return
        shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
        values = {
            name: tuple(int(v) for v in given[name].reshape(-1).tolist())
            for profile in self._profiles
            for name in profile.values
            if name in given
        }
        misfits = [profile.misfit(shapes, values) for profile in self._profiles]
        if all(misfits):
            raise UsageError(
                f"these inputs lie outside of the engine's profile: {misfits[0]}"
                if len(misfits) == 1
                else "these inputs lie outside of every profile of the engine: "
                + "; ".join(f"profile {k}: {text}" for k, text in enumerate(misfits))
            )
        number = misfits.index("")
        if number != self._context.active_optimization_profile:
            if not self._context.set_optimization_profile_async(number, self._stream.cuda_stream):
                raise self._failure(f"TensorRT does not switch to profile {number}")
            self._stream.synchronize()


def _collect_errors(trt: Any, said: list[str]) -> Any:
    """A logger that keeps TensorRT's errors."""

    class ErrorCollector(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                said.append(message)

    return ErrorCollector()


class _OutputBuffer:
    """One output's memory, made when TensorRT knows how much it needs."""

    def __init__(self, trt: Any, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self.failed = ""
        self._memory = torch.empty(0, dtype=torch.uint8, device=_DEVICE)
        self._shape: tuple[int, ...] = ()
        owner = self

        class Allocator(trt.IOutputAllocator):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.IOutputAllocator.__init__(self)

            def reallocate_output_async(
                self, tensor_name: str, memory: int, size: int, alignment: int, stream: int
            ) -> int:
                return owner.allocate(size)

            def reallocate_output(
                self, tensor_name: str, memory: int, size: int, alignment: int
            ) -> int:
                return owner.allocate(size)

            def notify_shape(self, tensor_name: str, shape: Any) -> None:
                owner.shaped(tuple(shape))

        self.allocator = Allocator()

    def allocate(self, size: int) -> int:
        """Memory of at least so many bytes; its address, 0 where there is not enough.

        Empty outputs need an address, too. Nothing may be raised through TensorRT.
        """
        try:
            if self._memory.numel() < max(size, 1):
                self._memory = torch.empty(max(size, 1), dtype=torch.uint8, device=_DEVICE)
        except RuntimeError as error:
            self.failed = f"no memory for {size} bytes: {str(error).splitlines()[0]}"
            return 0
        return self._memory.data_ptr()

    def shaped(self, shape: tuple[int, ...]) -> None:
        """Notes the shape that TensorRT arrived at."""
        self._shape = shape

    def tensor(self) -> torch.Tensor:
        """The output, with memory of its own."""
        count = torch.Size(self._shape).numel()
        size = count * torch.empty(0, dtype=self._dtype).element_size()
        return self._memory[:size].view(self._dtype).reshape(self._shape).clone()


_DTYPES = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT8": torch.int8,
    "UINT8": torch.uint8,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "BOOL": torch.bool,
}
