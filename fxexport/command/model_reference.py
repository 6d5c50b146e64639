"""What the MODEL argument of the command names."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from fxexport.command.archive import ARCHIVE_ENDINGS
from fxexport.errors import UsageError

__all__ = ["FORMS", "ModelReference", "parse_reference"]

FORMS = "model.py, model.py:object, package.module:object or a TorchScript archive (model.pt)"
"""The forms that MODEL may take, for messages."""


@dataclass(frozen=True)
class ModelReference:
    """What a MODEL argument names.

    Attributes:
        text: the argument as typed.
        file: the Python file or archive, or None for an importable module.
        module: the importable module's name; empty for a file.
        object: the name after the colon, possibly dotted; empty for none.
        archive: whether the file is a TorchScript archive.
    """

    text: str
    file: Path | None = None
    module: str = ""
    object: str = ""
    archive: bool = False

    @property
    def stem(self) -> str:
        """The name that the output takes after."""
        return self.file.stem if self.file is not None else self.module.rpartition(".")[2]

    @property
    def shown(self) -> str:
        """The file or module, for messages."""
        return self.file.name if self.file is not None else self.module

    def naming(self, name: str) -> str:
        """The argument that names another object of the same file or module."""
        path_text = self.text.removesuffix(f":{self.object}") if self.object else self.text
        return f"{path_text}:{name}"


_WEIGHTS_ALONE = (
    "It holds weights alone: name the Python file that makes the model, and have it load them "
    "(model.load_state_dict)."
)
# What to do with a file of another kind.
_INSTEAD = {
    ".ipynb": "Write its code to a Python file: jupyter nbconvert --to script {path}.",
    ".ckpt": _WEIGHTS_ALONE,
    ".pth": _WEIGHTS_ALONE,
    ".bin": _WEIGHTS_ALONE,
    ".safetensors": _WEIGHTS_ALONE,
    ".onnx": "It is ONNX already: fxexport show {path}, fxexport verify {path} --model MODEL.",
}


def parse_reference(text: str) -> ModelReference:
    """Reads a MODEL argument.

    Raises:
        UsageError: it names no existing file and cannot be a module's name.
    """
    if not text.strip():
        raise UsageError("MODEL is empty.", hint=f"MODEL is one of {FORMS}.")
    path_text, _, name = text.rpartition(":")
    # A path may hold a colon itself, so what follows the last one must look like a name.
    if not path_text or os.path.isfile(text) or not _is_dotted(name):
        path_text, name = text, ""
    path = Path(path_text)
    if path.is_file():
        if path.suffix in ARCHIVE_ENDINGS:
            if name:
                raise UsageError(
                    f"{path_text} is an archive of one model: it holds no other object to choose, "
                    f"such as {name!r}.",
                    hint=f"--method {name} exports another of its methods.",
                )
            return ModelReference(text, file=path.absolute(), archive=True)
        if path.suffix == ".pt2":
            raise UsageError(
                f"{path_text} is an exported program; loading one can run code that came with it.",
                hint="If you trust it, name a Python file with: "
                f"model = torch.export.load({path_text!r})",
            )
        if path.suffix != ".py":
            hint = _INSTEAD.get(path.suffix, "MODEL is one of {forms}.")
            raise UsageError(
                f"{path_text} is not a Python file.", hint=hint.format(path=path_text, forms=FORMS)
            )
        return ModelReference(text, file=path.absolute(), object=name)
    if path.is_dir():
        raise UsageError(f"{path_text} is a folder.", hint=f"MODEL is one of {FORMS}.")
    if path.suffix == ".py" or not _is_dotted(path_text):
        raise UsageError(f"There is no file {path_text}.{_similar_files(path)}")
    return ModelReference(text, module=path_text, object=name)


def _is_dotted(text: str) -> bool:
    return bool(text) and all(part.isidentifier() for part in text.split("."))


def _similar_files(path: Path) -> str:
    try:
        names = [file.name for file in path.parent.iterdir() if file.suffix == ".py"]
    except OSError:
        return f" (There is no folder {path.parent} either.)"
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f" Did you mean {path.with_name(close[0])}?" if close else ""
