"""Lists become buffers with room for their largest length, and counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fxexport.passes.tensorrt.lists import lists_to_buffers

import fxexport
import fxexport.tensorrt
from fxexport.graph.sequences import SEQUENCE_FUNCTIONS
from fxexport.profiles import Profile
from fxexport.targets import target_named
from tests.programs.lists import PROGRAMS
from tests.programs.program import TORCH
from tests.support.harness import run_program
from tests.support.rewriting import agrees_for_tensorrt, nodes_of, rewritten

pytest.importorskip("onnxruntime")

PASSES = target_named("tensorrt").passes
BUFFERS = PASSES[: PASSES.index(lists_to_buffers) + 1]
Inputs = list[tuple[Any, ...]]


def rows(*sizes: int, factor: float = 1.0) -> Inputs:
    made = torch.Generator().manual_seed(0)
    return [(torch.randn(n, 4, generator=made) * factor,) for n in sizes]


# How detection and decoding code fills lists.


def nms_by_hand(boxes: torch.Tensor) -> tuple[torch.Tensor, int]:
    """A list of what was kept, read in an inner loop with an early stop."""
    order = boxes[:, 0].argsort(descending=True)
    keep = []
    for i in range(boxes.shape[0]):
        good = True
        for kept in keep:
            if (boxes[order[i]] - boxes[kept]).abs().sum() < 2:
                good = False
                break
        if good:
            keep.append(int(order[i]))
    return boxes[torch.tensor(keep, dtype=torch.int64)], len(keep)


def proposals_by_level(x: torch.Tensor) -> torch.Tensor:
    """Levels of fixed number, each appends or not."""
    found = []
    for level in range(3):
        scores = x * (level + 1)
        if scores.max() > 1:
            found.append(scores.mean(0))
            found.append(scores.amax(0))
    if len(found) == 0:
        return x.new_zeros(1, 4)
    return torch.stack(found)


def tracks(x: torch.Tensor) -> tuple[int, torch.Tensor]:
    """Boxes and ages side by side; the oldest is dropped, one is changed in place."""
    boxes, ages = [], []
    for i in range(x.shape[0]):
        if x[i, 0] > -0.5:
            boxes.append(x[i])
            ages.append(i)
        if len(boxes) > 2:
            boxes.pop(0)
            ages.pop(0)
        if len(boxes) > 0:
            boxes[-1] = boxes[-1] * 0.5 + boxes[0]
    total = x.new_zeros(4)
    for box, age in zip(boxes, ages, strict=True):
        total = total + box * age
    return sum(ages), total


def decode(x: torch.Tensor, limit: int) -> tuple[torch.Tensor, int]:
    """Tokens until an end or a limit: the limit bounds the list."""
    tokens = [0]
    state = x.sum(0)
    while len(tokens) < limit:
        state = state * 0.5 + tokens[-1]
        token = int(state.argmax())
        tokens.append(token)
        if token == 3:
            break
    return torch.tensor(tokens), len(tokens)


def emptied_from_both_ends(x: torch.Tensor) -> torch.Tensor:
    waiting = list(x)
    total = x.new_zeros(4)
    while waiting:
        total = total * 0.5 + waiting.pop(0)
        if waiting:
            total = total - waiting.pop()
    return total


def flags_in_the_middle(x: torch.Tensor) -> tuple[int, bool]:
    flags = [True]
    for i in range(x.shape[0]):
        flags.insert(len(flags) // 2, bool(x[i, 0] > 0))
    return flags.count(True), flags[-2] if len(flags) > 1 else False


DECODED = [(x, n) for (x,), n in zip(rows(3, 1, 5, 2), (6, 0, 1, 9), strict=True)]
TYPICAL: list[tuple[Callable[..., Any], Inputs]] = [
    (nms_by_hand, rows(5, 1, 9, 2)),
    (proposals_by_level, [*rows(4, 1, 7), *rows(3, factor=0.01)]),
    (tracks, [*rows(5, 0, 1, 9), *rows(6, factor=9.0)]),
    (decode, DECODED),
    (emptied_from_both_ends, rows(4, 0, 1, 2, 9)),
    (flags_in_the_middle, rows(4, 0, 1, 7)),
]


@pytest.mark.parametrize(("program", "inputs"), TYPICAL, ids=[p.__name__ for p, _ in TYPICAL])
def test_typical_lists_become_buffers(program: Callable[..., Any], inputs: Inputs) -> None:
    after = rewritten(program, inputs, *BUFFERS)
    assert not any(nodes_of(after, function) for function in SEQUENCE_FUNCTIONS)
    agrees_for_tensorrt(program, inputs)


RAGGED = {"append_twice_or_never", "sequence_result", "results_in_a_dict"}
if TORCH < (
    2,
    13,
):  # there `torch.outer` gives rows of which PyTorch does not say that they are alike
    RAGGED.add("cat_blocks")
LISTS = [
    p for p in PROGRAMS if p.expect == "export" and p.name.split(".")[1] not in RAGGED | {"queue"}
]


@pytest.mark.parametrize("program", LISTS, ids=[p.name for p in LISTS])
def test_programs_with_lists_agree(program: Any) -> None:
    outcome = run_program(program, target="tensorrt")
    assert outcome.status == "agree", outcome.details


@pytest.mark.parametrize(
    "name", ["conditional_append", "insert_and_set", "searching", "stack_of_work", "zipped"]
)
def test_tensorrt_builds_them(name: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    program = next(p for p in LISTS if p.name == f"lists.{name}")
    sizes = {"x": ((1,), (2,), (6,)) if name == "stack_of_work" else ((1, 4), (3, 4), (6, 4))}
    built(program.make(), program.inputs[0], Profile(sizes), tmp_path)


@pytest.mark.parametrize("program", [nms_by_hand, proposals_by_level, tracks])
def test_tensorrt_builds_typical_ones(program: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    built(program, rows(3)[0], Profile({"x" if program is not nms_by_hand else "boxes":
          ((1, 4), (3, 4), (8, 4))}), tmp_path)  # fmt: skip


def built(program: Any, inputs: Any, profile: Profile, folder: Path, **options: Any) -> None:
    model = fxexport.export(
        program, inputs, folder / "model.onnx", profiles=profile, target="tensorrt", verify=False,
        **options,
    )  # fmt: skip
    fxexport.tensorrt.build(model, timeout=120)
    assert list(folder.glob("*.engine"))


def refusal(program: Callable[..., Any], inputs: tuple[Any, ...]) -> fxexport.FxExportError:
    with pytest.raises(fxexport.FxExportError) as caught:
        fxexport.export(program, inputs, dynamic=True, target="tensorrt", verify=False)
    return caught.value


def doubled(x: torch.Tensor) -> int:
    items = [0]
    for _ in range(x.shape[0]):
        items.extend(list(items))
    return len(items)


def ragged(x: torch.Tensor) -> torch.Tensor:
    items = []
    for i in range(x.shape[0]):
        items.append(x[i][x[i] > 0])
    return torch.cat(items) + items[0].sum()


def returned(x: torch.Tensor) -> list[torch.Tensor]:
    return [row for row in x if row[0] > 0]


def halved(x: torch.Tensor) -> tuple[torch.Tensor, int]:
    items = [x.sum(0)]
    while items[-1].abs().max() > 1:
        items.append(items[-1] / 2)
    return torch.stack(items), len(items)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (doubled, "more than a fixed number of items an iteration"),
        (ragged, "items differ in size"),
        (returned, "is an output"),
        (halved, "without a bound on its iterations"),
    ],
)
def test_what_has_no_room_is_refused_with_its_line(program: Any, said: str) -> None:
    error = refusal(program, rows(3)[0])
    assert said in error.message
    assert error.location is not None and error.location.file == __file__
    assert error.hint


# -- max_trips -------------------------------------------------------------------------------------


def halved_in_bodies(x: torch.Tensor) -> tuple[int, torch.Tensor]:
    items = []
    for i in range(x.shape[0]):
        row = x[i]
        if row.sum() > 0:
            while row.abs().max() > 1:
                row = row / 2
                items.append(row)
    return len(items), sum(items, torch.zeros(4))


LARGE = torch.full((2, 4), 1e6)


@pytest.mark.parametrize("program", [halved, halved_in_bodies])
def test_max_trips_gives_room_and_says_when_it_is_exceeded(program: Any) -> None:
    def exported(most: int) -> fxexport.Exported:
        return fxexport.export(
            program, (LARGE,), dynamic=True, target="tensorrt", max_trips=most, verify=False
        )

    enough, short = exported(24), exported(4)
    at = [spec.exceeded for spec in enough.graph.outputs].index(True)
    assert enough.graph.outputs[at].name == "max_trips.exceeded"
    assert enough.graph.run(LARGE)[at] in (False, 0)
    assert short.graph.run(LARGE)[at] in (True, 1)
    assert short.graph.run(LARGE / 1e7)[at] in (False, 0)
    assert enough.verify().ok
    verification = short.verify()
    assert not verification.ok
    assert "more than max_trips=4 iterations" in verification.message
    assert program.__name__ in verification.message
    assert any("at most 4 iterations" in f.message for f in short.report.of_kind("assumption"))


def test_a_file_that_is_too_short_is_not_kept_as_verified(tmp_path: Path) -> None:
    with pytest.raises(fxexport.VerificationError, match="max_trips=4"):
        fxexport.export(
            halved, (LARGE,), tmp_path / "m.onnx", dynamic=True, target="tensorrt", max_trips=4
        )
    assert not (tmp_path / "m.onnx").exists()


def test_loops_with_a_bound_are_not_capped() -> None:
    model = fxexport.export(
        decode, DECODED[0], dynamic=True, target="tensorrt", max_trips=2, verify=False
    )
    assert not any(spec.exceeded for spec in model.graph.outputs)


def test_tensorrt_builds_a_capped_loop(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    profile = Profile({"x": ((1, 4), (2, 4), (6, 4))})
    built(halved_in_bodies, (LARGE,), profile, tmp_path, max_trips=8)


@pytest.mark.parametrize(
    ("most", "target"), [(0, "tensorrt"), (1.5, "tensorrt"), (4, "onnxruntime")]
)
def test_max_trips_that_make_no_sense_are_wrong_usage(most: Any, target: str) -> None:
    with pytest.raises(fxexport.UsageError, match="max_trips"):
        fxexport.export(halved, (LARGE,), target=target, max_trips=most)
