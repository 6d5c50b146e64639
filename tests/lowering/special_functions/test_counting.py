"""What is counted and chosen: modes, histograms, segments, and paths of a sequence's labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import fxexport
from tests.support.building import agrees_and_builds
from tests.support.complex_values import check


def runs(exported: fxexport.Exported, *values: Tensor) -> bool:
    """Whether the file takes these inputs."""
    session = onnxruntime.InferenceSession(exported.model.SerializeToString())
    names = [value.name for value in session.get_inputs()]
    try:
        session.run(None, dict(zip(names, (v.numpy() for v in values), strict=True)))
    except Exception as error:
        assert "expected that" in str(error), error
        return False
    return True


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """A few values that repeat."""
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randint(-3, 4, shape, generator=generator).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.int64,
                                   torch.uint8, torch.bool])  # fmt: skip
def test_mode(dtype: torch.dtype) -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        return *x.mode(), *x.mode(0, keepdim=True), x[0, 0].mode().values

    # Up to 16 elements PyTorch's sort keeps their order: the place is the last one.
    check(program, *((drawn(n, m, dtype=dtype),) for n, m in ((7, 5), (1, 1), (16, 13))))


def test_mode_of_many_elements() -> None:
    check(lambda x: x.mode(1).values, *((drawn(3, n),) for n in (400, 17, 1000)))


@pytest.mark.parametrize("density", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("limits", [None, (-1.0, 2.0), (0.0, 0.0)])
def test_histogram(limits: Any, weighted: bool, density: bool) -> None:
    def program(x: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
        own = weight if weighted else None
        hist, edges = torch.histogram(x, 7, range=limits, weight=own, density=density)
        return torch.nan_to_num(hist, -1), edges

    rows = [(torch.randn(n, 2, generator=torch.Generator().manual_seed(n)), torch.rand(n, 2))
            for n in (9, 1, 0, 40)]  # fmt: skip
    check(program, *rows, dynamic=({0: "n"}, {0: "n"}))


def test_histogram_of_given_edges() -> None:
    def program(x: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        hist, same = torch.histogram(x, edges, density=True)
        return torch.nan_to_num(hist, -1), same

    values = torch.tensor([0.0, 1, 1, 2.5, 3, -1, 9, torch.nan])
    edges = ([0.0, 1, 3], [1.0, 1.0], [0.0, 2], [0, 0.5, 1, 1, 2.5, 3])
    rows = [(values[:n], torch.tensor(own)) for n, own in zip((8, 2, 0, 5), edges, strict=True)]
    check(program, *rows)


def test_histogram_of_points() -> None:
    def program(x: Tensor, edges: Tensor) -> tuple[Any, ...]:
        by_count = torch.histogramdd(x, [2, 3], density=True)
        given = torch.histogramdd(x, [edges, edges * 2])
        in_range = torch.histogramdd(x, [2, 2], range=[-1.0, 1.0, 0.0, 2.0])
        return (by_count.hist, *by_count.bin_edges, given.hist, in_range.hist)

    rows = [(torch.randn(n, 2, generator=torch.Generator().manual_seed(n)),
             torch.tensor([-2.0, -0.5, 0.5, 2])) for n in (30, 4, 60)]  # fmt: skip
    check(program, *rows, dynamic=({0: "n"}, {}))


def test_a_histogram_raises_where_pytorch_does() -> None:
    exported = fxexport.export(lambda x: torch.histogram(x, 3)[0], (torch.rand(4),), dynamic=True)
    assert runs(exported, torch.rand(7)), "numbers"
    assert not runs(exported, torch.tensor([1.0, torch.nan])), "NaN has no bin, nor a range"


@pytest.mark.parametrize("initial", [None, 2])
@pytest.mark.parametrize("reduce", ["sum", "mean", "prod", "max", "min"])
def test_segments(reduce: str, initial: float | None) -> None:
    def program(x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        return (
            torch.segment_reduce(x, reduce, lengths=lengths, initial=initial),
            torch.segment_reduce(x, reduce, offsets=offsets[1:], initial=initial),
        )

    rows = [(torch.randn(sum(s), 3), torch.tensor(s)) for s in ([2, 0, 5], [1], [0, 0], [1, 4])]
    check(program, *rows, dynamic=([0], [0]))


def test_segments_of_each_row() -> None:
    def program(x: Tensor, lengths: Tensor) -> Tensor:
        return torch.segment_reduce(x, "max", lengths=lengths, axis=1)

    rows = [(torch.randn(2, 5, 3), torch.tensor([[2, 3], [0, 5]])),
            (torch.randn(1, 5, 3), torch.tensor([[4, 1]]))]  # fmt: skip
    check(program, *rows, dynamic=([0], [0]))


def test_segments_raise_where_pytorch_does() -> None:
    exported = fxexport.export(
        lambda x, n: torch.segment_reduce(x, "sum", lengths=n),
        (torch.rand(5), torch.tensor([2, 3])),
        dynamic=True,
    )
    assert runs(exported, torch.rand(3), torch.tensor([1, 0, 2]))
    assert not runs(exported, torch.rand(3), torch.tensor([1, 1]))
    assert not runs(exported, torch.rand(3), torch.tensor([4, -1]))


Sequences = tuple[Tensor, Tensor, Tensor, Tensor]


def sequences(time: int, batch: int, longest: int, *, joined: bool = False) -> Sequences:
    """Labels 1 to 4, each often twice in a row, of unequal lengths, some too long for the time."""
    generator = torch.Generator().manual_seed(time)
    log_probs = torch.randn(time, batch, 5, generator=generator).log_softmax(-1)
    lengths = torch.randint(0, longest + 1, (batch,), generator=generator)
    lengths[0] = longest
    times = torch.randint(0, time + 1, (batch,), generator=generator)
    times[-1] = time
    targets = torch.randint(1, 5, (batch, longest), generator=generator)
    if joined:
        targets = torch.cat([targets[k, :n] for k, n in enumerate(lengths)])
    return log_probs, targets, times, lengths


SIZES = ((12, 3, 4), (1, 1, 1), (30, 7, 9), (5, 2, 2))


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("zero_infinity", [False, True])
def test_loss_of_unaligned_labels(joined: bool, reduction: str, zero_infinity: bool) -> None:
    def program(*given: Tensor) -> Tensor:
        return functional.ctc_loss(*given, reduction=reduction, zero_infinity=zero_infinity)

    check(program, *(sequences(*size, joined=joined) for size in SIZES))


def test_loss_of_unaligned_labels_with_lengths_that_are_numbers() -> None:
    def program(log_probs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        whole = [len(log_probs)] * 3
        one = functional.ctc_loss(log_probs[:, 0], targets[0], (5,), (4,), reduction="none")
        return functional.ctc_loss(log_probs, targets, whole, (4, 2, 0), blank=2), one

    check(program, *(sequences(t, 3, 4)[:2] for t in (12, 5, 7)), dynamic=([0], []))


def test_loss_of_unaligned_labels_in_a_branch_in_a_loop() -> None:
    def program(*given: Tensor) -> Tensor:
        total = torch.zeros(())
        for k in range(given[0].shape[1]):
            if given[3][k] > 0:
                one = functional.ctc_loss(
                    given[0][:, k : k + 1], *(y[k : k + 1] for y in given[1:])
                )
                total = total + one.clamp(max=99)
        return total

    check(program, *(sequences(*size) for size in SIZES[:3]))


def test_the_loss_raises_where_pytorch_does() -> None:
    log_probs, targets, times, lengths = sequences(6, 2, 3)
    exported = fxexport.export(
        functional.ctc_loss, (log_probs, targets, times, lengths), dynamic=True
    )
    assert runs(exported, log_probs, targets, times, lengths)
    assert not runs(exported, log_probs, targets, times + 6, lengths)
    assert not runs(exported, log_probs, targets, times, lengths + 3)
    assert not runs(exported, log_probs, targets, times, lengths - 4)


def test_one_hot_of_as_many_classes_as_the_data_has() -> None:
    program = functional.one_hot
    check(program, *((torch.tensor(x),) for x in ([2, 0, 3], [0], [5, 5, 1, 9])))
    exported = fxexport.export(program, (torch.tensor([1, 0]),), dynamic=True)
    assert runs(exported, torch.tensor([4]))
    assert not runs(exported, torch.tensor([4, -1])), "PyTorch raises as well"


def test_pieces_that_end_at_places_in_a_tensor() -> None:
    def program(x: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        sizes, total = [], torch.zeros(())
        for piece in torch.tensor_split(x, places):
            sizes.append(torch.tensor(len(piece)))
            total = total * 2 + piece.sum()
        return torch.stack(sizes), total

    places = ([1, 4], [0], [2, 2, -1], [3, 9], [4, 1])
    rows = [
        (torch.rand(n), torch.tensor(own)) for n, own in zip((6, 3, 5, 4, 6), places, strict=True)
    ]
    check(program, *rows)


@pytest.mark.parametrize("scale", [1.7, 0.6])
def test_areas_of_sizes_that_are_computed(scale: float) -> None:
    def program(x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=scale, mode="area")

    check(program, *((torch.rand(2, 3, n),) for n in (4, 7, 2)))


TENSORRT: dict[str, tuple[Any, list[tuple[Tensor, ...]]]] = {
    "mode": (lambda x: x.mode(1)[0], [(drawn(n, 5),) for n in (3, 1, 6)]),
    "histogram": (lambda x: torch.histogram(x, 5)[0], [(drawn(n),) for n in (5, 2, 9)]),
    "segments": (
        lambda x, lengths: torch.segment_reduce(x, "max", lengths=lengths),
        [(torch.rand(sum(s), 3), torch.tensor(s)) for s in ([2, 3], [1], [4, 5, 2])],
    ),
    "divisors": (torch.gcd, [(torch.arange(n), torch.arange(n) * 6 + 4) for n in (5, 2, 9)]),
    "paths": (functional.ctc_loss, [sequences(*size) for size in (SIZES[0], SIZES[3], SIZES[2])]),
}


@pytest.mark.parametrize("name", TENSORRT)
def test_tensorrt_builds_it(name: str, tmp_path: Path) -> None:
    agrees_and_builds(*TENSORRT[name], tmp_path)
