"""The package as it is imported and installed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fxexport

ROOT = Path(fxexport.__file__).parents[1]

HEAVY = ("torch", "onnx", "onnxruntime", "onnxscript", "numpy", "sympy")


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import fxexport",
        "import fxexport; fxexport.UsageError; fxexport.Report; fxexport.__version__",
        "import fxexport.command.main",
        "from fxexport.command.main import main; assert main(['--version']) == 0",
        "from fxexport.command.main import main; assert main(['--help']) == 0",
        "from fxexport.command.main import main; assert main(['no_such_file.py']) == 2",
        "from fxexport.command.main import main; assert main(['--bogus']) == 2",
    ],
)
def test_what_is_light_imports_nothing_heavy(code: str) -> None:
    out = python(f"import sys\n{code}\nprint([m for m in {HEAVY} if m in sys.modules])")
    assert out.splitlines()[-1] == "[]"


def test_every_public_name_is_there() -> None:
    for name in fxexport.__all__:
        assert getattr(fxexport, name) is not None, name
    assert set(fxexport.__all__) <= set(dir(fxexport))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        fxexport.no_such_name  # noqa: B018


@pytest.mark.parametrize(
    "first",
    [
        "import fxexport.pipeline",
        "from fxexport.exported import Exported",
        "from fxexport import export",
        "pass",
    ],
)
def test_export_is_the_function_whatever_was_imported_first(first: str) -> None:
    out = python(f"{first}\nimport fxexport\nprint(fxexport.export.__name__)")
    assert out == "export\n"


def test_every_package_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for file in (ROOT / "fxexport").rglob("__init__.py")
    }
    found |= {
        ".".join(("fxexport", *file.parent.relative_to(ROOT).parts))
        for file in (ROOT / "passes").rglob("__init__.py")
    }
    assert set(settings["packages"]) == found


def test_python_dash_m_runs_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fxexport", "--version"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"fxexport {fxexport.__version__}\n")
