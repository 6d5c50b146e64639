"""Shows on a console which stage of an export is running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["ConsoleProgress"]

_LABELS = {
    "load": "load the model",
    "inputs": "read the inputs",
    "capture": "capture the model",
    "passes": "simplify",
    "lower": "translate to ONNX",
    "write": "write the file",
    "verify": "compare with PyTorch",
}


class ConsoleProgress:
    """Shows the stages on a console: live on a terminal, a plain line a stage elsewhere.

    Use it as a context manager; on leaving, the live display is taken off the terminal.
    """

    def __init__(self, console: Console) -> None:
        from rich.progress import Progress as Live
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = console
        self._live = Live(
            SpinnerColumn(finished_text="[green]ok[/]"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> ConsoleProgress:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        """Enters a stage."""
        return self._stage(_LABELS.get(stage, stage))

    @contextmanager
    def _stage(self, label: str) -> Iterator[None]:
        if not self._console.is_terminal:
            self._console.print(f"{label} ...")
            yield
            return
        task = self._live.add_task(label, total=1)
        yield
        self._live.update(task, completed=1)
