"""An export runs nothing, reads no weight, is repeatable, and leaves everything as it was."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import fxexport
from fxexport.capture.session.session import Session

ROOT = Path(fxexport.__file__).parents[1]
X = (torch.ones(2, 4),)


class Branchy(nn.Module):
    """Weights, a buffer, state on self, an if, a loop, attention, a constant made in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.attend = nn.MultiheadAttention(4, 2, batch_first=True)
        self.calls = 0
        self.seen: list[Any] = []
        self.table: dict[str, Any] = {"a": 1}
        self.steps: torch.Tensor
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.seen.append(x)
        self.table["last"] = x
        self.cache = x + 1
        self.steps += 1
        y = self.norm(self.fc(x))
        if y.sum() > 0:
            y = self.attend(y[None], y[None], y[None])[0][0]
        for row in x:
            y = y + row * torch.tensor([1.0, 2.0, 3.0, 4.0])
        return y


def make(training: bool = False) -> Branchy:
    torch.manual_seed(0)
    return Branchy().train(training)


# -- nothing is run ----------------------------------------------------------------------------


class NothingRuns(TorchDispatchMode):
    """Raises where an operator meets a tensor that has data; views and constants are none."""

    ALLOWED = ("aten::detach", "aten::lift_fresh", "aten::view", "aten::alias")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        for leaf in torch.utils._pytree.tree_leaves((args, kwargs)):
            if has_data(leaf) and not func.name().startswith(self.ALLOWED):
                raise AssertionError(f"{func} runs on real data of shape {tuple(leaf.shape)}")
        return func(*args, **(kwargs or {}))


def has_data(value: Any) -> bool:
    plain = type(value) in (torch.Tensor, nn.Parameter, nn.Buffer)
    return plain and value.device.type != "meta" and not torch._is_functional_tensor(value)


def test_the_guard_of_these_tests_notices_a_real_kernel() -> None:
    with NothingRuns(), pytest.raises(AssertionError, match="runs on real data"):
        make()(*X)


@pytest.mark.parametrize("dynamic", [False, True])
def test_no_kernel_runs_on_real_data(dynamic: bool) -> None:
    model = make()
    with NothingRuns():
        exported = fxexport.export(model, X, dynamic=dynamic, verify=False)
    assert exported.report.of_kind("branch")


