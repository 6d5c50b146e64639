"""Random programs that change objects in lists under several names: never another answer."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

from tests.generators.shared_objects import source_of
from tests.support.harness import run_model

COUNT = int(os.environ.get("FXEXPORT_SHARED_OBJECTS", "24"))


class _EndlessError(Exception):
    """A program that does not end in eager mode: its list grows under its loop."""


def _load(source: str, path: Path) -> Callable[..., Any]:
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model: Callable[..., Any] = module.model
    return model


def _inputs() -> list[tuple[torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    sizes = ((3, 0.0), (2, 0.3), (5, -0.2), (7, 0.1))
    return [(torch.randn(n, 4, generator=generator) + shift,) for n, shift in sizes]


def _runs_in_eager(model: Callable[..., Any]) -> bool:
    steps = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal steps
        steps += 1
        if steps > 4000:
            raise _EndlessError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for row in _inputs():
            model(*row)
    except (_EndlessError, IndexError):
        return False
    finally:
        sys.settrace(before)
    return True


@pytest.mark.long
def test_a_changed_item_is_seen_under_all_its_names_or_refused(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    for seed in range(COUNT):
        source = source_of(seed)
        model = _load(source, tmp_path / f"shared_{seed}.py")
        if not _runs_in_eager(model):
            continue
        outcome = run_model(lambda model=model: model, _inputs())  # type: ignore[misc]
        assert outcome.status in ("agree", "refused"), f"{seed}: {outcome.details}\n{source}"
        counts[outcome.status] += 1
    assert counts["agree"] >= COUNT // 5
