"""Random numbers: the file draws its own, or the model is refused; it is always said."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fxexport
from fxexport.errors import UnsupportedError

X = torch.ones(3, 4)
Program = Callable[[torch.Tensor], Any]


def draws(exported: fxexport.Exported, count: int = 200) -> np.ndarray[Any, Any]:
    """The file's first output, many times over."""
    session = onnxruntime.InferenceSession(
        exported.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.stack([session.run(None, {"x": X.numpy()})[0] for _ in range(count)])


def exported_of(program: Program) -> fxexport.Exported:
    exported = fxexport.export(program, (X,), dynamic={"x": [0]} if program is uniform else False)
    verification = exported.report.verification
    assert verification is not None
    assert verification.ok
    assert any("only dtypes and ranks were compared" in note for note in verification.notes)
    places = [f.location for f in exported.report.findings if "the file draws its own" in f.message]
    assert places
    assert all(place is not None and place.file == __file__ for place in places)
    return exported


def uniform(x):
    return torch.empty_like(x).uniform_(-2.0, 4.0)


def normal(x):
    return torch.zeros(3, 4).normal_(1.0, 2.0) + 0 * x


def normal_around(x):
    return torch.normal(x, 2.0)


def exponential(x):
    return torch.zeros_like(x).exponential_(0.5)


def python_uniform(x):
    return x * random.uniform(-2.0, 4.0)


def python_gauss(x):
    return x * random.gauss(1.0, 2.0)


def numpy_normal(x):
    return x * np.random.normal(1.0, 2.0)


def bernoulli(x):
    return torch.bernoulli(x * 0.25)


def python_randint(x):
    return x * random.randint(0, 2)


# mean and deviation of what is drawn
MOMENTS: list[tuple[Program, float, float]] = [
    (uniform, 1.0, 3**0.5),
    (normal, 1.0, 2.0),
    (normal_around, 1.0, 2.0),
    (exponential, 2.0, 2.0),
    (python_uniform, 1.0, 3**0.5),
    (python_gauss, 1.0, 2.0),
    (numpy_normal, 1.0, 2.0),
    (bernoulli, 0.25, 0.1875**0.5),
    (python_randint, 1.0, (2 / 3) ** 0.5),
]


@pytest.mark.parametrize(
    ("program", "mean", "deviation"),
    MOMENTS,
    ids=lambda part: getattr(part, "__name__", str(part)),
)
def test_the_file_draws_from_the_same_distribution(
    program: Program, mean: float, deviation: float
) -> None:
    values = draws(exported_of(program), 600)
    one_number = np.ptp(values, axis=(1, 2)).max() == 0
    count = 600 if one_number else values.size
    assert abs(values.mean() - mean) < 6 * deviation / count**0.5
    assert abs(values.std() - deviation) < 0.25 * deviation


def test_multinomial_without_replacement_gives_no_index_twice() -> None:
    weights = torch.tensor([0.0, 1.0, 2.0, 5.0])

    def drawn(x):
        return torch.multinomial(x * weights, 3), torch.multinomial(weights, 5, replacement=True)

    exported = exported_of(drawn)
    values = draws(exported, 100)
    assert (np.sort(values, -1) == [1, 2, 3]).all()


def test_dropout_in_eval_mode_is_nothing() -> None:
    exported = fxexport.export(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).eval(), (X,))
    assert not any("draws" in finding.message for finding in exported.report.findings)
    names = {node.op_type for node in exported.model.graph.node}
    assert not any("Random" in name for name in names)


def test_dropout_in_training_mode_scales_what_it_keeps() -> None:
    values = draws(exported_of(lambda x: F.dropout(x, 0.25, training=True)))
    assert set(np.unique(values.round(4))) == {np.float32(0.0), np.float32(1.3333)}


@pytest.mark.parametrize(
    "seed",
    [lambda: torch.manual_seed(3), lambda: random.seed(3), lambda: np.random.seed(3)],
    ids=["torch", "python", "numpy"],
)
def test_a_seed_set_in_forward_is_reported_and_left_alone(seed: Callable[[], Any]) -> None:
    def seeded(x):
        seed()
        return torch.rand_like(x)

    torch.manual_seed(11)
    random.seed(11)
    before = torch.get_rng_state(), random.getstate()
    exported = fxexport.export(seeded, (X,), verify=False)
    assert any("a seed is set here" in finding.message for finding in exported.report.findings)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()


def test_a_generator_is_reported() -> None:
    def given(x):
        generator = torch.Generator().manual_seed(1)
        return x + torch.rand(3, 4, generator=generator) + torch.randint(0, 9, (3, 4)) * 0

    exported = exported_of(given)
    assert any("a generator is given" in finding.message for finding in exported.report.findings)


def shuffled(x):
    order = [0, 1, 2]
    random.shuffle(order)
    return x[order]


def array(x):
    return x + torch.from_numpy(np.random.rand(3, 4))


def own_generator(x):
    return x * random.Random(3).random()


def numpy_generator(x):
    return x * np.random.default_rng(3).random()


@pytest.mark.parametrize("program", [shuffled, array, own_generator, numpy_generator])
def test_draws_that_would_be_frozen_are_refused(program: Program) -> None:
    with pytest.raises(UnsupportedError, match="draws when the model is exported") as caught:
        fxexport.export(program, (X,))
    assert caught.value.location is not None


class Fickle:
    """Gives another number each time, in a way that nobody reads."""

    def __init__(self) -> None:
        self.numbers = iter(range(1, 10_000))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x * next(self.numbers)


def test_a_model_that_changes_its_mind_is_no_rounding_error() -> None:
    with pytest.raises(fxexport.VerificationError) as caught:
        fxexport.export(Fickle(), (X,))
    report = caught.value.exported.report
    assert any("another result each time" in note for note in report.verification.notes)
