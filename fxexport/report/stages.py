"""The stages of an export, timed and told."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from fxexport.progress import Progress
from fxexport.report.model import Report

__all__ = ["Stages"]


class Stages:
    """Times the stages and tells the progress display."""

    def __init__(self, report: Report, progress: Progress) -> None:
        self._report = report
        self._progress = progress

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Around one stage."""
        start = time.perf_counter()
        with self._progress(name):
            yield
        self._report.stages.append((name, time.perf_counter() - start))
