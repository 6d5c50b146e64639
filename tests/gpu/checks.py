"""What to look at on a machine with a GPU: engines of programs, run beside PyTorch."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import fxexport
import fxexport.tensorrt
from fxexport.graph.outputs import without_padding
from fxexport.targets.tensorrt.build.package import find_package
from fxexport.targets.tensorrt.runtime import Engine
from tests.support.harness import compare, flatten

__all__ = ["CHECKS", "check_program", "check_shape_outside_the_profile"]

Profile = dict[str, tuple[tuple[int, ...], ...]]


def branch(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.sum() > 0 else x - 1


def nested(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        return x.relu() if x.max() > 1 else -x
    return x.exp()


def other_sizes(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x, x]) if x.sum() > 0 else x


def mixed_sizes(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x, x], dim=1) if x.sum() > 0 else x


def counted_loop(x: torch.Tensor) -> torch.Tensor:
    total = x[0] * 0
    for i in range(x.shape[0]):
        total = total + x[i] * i
    return total


def early_stop_with_rows(x: torch.Tensor) -> torch.Tensor:
    rows = []
    total = x[0] * 0
    for i in range(x.shape[0]):
        total = total + x[i]
        rows.append(total)
        if total.sum() > 1:
            break
    return torch.stack(rows)


def growing(x: torch.Tensor) -> torch.Tensor:
    found = x[:0]
    for i in range(x.shape[0]):
        if x[i, 0] > 0:
            found = torch.cat([found, x[i].unsqueeze(0)])
    return found


def masked(x: torch.Tensor) -> torch.Tensor:
    return x[x > 0]


def nonzero(x: torch.Tensor) -> torch.Tensor:
    return (x > 0.5).nonzero()


def loop_in_branch(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        for i in range(x.shape[0]):
            x = x + x[i] * 0.1
        return x
    return x - 1


def scattered(x: torch.Tensor) -> torch.Tensor:
    index = (x[:, 0] > 0).long()
    return torch.zeros(2, 4).index_add(0, index, x)


def integers(x: torch.Tensor) -> torch.Tensor:
    whole = (x * 100).long()
    return whole.t() @ whole


_ROWS: Profile = {"x": ((1, 4), (3, 4), (8, 4))}
CHECKS: dict[str, tuple[Callable[..., Any], Profile]] = {
    program.__name__: (program, _ROWS)
    for program in (
        branch,
        nested,
        other_sizes,
        mixed_sizes,
        counted_loop,
        early_stop_with_rows,
        growing,
        masked,
        nonzero,
        loop_in_branch,
        scattered,
        integers,
    )
}


def check_program(name: str) -> str:
    """Builds a program's engine and runs it at min, opt and max; what is wrong, if anything."""
    program, bounds = CHECKS[name]
    with tempfile.TemporaryDirectory() as folder:
        engine, exported = _built(program, bounds, Path(folder))
        for rows in sorted({shape[0] for shape in bounds["x"]}):
            for shift in (-2.0, 0.0, 2.0):
                generator = torch.Generator().manual_seed(rows)
                x = torch.randn(rows, 4, generator=generator) + shift
                expected = flatten(program(copy.deepcopy(x)))
                got = dict(zip(engine.output_names, engine.run({"x": x}), strict=True))
                specs = exported.graph.outputs
                actual = without_padding(specs, [got[spec.name].cpu() for spec in specs])
                difference = compare(expected, actual)
                if difference:
                    return f"{rows} rows, shifted by {shift:g}: {difference}"
    return ""


def check_shape_outside_the_profile() -> str:
    """A shape outside of the profile is refused, and the profile is in the error."""
    with tempfile.TemporaryDirectory() as folder:
        engine, _ = _built(branch, _ROWS, Path(folder))
        try:
            engine.run({"x": torch.ones(9, 4)})
        except fxexport.UsageError as error:
            wanted = ("9x4", "1x4 to 8x4")
            return "" if all(text in error.message for text in wanted) else error.message
    return "9 rows were taken, the profile ends at 8"


def _built(
    program: Callable[..., Any], bounds: Profile, folder: Path
) -> tuple[Engine, fxexport.Exported]:
    path = folder / "model.onnx"
    exported = fxexport.export(
        program, (torch.ones(3, 4),), path, profiles=bounds, target="tensorrt"
    )
    result = fxexport.tensorrt.build(exported)
    return Engine(result.path, find_package(), exported.profiles), exported
