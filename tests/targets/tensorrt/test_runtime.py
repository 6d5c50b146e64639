"""Running engines: against TensorRT's own API where it is installed, and against a stand-in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import fxexport
from fxexport.errors import UsageError
from fxexport.profiles import Profile
from fxexport.targets.tensorrt import runtime
from fxexport.targets.tensorrt.runtime import Engine, EngineFailure
from fxexport.verify.engine import verify_engine
from tests.gpu import run_all

USED = {
    "Runtime": ["deserialize_cuda_engine"],
    "ICudaEngine": [
        "create_execution_context",
        "get_tensor_dtype",
        "get_tensor_location",
        "get_tensor_mode",
        "get_tensor_name",
        "get_tensor_profile_shape",
        "num_io_tensors",
    ],
    "IExecutionContext": [
        "active_optimization_profile",
        "execute_async_v3",
        "get_tensor_shape",
        "infer_shapes",
        "set_input_shape",
        "set_optimization_profile_async",
        "set_output_allocator",
        "set_tensor_address",
    ],
    "IBuilderConfig": [
        "builder_optimization_level",
        "create_timing_cache",
        "get_timing_cache",
        "hardware_compatibility_level",
        "set_timing_cache",
    ],
}
ARGUMENTS = {
    ("ICudaEngine", "get_tensor_profile_shape"): ["name: str", "profile_index: typing.SupportsInt"],
    ("IExecutionContext", "set_tensor_address"): [
        "name: str",
        "memory: typing.SupportsInt",
        "bool",
    ],
    ("IExecutionContext", "set_output_allocator"): ["name: str", "IOutputAllocator", "bool"],
    ("IExecutionContext", "infer_shapes"): ["-> list[str]"],
    ("IExecutionContext", "execute_async_v3"): ["stream_handle: typing.SupportsInt", "-> bool"],
    ("IExecutionContext", "set_optimization_profile_async"): ["profile_index", "stream_handle"],
    ("IBuilderConfig", "set_timing_cache"): ["cache", "ignore_mismatch: bool", "-> bool"],
    ("IBuilderConfig", "create_timing_cache"): ["Buffer"],
}


def test_tensorrt_has_what_is_called() -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    missing = [
        f"{owner}.{name}"
        for owner, names in USED.items()
        for name in names
        if not hasattr(getattr(trt, owner), name)
    ]
    assert missing == []
    for (owner, name), words in ARGUMENTS.items():
        signature = getattr(getattr(trt, owner), name).__doc__
        assert all(word in signature for word in words), signature
    assert set(runtime._DTYPES) <= set(trt.DataType.__members__)
    assert str(trt.DataType.BF16).rsplit(".", 1)[-1] == "BF16"
    assert {"HOST", "DEVICE"} <= set(trt.TensorLocation.__members__)
    assert "INPUT" in trt.TensorIOMode.__members__
    assert tuple(trt.Dims((2, 3))) == (2, 3)


def test_callbacks_are_what_tensorrt_makes_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    monkeypatch.setattr(runtime, "_DEVICE", "cpu")
    output = runtime._OutputBuffer(trt, torch.float32)
    assert isinstance(output.allocator, trt.IOutputAllocator)
    address = output.allocator.reallocate_output_async("y", 0, 24, 256, 0)
    assert address == output.allocator.reallocate_output("y", 0, 8, 256) != 0
    output.allocator.notify_shape("y", trt.Dims((2, 3)))
    assert output.tensor().shape == (2, 3)
    assert output.allocator.reallocate_output_async("y", 0, 2**60, 256, 0) == 0
    assert "no memory" in output.failed
    said: list[str] = []
    logger = runtime._collect_errors(trt, said)
    logger.log(trt.ILogger.ERROR, "bad")
    logger.log(trt.ILogger.WARNING, "meh")
    assert said == ["bad"]
    builder = trt.Builder(logger)  # TensorRT takes it for a logger
    assert builder.create_network() is not None


class _Base:
    """Stands in for classes that ours derive from."""


class StandIn:
    """An engine with the API of TensorRT, that computes with a function of tensors.

    It reads and writes memory at the addresses that it is given, as TensorRT does.
    """

    INPUT, OUTPUT, HOST, DEVICE = "input", "output", "host", "device"

    def __init__(
        self,
        function: Callable[..., dict[str, torch.Tensor]],
        inputs: dict[str, list[tuple[tuple[int, ...], ...]]],
        outputs: dict[str, str],
        host: tuple[str, ...] = (),
    ) -> None:
        self.function, self.profiles, self.kinds, self.host = function, inputs, outputs, host
        self.names = [*inputs, *(name for name in outputs if name not in inputs)]
        self.num_io_tensors = len(self.names)
        self.active_optimization_profile = 0
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.allocators: dict[str, Any] = {}
        self.results: dict[str, torch.Tensor] = {}
        self.fails = False

    def load(self) -> Any:
        logger = type("ILogger", (_Base,), {"ERROR": 1, "INTERNAL_ERROR": 0, "WARNING": 2})
        return SimpleNamespace(
            ILogger=logger,
            IOutputAllocator=_Base,
            TensorIOMode=SimpleNamespace(INPUT=self.INPUT),
            TensorLocation=SimpleNamespace(HOST=self.HOST),
            Runtime=lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda data: self),
        )

    title = "Stand-in 1.0"

    def create_execution_context(self) -> Any:
        return self

    def get_tensor_name(self, k: int) -> str:
        return self.names[k]

    def get_tensor_mode(self, name: str) -> str:
        return self.INPUT if name in self.profiles else self.OUTPUT

    def get_tensor_dtype(self, name: str) -> str:
        return f"DataType.{self.kinds[name]}"

    def get_tensor_location(self, name: str) -> str:
        return self.HOST if name in self.host else self.DEVICE

    def get_tensor_profile_shape(self, name: str, number: int) -> Any:
        return self.profiles[name][number]

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self.profiles[name][self.active_optimization_profile]
        self.shapes[name] = shape
        return len(shape) == len(low) and all(
            a <= s <= b for a, s, b in zip(low, shape, high, strict=True)
        )

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return address != 0

    def set_output_allocator(self, name: str, allocator: Any) -> bool:
        self.allocators[name] = allocator
        return True

    def set_optimization_profile_async(self, number: int, stream: int) -> bool:
        self.active_optimization_profile = number
        return True

    def infer_shapes(self) -> list[str]:
        given = {name: self._read(name) for name in self.profiles}
        self.results = self.function(**given)
        return []

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.results[name].shape)

    def execute_async_v3(self, stream: int) -> bool:
        if self.fails:
            return False
        for name, result in self.results.items():
            if name in self.host:
                self._write(self.addresses[name], result)
                continue
            allocator = self.allocators[name]
            size = result.numel() * result.element_size()
            self._write(allocator.reallocate_output_async(name, 0, size, 256, stream), result)
            allocator.notify_shape(name, tuple(result.shape))
        return True

    def _read(self, name: str) -> torch.Tensor:
        dtype = runtime._DTYPES[self.kinds[name]]
        shape = self.shapes[name]
        count = torch.Size(shape).numel()
        if not count:
            return torch.empty(shape, dtype=dtype)
        return _at(self.addresses[name], count, dtype).reshape(shape).clone()

    def _write(self, address: int, value: torch.Tensor) -> None:
        if value.numel():
            _at(address, value.numel(), value.dtype).copy_(value.reshape(-1))


def _at(address: int, count: int, dtype: torch.dtype) -> torch.Tensor:
    import ctypes

    size = count * torch.empty(0, dtype=dtype).element_size()
    return torch.frombuffer((ctypes.c_char * size).from_address(address), dtype=dtype)


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Engine]:
    """Makes engines of stand-ins, without a GPU."""
    stream = SimpleNamespace(
        cuda_stream=0, wait_stream=lambda other: None, synchronize=lambda: None
    )
    monkeypatch.setattr(runtime, "_DEVICE", "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    path = tmp_path / "x.engine"
    path.write_bytes(b"engine")
    return lambda stand_in, profiles=(): Engine(path, stand_in, profiles)


def _doubled(**more: Any) -> StandIn:
    return StandIn(
        lambda x: {"y": x * 2, "rows": torch.tensor(x.shape[0]), "none": x[:0]},
        {"x": [((0, 3), (2, 3), (4, 3)), ((8, 3), (8, 3), (16, 3))]},
        {"x": "FLOAT", "y": "FLOAT", "rows": "INT64", "none": "FLOAT"},
        **more,
    )


PROFILES = [
    Profile({"x": ((0, 3), (2, 3), (4, 3))}),
    Profile({"x": ((8, 3), (8, 3), (16, 3))}),
]


@pytest.mark.parametrize("rows", [0, 1, 4, 8, 16])
@pytest.mark.parametrize("host", [(), ("rows",)], ids=["gpu", "host"])
def test_outputs_are_what_the_engine_wrote(
    on_cpu: Callable[..., Engine], rows: int, host: tuple[str, ...]
) -> None:
    engine = on_cpu(_doubled(host=host), PROFILES)
    for _ in range(2):
        x = torch.randn(rows, 3)
        y, count, nothing = engine.run({"x": x})
        assert torch.equal(y, x * 2) and count.item() == rows and nothing.shape == (0, 3)


@pytest.mark.parametrize("known", [PROFILES, []], ids=["profiles given", "the engine's own"])
def test_a_shape_outside_names_the_profile(
    on_cpu: Callable[..., Engine], known: list[Profile]
) -> None:
    engine = on_cpu(_doubled(), known)
    with pytest.raises(UsageError, match=r"'x' has shape 6x3, the profile takes 0x3 to 4x3"):
        engine.run({"x": torch.zeros(6, 3)})
    assert engine.run({"x": torch.ones(2, 3)})[0].sum() == 12


def test_what_fails_is_said(on_cpu: Callable[..., Engine]) -> None:
    stand_in = _doubled()
    engine = on_cpu(stand_in, PROFILES)
    with pytest.raises(UsageError, match="'x' is not given"):
        engine.run({"y": torch.ones(2, 3)})
    stand_in.fails = True
    with pytest.raises(EngineFailure, match="could not run"):
        engine.run({"x": torch.ones(2, 3)})
    stand_in.kinds["x"] = "FP8"
    with pytest.raises(EngineFailure, match="'x' is FP8"):
        engine.run({"x": torch.ones(2, 3)})


def test_an_engine_needs_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineFailure, match="PyTorch sees none"):
        Engine(tmp_path / "x.engine", _doubled())  # type: ignore[arg-type]


@pytest.mark.parametrize("right", [True, False])
def test_an_engine_is_compared_with_pytorch_on_both_ways(right: bool) -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x - 1

    profiles = {"x": ((1, 3), (2, 3), (4, 3))}
    exported = fxexport.export(model, (torch.ones(2, 3),), profiles=profiles, verify=False)
    engine = SimpleNamespace(
        output_names=["output"],
        run=lambda inputs: [model(inputs["x"]) if right else inputs["x"] * 2],
    )
    cases = verify_engine(exported.graph, engine, exported.reference, exported.prepared)
    assert {"profile min", "profile opt", "profile max"} <= {
        case.label.removeprefix("engine, ").partition(":")[0] for case in cases
    }
    assert all(case.ok for case in cases) is right


def test_gpu_checks_are_skipped_one_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run_all.main() == 2
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("skip ") for line in lines[:-1]) and len(lines) > 10
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    monkeypatch.setattr(run_all, "CHECKS", {"right": 0, "wrong": 0, "crashes": 0})
    said = {"right": "", "wrong": "1 is not 2"}
    monkeypatch.setattr(run_all, "check_program", said.__getitem__)
    monkeypatch.setattr(run_all, "check_shape_outside_the_profile", lambda: "")
    monkeypatch.setattr(run_all, "find_package", lambda: SimpleNamespace(title="TensorRT 10"))
    with contextlib.suppress(KeyError):
        assert run_all.main() == 1
    out = capsys.readouterr().out
    assert "FAIL wrong 1 is not 2" in out and "FAIL crashes KeyError" in out
    assert "2 of 4 pass" in out
