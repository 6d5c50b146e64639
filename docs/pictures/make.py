"""Draws the pictures of the README: the report in a terminal, `fxexport show`, and the page.

    python docs/pictures/make.py

The page needs Chromium; without it that picture is left as it is.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

import fxexport
from fxexport.outline.read import outline_of
from fxexport.outline.text import print_outline
from fxexport.report.terminal import print_report

HERE = Path(__file__).resolve().parent
README = HERE.parents[1] / "README.md"
WIDTH = 100
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def first_model() -> str:
    """The first model of the README."""
    match = re.search(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    assert match is not None
    return match[1]


def console() -> Console:
    """A terminal that remembers what is printed."""
    return Console(
        file=io.StringIO(), record=True, force_terminal=True, width=WIDTH, highlight=False,
        markup=False, emoji=False,
    )  # fmt: skip


def photographed(page: Path, picture: Path) -> bool:
    """Takes a picture of a page; False where there is no browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return False
    subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--hide-scrollbars", "--window-size=1280,900",
            f"--user-data-dir={page.parent / 'browser'}", f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return True


def main() -> int:
    """Draws them all."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("gate.py").write_text(first_model())
        sys.path.insert(0, folder)
        gate = __import__("gate")
        exported = fxexport.export(gate.model, gate.example_inputs, "gate.onnx", dynamic=True)
        exported.report.model = "gate.py:model"
        terminal = console()
        print_report(terminal, exported.report)
        terminal.save_svg(str(HERE / "report.svg"), title="fxexport gate.py --dynamic")
        terminal = console()
        print_outline(terminal, outline_of("gate.onnx"))
        terminal.save_svg(str(HERE / "show.svg"), title="fxexport show gate.onnx")
        exported.save_report("gate.report.html")
        if not photographed(Path(folder) / "gate.report.html", HERE / "page.png"):
            print("page.png was not drawn: there is no Chromium")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
