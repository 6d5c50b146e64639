"""State that survives a call: within one call, and from call to call by each choice."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from torch import nn

import fxexport
from fxexport.command.main import main
from fxexport.errors import UnsupportedError, UsageError
from tests.support.harness import flatten

X = torch.linspace(-1.0, 1.7, 4).reshape(1, 4)


class Counter(nn.Module):
    """Python numbers, one of them behind a condition that only later calls meet."""

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.scale, self.warm = 0, 1.0, False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        self.scale = self.scale * 0.5
        if self.steps > 2:
            self.warm = True
        return x * self.scale + self.steps if self.warm else x - self.steps


class Recurrent(nn.Module):
    """A hidden state that is assigned, in a submodule of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Module()
        self.inner.cell = nn.GRUCell(4, 3)
        self.inner.hidden = torch.zeros(1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.inner.hidden = self.inner.cell(x, self.inner.hidden)
        if self.inner.hidden.sum() > 0.3:
            self.inner.hidden = self.inner.hidden * 0.5
        return self.inner.hidden * 2


class Pair(nn.Module):
    """An LSTM's two states in a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(4, 3)
        self.state = (torch.zeros(1, 3), torch.zeros(1, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.state = self.cell(x, self.state)
        return self.state[0]


class Cache(nn.Module):
    """Keys and values that grow by a row a call, in lists of a plain object."""

    def __init__(self) -> None:
        super().__init__()
        self.kv = nn.Linear(4, 8)
        self.store = SimpleNamespace(keys=[torch.zeros(1, 0, 4)], values=[torch.zeros(1, 0, 4)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        k, v = self.kv(x[:, None]).chunk(2, -1)
        store = self.store
        store.keys[0] = torch.cat([store.keys[0], k], 1)
        store.values[0] = torch.cat([store.values[0], v], 1)
        weights = torch.softmax(x[:, None] @ store.keys[0].transpose(1, 2), -1)
        return (weights @ store.values[0])[:, 0]


class Ring(nn.Module):
    """A buffer written in place at a place that moves, in a loop."""

    ring: torch.Tensor
    at: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ring", torch.zeros(3, 4))
        self.register_buffer("at", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            self.ring[self.at] = x[0]
            self.at.copy_((self.at + 1) % 3)
        if x.sum() > 0:
            self.ring.mul_(0.5)
        return self.ring.sum(0)


class Norms(nn.Module):
    """Batch statistics of training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4, momentum=0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


class Shared(nn.Module):
    """One tensor under two names, written through one and read through the other."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.zeros(1, 4)
        self.b = self.a

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.a.add_(x)
        return self.b * 2


def xs(count: int, seed: int, rows: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, 4, generator=generator) for _ in range(count)]


def step_by_step(
    exported: fxexport.Exported, make: Callable[[], nn.Module], inputs: Sequence[torch.Tensor]
) -> None:
    """ONNX Runtime and the graph, each fed its own state, against a model that is called on."""
    session = onnxruntime.InferenceSession(
        exported.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    count = len(exported.graph.state)
    assert count
    names = [item.name for item in session.get_inputs()]
    state: dict[str, Any] = exported.initial_state
    kept = [copy.deepcopy(entry.initial) for entry in exported.graph.state]
    model = make()
    for x in inputs:
        with torch.no_grad():
            expected = flatten(model(x.clone()))
        results = session.run(None, {names[0]: x.numpy(), **state})
        state = dict(zip(names[1:], results[-count:], strict=True))
        outputs = exported.graph.run(x, *kept)
        kept = list(outputs[-count:])
        for want, got, graph in zip(expected, results, outputs, strict=False):
            np.testing.assert_allclose(got, np.asarray(want), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(np.asarray(graph), np.asarray(want), rtol=1e-4, atol=1e-5)


MODELS: dict[str, tuple[type[nn.Module], list[str]]] = {
    "numbers": (Counter, ["steps", "scale", "warm"]),
    "a submodule's tensor": (Recurrent, ["inner.hidden"]),
    "a tuple": (Pair, ["state.0", "state.1"]),
    "growing tensors in an object": (Cache, ["store.keys.0", "store.values.0"]),
    "buffers in place": (Ring, ["ring", "at"]),
    "two names": (Shared, ["a"]),
}


def maker(kind: type[nn.Module], training: bool = False) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return kind().train(training)

    return make


@pytest.mark.parametrize("name", MODELS)
def test_state_is_an_input_and_an_output(name: str) -> None:
    kind, paths = MODELS[name]
    make = maker(kind)
    exported = fxexport.export(make(), (X,), state="io")
    assert [entry.path for entry in exported.graph.state] == paths
    assert [spec.name for spec in exported.graph.inputs[1:]] == [f"state.{p}" for p in paths]
    assert [s.name for s in exported.graph.outputs[-len(paths) :]] == [
        f"state.{p}.out" for p in paths
    ]
    assert exported.report.verification is not None
    assert exported.report.verification.ok
    labels = [case.label for case in exported.report.verification.cases]
    assert sum("in a row" in label for label in labels) >= 5
    step_by_step(exported, make, xs(9, seed=len(name)))


@pytest.mark.parametrize("name", MODELS)
def test_dropped_state_starts_anew_each_call_and_is_reported_with_its_line(name: str) -> None:
    kind, paths = MODELS[name]
    make = maker(kind)
    model = make()
    before = copy.deepcopy(model.state_dict())
    exported = fxexport.export(model, (X,))
    notes = [f for f in exported.report.findings if "forgets it after a call" in f.message]
    said = {f.message.split("'")[1] for f in notes}
    assert said <= set(paths)
    assert said
    assert all(f.location is not None and f.location.file == __file__ for f in notes)
    assert not exported.graph.state
    for x in xs(3, seed=5):
        with torch.no_grad():
            want = make()(x.clone())
        torch.testing.assert_close(exported.graph.run(x)[0], want)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


@pytest.mark.parametrize("name", MODELS)
def test_state_is_refused_where_that_was_asked_for(name: str) -> None:
    with pytest.raises(UnsupportedError, match="survives the call") as caught:
        fxexport.export(maker(MODELS[name][0])(), (X,), state="refuse")
    assert caught.value.location is not None
    assert "state='io'" in str(caught.value.hint)


def test_a_model_without_state_is_not_refused() -> None:
    exported = fxexport.export(nn.Linear(4, 2), (X,), state="refuse")
    assert not exported.graph.state
    assert not fxexport.export(nn.Linear(4, 2), (X,), state="io").graph.state


def test_batch_statistics_in_training_mode() -> None:
    make = maker(Norms, training=True)
    exported = fxexport.export(make(), (torch.randn(3, 4),), state="io", dynamic={"x": [0]})
    assert [entry.path for entry in exported.graph.state] == [
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
    ]
    step_by_step(exported, make, [*xs(2, 1, rows=3), *xs(2, 2, rows=6)])


def test_a_growing_cache_has_a_dynamic_dimension() -> None:
    exported = fxexport.export(maker(Cache)(), (X,), state="io")
    shape = exported.graph.state[0].spec.shape
    assert [getattr(dim, "name", dim) for dim in shape] == [1, "state.store.keys.0_d1", 4]


def test_a_choice_for_each_path() -> None:
    make = maker(Recurrent)
    choice = {"*": "drop", "inner.*": "io"}
    exported = fxexport.export(make(), (X,), state=choice)
    assert [entry.path for entry in exported.graph.state] == ["inner.hidden"]
    exported = fxexport.export(maker(Pair)(), (X,), state={"*": "io", "state.1": "drop"})
    assert [entry.path for entry in exported.graph.state] == ["state.0"]
    for wrong in ("keep", {"*": "keep"}, 3):
        with pytest.raises(UsageError, match="state must be one of"):
            fxexport.export(make(), (X,), state=wrong)  # type: ignore[arg-type]


class _Broken(nn.Module):
    def __init__(self, first: Any) -> None:
        super().__init__()
        self.kept = first


class NoneFirst(_Broken):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept = x if self.kept is None else self.kept + x
        return self.kept


class OtherKind(_Broken):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept = x.sum()
        return x


class Longer(_Broken):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept.append(x)
        return x


class TwoOutOfOne(_Broken):
    def __init__(self, first: Any) -> None:
        super().__init__(first)
        self.also = self.kept

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept = self.kept + x
        return self.kept + self.also


class OneOutOfTwo(_Broken):
    def __init__(self, first: Any) -> None:
        super().__init__(first)
        self.before = torch.zeros(1, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept.add_(x)
        self.before = self.kept
        return self.before * 1


@pytest.mark.parametrize(
    ("kind", "first", "match"),
    [
        (NoneFirst, None, "None before the call and a float32 tensor"),
        (OtherKind, 0, "an int before the call and a float32 tensor"),
        (OtherKind, torch.zeros(4), "of 1 dimensions before the call and .* of 0"),
        (OtherKind, torch.zeros((), dtype=torch.int64), "int64 tensor .* float32 tensor"),
        (Longer, [], "not there before the call"),
        (TwoOutOfOne, torch.zeros(1, 4), "one tensor before the call and two"),
        (OneOutOfTwo, torch.zeros(1, 4), "shares memory"),
    ],
)
def test_what_cannot_be_an_input_is_refused_with_its_line(
    kind: type[_Broken], first: Any, match: str
) -> None:
    with pytest.raises(UnsupportedError, match=match) as caught:
        fxexport.export(kind(copy.copy(first)), (X,), state="io")
    assert caught.value.location is not None
    assert caught.value.location.file == __file__
    # Within one call, all of them are what they are in PyTorch.
    assert fxexport.export(kind(copy.copy(first)), (X,)).report.verification.ok  # type: ignore[union-attr]


def test_state_that_is_none_is_a_tensor_once_the_model_was_called() -> None:
    model = NoneFirst(None)
    model(X)
    exported = fxexport.export(model, (X,), state="io")

    def called_once() -> NoneFirst:
        fresh = NoneFirst(None)
        fresh(X)
        return fresh

    step_by_step(exported, called_once, xs(3, seed=1))


HISTORY: list[Any] = []


def _remembers(x: torch.Tensor) -> torch.Tensor:
    HISTORY.append(1)
    return x * 2


def test_state_outside_of_the_model_is_reported_or_refused() -> None:
    exported = fxexport.export(_remembers, (X,))
    assert [f for f in exported.report.findings if "forgets it after a call" in f.message]
    with pytest.raises(UnsupportedError, match="no attribute of the model"):
        fxexport.export(_remembers, (X,), state="refuse")
    HISTORY.clear()


class WritesPlainTensor(nn.Module):
    """A tensor that is neither parameter nor buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.zeros(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.table += x.sum(0)
        return self.table


def test_comparing_leaves_written_tensors_as_they_were() -> None:
    model = WritesPlainTensor()
    exported = fxexport.export(model, (X,), check_inputs=[(X + 1,)], dynamic=True)
    assert exported.report.verification is not None
    assert exported.report.verification.ok
    assert not model.table.any()


FILE = """
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.total, self.last = torch.zeros(1, 4), None

    def forward(self, x):
        self.total = self.total + x
        self.last = x
        return self.total

model = Model()
example_inputs = (torch.ones(1, 4),)
"""


def test_the_command_takes_choices_and_writes_the_first_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "summed.py").write_text(FILE)
    path = tmp_path / "summed.onnx"
    arguments = [str(tmp_path / "summed.py"), "-o", str(path)]
    assert main([*arguments, "--state", "io"]) == 1
    assert not path.exists()
    assert "'last'" in capsys.readouterr().err
    assert main([*arguments, "--state", "io", "--state", "last=drop"]) == 0
    shown = capsys.readouterr().out
    assert "'state.total'" in shown
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pairs = session.get_modelmeta().custom_metadata_map["fxexport.state"]
    assert pairs == '{"state.total": "state.total.out"}'
    with np.load(tmp_path / "summed.state.npz") as first:
        (total, kept) = session.run(None, {"x": np.ones((1, 4), np.float32), **first})
    assert total.tolist() == kept.tolist() == [[1.0] * 4]
