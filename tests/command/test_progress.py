"""Showing the stages of an export."""

from __future__ import annotations

import io
import queue

import pytest
import torch
from rich.console import Console

import fxexport
from fxexport.command.progress import ConsoleProgress
from fxexport.progress import NullProgress, Position, Progress


def show(terminal: bool) -> str:
    stream = io.StringIO()
    with ConsoleProgress(Console(file=stream, force_terminal=terminal, width=80)) as progress:
        with progress("capture"):
            pass
        with progress("a stage of its own"):
            pass
    return stream.getvalue()


def test_off_a_terminal_each_stage_is_a_line() -> None:
    assert show(terminal=False) == "capture the model ...\na stage of its own ...\n"


def test_on_a_terminal_the_stages_are_drawn() -> None:
    text = show(terminal=True)
    assert "capture the model" in text
    assert "\x1b[" in text


@pytest.mark.parametrize("terminal", [False, True])
def test_an_error_passes_through_a_stage(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal)
    with (
        pytest.raises(KeyboardInterrupt),
        ConsoleProgress(console) as progress,
        progress("capture"),
    ):
        raise KeyboardInterrupt


def test_nothing_is_shown_where_nothing_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    progress: Progress = NullProgress()
    with progress("capture"):
        pass
    assert capsys.readouterr() == ("", "")


def test_where_a_stage_is_stands_beside_it_until_it_ends() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=80)
    with ConsoleProgress(console) as progress:
        with progress("capture"):
            progress.watch(lambda: "layers.3, 120 operators")
            assert progress.position() == "layers.3, 120 operators"
        assert progress.position() == ""
    assert "layers.3, 120 operators" in stream.getvalue()


def test_capture_says_in_which_module_it_is_and_how_far() -> None:
    class Watcher(NullProgress):
        """Keeps what says where an export is."""

        def watch(self, position: Position) -> None:
            self.position = position

    progress = Watcher()
    # What capture runs leaves no trace in a list; it knows nothing of queues.
    said: queue.SimpleQueue[str] = queue.SimpleQueue()

    class Layer(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            said.put(progress.position())
            return x.relu().exp()

    model = torch.nn.Sequential(Layer(), Layer())
    fxexport.export(model, torch.ones(2), verify=False, progress=progress)
    assert [said.get_nowait(), said.get_nowait()] == ["0, 0 operators", "1, 2 operators"]
