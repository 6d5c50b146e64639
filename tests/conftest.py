"""One thread a worker, since there are as many workers as cores; the weekly set only on demand."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is marked `slow`, unless the option -m speaks of it."""
    if "slow" in config.option.markexpr:
        return
    left_out = [item for item in items if "slow" in item.keywords]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if "slow" not in item.keywords]
