"""Showing the stages of an export."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fxexport.command.progress import ConsoleProgress
from fxexport.progress import NullProgress, Progress


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