SEALED = """
import ctypes, mmap, sys
import torch, fxexport
from tests.capture.test_purity import make

libc = ctypes.CDLL(None, use_errno=True)
areas = []

def sealed(tensor):
    # The same values in memory of their own, which can be closed to readers.
    area = mmap.mmap(-1, max(tensor.numel() * tensor.element_size(), 1))
    copy = torch.frombuffer(area, dtype=tensor.dtype, count=tensor.numel()).view(tensor.shape)
    copy.copy_(tensor)
    areas.append((copy.data_ptr(), len(area), area))
    return copy

def protect(rights):
    for address, size, _ in areas:
        assert libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), rights) == 0

model = make()
with torch.no_grad():
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                module._parameters[name] = torch.nn.Parameter(sealed(parameter))
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = sealed(buffer)
    inputs = (sealed(torch.ones(2, 4)),)
protect(0)  # nobody may read or write from here on
if sys.argv[1] == "read":
    print(model.fc.weight.sum())
exported = fxexport.export(model, inputs, dynamic=True, verify=False)
print("captured", len(exported.graph.weights))
protect(mmap.PROT_READ)
exported.save(sys.argv[2])
print("written")
"""


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="closes memory with Linux's mprotect")
def test_no_weight_and_no_input_is_read_before_the_file_is_written(tmp_path: Path) -> None:
    """Their memory is closed: a read would kill the process."""
    done = run_python(SEALED, "capture", str(tmp_path / "model.onnx"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "written"
    plain = tmp_path / "plain.onnx"
    fxexport.export(make(), X, plain, dynamic=True, verify=False)
    assert (tmp_path / "model.onnx").read_bytes() == plain.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="closes memory with Linux's mprotect")
def test_the_test_above_notices_a_read() -> None:
    assert run_python(SEALED, "read", "").returncode == -11


def test_weights_without_data_can_be_captured() -> None:
    with torch.device("meta"):
        model = Branchy().eval()
    exported = fxexport.export(model, X, dynamic=True, verify=False)
    assert exported.report.of_kind("branch")
    assert {"fc.weight", "norm.running_mean"} <= set(exported.graph.weights)


def test_what_goes_to_the_file_is_read_when_it_is_written() -> None:
    import onnx

    model = make()
    exported = fxexport.export(model, X, verify=False)
    with torch.no_grad():
        model.fc.weight.fill_(7.0)
    (weight,) = (t for t in exported.model.graph.initializer if t.name == "fc.weight")
    assert (onnx.numpy_helper.to_array(weight) == 7.0).all()


def test_weights_are_not_copied() -> None:
    model = make()
    exported = fxexport.export(model, X, verify=False)
    for name, tensor in model.state_dict().items():
        if name in exported.graph.weights:
            assert exported.graph.weights[name].data_ptr() == tensor.data_ptr(), name
    assert "fc.weight" in exported.graph.weights


# -- everything is left as it was --------------------------------------------------------------


def snapshot(model: Branchy) -> dict[str, Any]:
    """What a user can see of a model."""
    return {
        "attributes": {
            name: {k: (id(v), _content(v)) for k, v in vars(module).items()}
            for name, module in model.named_modules()
        },
        "training": [m.training for m in model.modules()],
        "values": {k: v.clone() for k, v in model.state_dict().items()},
        "identity": [id(p) for p in (*model.parameters(), *model.buffers())],
        "grads": [(p.requires_grad, p.grad) for p in model.parameters()],
        "versions": [parameter._version for parameter in model.parameters()],
    }


def _content(value: Any) -> Any:
    if isinstance(value, dict):
        return [(k, id(v)) for k, v in value.items()]
    return [id(v) for v in value] if isinstance(value, (list, set)) else None


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    for key, value in a.items():
        if key == "values":
            assert all(torch.equal(tensor, b[key][name]) for name, tensor in value.items())
        else:
            assert value == b[key], key


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_the_model_is_left_as_it_was(training: bool, verify: bool) -> None:
    model = make(training)
    before = snapshot(model)
    with contextlib.suppress(fxexport.FxExportError):
        fxexport.export(model, X, verify=verify)
    assert_same(before, snapshot(model))
    assert not hasattr(model, "cache")
    assert model.calls == 0 and model.seen == [] and model.table == {"a": 1}


class Raises(Branchy):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        super().forward(x)
        raise ValueError("not today")


class Refused(Branchy):
    def forward(self, x: torch.Tensor) -> Any:
        y = super().forward(x)
        return y, {row.sum() for row in x if row.sum() > 0}


@pytest.mark.parametrize("kind", [Raises, Refused])
def test_a_model_that_is_refused_is_left_as_it_was(kind: type[Branchy]) -> None:
    torch.manual_seed(0)
    model = kind().eval()
    before = snapshot(model)
    with pytest.raises(fxexport.FxExportError):
        fxexport.export(model, X, dynamic=True)
    assert_same(before, snapshot(model))


def test_hooks_take_effect_and_stay() -> None:
    model = make()
    calls: list[str] = []

    def before(module: nn.Module, args: Any) -> Any:
        calls.append("before")
        return (args[0] * 2,)

    def after(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        return output + 10

    model.fc.register_forward_pre_hook(before)
    model.register_forward_hook(after)
    exported = fxexport.export(model, X)
    assert exported.report.verification is not None and exported.report.verification.ok
    assert len(model.fc._forward_pre_hooks) == len(model._forward_hooks) == 1
    with torch.no_grad():
        (result,) = exported.graph.run(*X)
        torch.testing.assert_close(result, make_hooked()(*X))


def make_hooked() -> Branchy:
    model = make()
    model.fc.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    model.register_forward_hook(lambda module, args, output: output + 10)
    return model


def world() -> dict[str, Any]:
    """The process's state that an export could disturb."""
    return {
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "mha": torch.backends.mha.get_fastpath_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "folder": os.getcwd(),
        "path": list(sys.path),
        "recursion": sys.getrecursionlimit(),
        "environment": dict(os.environ),
        "functions": (torch.nn.functional.relu, len, print, range, torch.Tensor.__getitem__),
    }


def succeeds() -> None:
    fxexport.export(make(), X, dynamic=True)


def is_refused() -> None:
    with pytest.raises(fxexport.FxExportError):
        fxexport.export(Refused().eval(), X, dynamic=True)


def raises() -> None:
    with pytest.raises(fxexport.ModelError):
        fxexport.export(Raises().eval(), X, dynamic=True)


@contextlib.contextmanager
def float64_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("act", [succeeds, is_refused, raises])
@pytest.mark.parametrize("surroundings", [torch.enable_grad, torch.no_grad])
def test_the_process_is_left_as_it_was(act: Callable[[], None], surroundings: Any) -> None:
    with surroundings():
        before = world()
        act()
        assert world() == before


@pytest.mark.parametrize("verify", [False, True])
def test_the_random_state_is_left_as_it_was(verify: bool) -> None:
    model = make()
    before = torch.get_rng_state()
    fxexport.export(model, X, dynamic=True, verify=verify)
    assert torch.equal(before, torch.get_rng_state())


def test_another_default_dtype_is_kept() -> None:
    def constant(x: torch.Tensor) -> torch.Tensor:
        return torch.full((2,), 0.1) + x.sum()

    with float64_by_default():
        exported = fxexport.export(constant, (torch.ones(2),))
        assert torch.get_default_dtype() == torch.float64
    (output,) = exported.model.graph.output
    assert output.type.tensor_type.elem_type == 11


def test_inputs_are_left_as_they_were() -> None:
    def writes(x: torch.Tensor) -> torch.Tensor:
        x += 1
        return x * 2

    x = torch.ones(2)
    exported = fxexport.export(writes, (x,), check_inputs=[(x,)])
    assert torch.equal(x, torch.ones(2))
    assert exported.report.verification is not None and exported.report.verification.ok


# -- repeatable --------------------------------------------------------------------------------

PROGRAM = """
import hashlib, sys
import torch, fxexport
from tests.capture.test_purity import X, make
for path in sys.argv[1:]:
    fxexport.export(make(), X, path, dynamic=True, verify=False)
    print(hashlib.sha256(open(path, "rb").read()).hexdigest())
"""


def test_two_exports_give_the_same_bytes_here_and_in_another_process(tmp_path: Path) -> None:
    mine = []
    for name in ("a.onnx", "b.onnx"):
        fxexport.export(make(), X, tmp_path / name, dynamic=True, verify=False)
        mine.append(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert mine[0] == mine[1]
    done = run_python(PROGRAM, str(tmp_path / "c.onnx"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [mine[0]]


def test_verification_does_not_change_the_bytes(tmp_path: Path) -> None:
    for name, verify in (("a.onnx", False), ("b.onnx", True)):
        fxexport.export(make(), X, tmp_path / name, dynamic=True, verify=verify)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.parametrize("refused", [False, True])
def test_a_capture_is_freed_when_it_has_ended(refused: bool) -> None:
    """Its tensors hold its sizes in C++, where Python's collector of cycles does not look."""

    def program(x: torch.Tensor) -> torch.Tensor:
        for row in x:
            if row.sum() > 0:
                x = x + row
        return torch.tensor(x.numpy()) if refused else x

    def captures() -> int:
        gc.collect()
        return sum(type(each) is Session for each in gc.get_objects())

    before = captures()
    with contextlib.suppress(fxexport.UnsupportedError):
        fxexport.export(program, (torch.ones(3, 4),), dynamic=True)
    assert captures() == before
