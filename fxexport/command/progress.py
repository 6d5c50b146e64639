"""Shows on a console which stage of an export is running, and where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from fxexport.progress import Position

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
        from rich.progress import RenderableColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = console
        self._position: Position | None = None
        self._live = Live(
            SpinnerColumn(finished_text="[green]ok[/]"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            RenderableColumn(_Here(self)),
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

    def watch(self, position: Position) -> None:
        """Shows a position beside the present stage, whenever the display is drawn."""
        self._position = position
        self._live.refresh()

    def position(self) -> str:
        """Where the present stage is; empty where it does not say it."""
        return self._position() if self._position is not None else ""

    @contextmanager
    def _stage(self, label: str) -> Iterator[None]:
        self._position = None
        if not self._console.is_terminal:
            self._console.print(f"{label} ...")
            yield
            return
        task = self._live.add_task(label, total=1)
        yield
        self._position = None
        self._live.update(task, completed=1)


class _Here:
    """Draws where the present stage is."""

    def __init__(self, progress: ConsoleProgress) -> None:
        self._progress = progress

    def __rich__(self) -> Text:
        from rich.text import Text

        return Text(self._progress.position(), "dim", no_wrap=True, overflow="ellipsis")
