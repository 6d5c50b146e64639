"""TorchScript archives: files that torch.jit.save has written.

Loading one executes nothing but TorchScript. A pickle runs code when it is read, so a file that
holds one is told from an archive by what is inside, and never read as a pickle.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from fxexport.errors import UsageError

__all__ = ["ARCHIVE_ENDINGS", "load_archive"]

ARCHIVE_ENDINGS = (".pt", ".pth", ".ts", ".jit", ".torchscript")
"""How the names of archives end."""

_HINT = "Save the scripted model with torch.jit.save(torch.jit.script(model), path)."


def load_archive(path: Path) -> Any:
    """Loads a TorchScript archive on the CPU.

    Args:
        path: the file.

    Returns:
        The scripted module.

    Raises:
        UsageError: it is no such archive, or a damaged one.
    """
    _check(path)
    from fxexport._torch_compat import torchscript

    try:
        return torchscript.load_archive(str(path))
    except RuntimeError as error:
        raise UsageError(
            f"{path.name} is damaged, or PyTorch cannot read it: {_first_line(error)}",
            hint="Save it again with torch.jit.save.",
        ) from error


def _check(path: Path) -> None:
    """Refuses what is no TorchScript archive, by the names inside."""
    try:
        with open(path, "rb") as file:
            start = file.read(4)
        if not zipfile.is_zipfile(path):
            raise UsageError(f"{path.name} {_what_else(start)}", hint=_HINT)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except zipfile.BadZipFile as error:
        raise UsageError(f"{path.name} is damaged: {error}.", hint=_HINT) from error
    roots = {name.partition("/")[0] for name in names}
    root = next(iter(roots)) if len(roots) == 1 else ""
    inside = {name.removeprefix(f"{root}/") for name in names}
    if "data.pkl" in inside and "constants.pkl" in inside:
        if any(name.startswith("code/") for name in inside):
            return
    elif "data.pkl" in inside:
        raise UsageError(
            f"{path.name} was written by torch.save: it is a pickle, which fxexport never reads, "
            "since reading one runs code.",
            hint=f"{_HINT} Weights alone are loaded in a model.py that makes the model.",
        )
    if any(name.startswith(("models/", "data/weights")) for name in inside) or any(
        name.endswith("archive_format") for name in inside
    ):
        raise UsageError(
            f"{path.name} was written by torch.export.",
            hint="Load it with torch.export.load in a model.py: model = torch.export.load(path)",
        )
    raise UsageError(f"{path.name} is a zip file, but no TorchScript archive.", hint=_HINT)


def _what_else(start: bytes) -> str:
    if start.startswith(b"\x80"):
        return (
            "is a pickle, which fxexport never reads, since reading one runs code; it is no "
            "TorchScript archive."
        )
    if start.startswith(b"PK"):
        return "is cut off: it begins like a TorchScript archive and has no end."
    return "is no TorchScript archive."


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") + "." if lines else type(error).__name__
