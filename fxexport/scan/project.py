"""Scans files and folders, side by side where there are many."""

from __future__ import annotations

import ast
import os
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from fxexport.errors import UsageError
from fxexport.scan.index import Definition, FileIndex, Index, index_of
from fxexport.scan.model import FoundModel, ScannedFile
from fxexport.scan.walker import Walker

__all__ = ["python_files", "scan"]

_LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})
_SIDE_BY_SIDE = 100
"""Files from which on several processes are worth their start."""


def scan(paths: Sequence[str | os.PathLike[str]], jobs: int = 0) -> list[ScannedFile]:
    """Reads the control flow of every model in some files and folders.

    Names are followed within each of `paths`: a function that a file imports from another one
    below the same path is known.

    Args:
        paths: files, or folders whose Python files are read; what is installed or hidden below
            them is not.
        jobs: how many processes; 0 for as many as there are processors.

    Returns:
        The files that hold a model or could not be read, in order.

    Raises:
        UsageError: a path does not exist.
    """
    files = list(dict.fromkeys(file for path in paths for file in python_files(path)))
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1 or len(files) < _SIDE_BY_SIDE:
        return _scan_some(files, files)
    shares = [files[k::jobs] for k in range(jobs)]
    with ProcessPoolExecutor(jobs) as pool:
        found = [one for part in pool.map(_scan_some, shares, [files] * jobs) for one in part]
    order = {str(path): k for k, path in enumerate(files)}
    return sorted(found, key=lambda one: order[one.path])


def python_files(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The Python files at or below a path.

    Raises:
        UsageError: it does not exist, or is a file of another kind.
    """
    path = Path(path)
    if path.is_file():
        if path.suffix != ".py":
            raise UsageError(f"{path} is no Python file", hint="give .py files or folders")
        yield path
        return
    if not path.is_dir():
        raise UsageError(f"there is no file or folder {str(path)!r}")
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(
            one for one in folders if one not in _LEFT_OUT and not one.startswith(".")
        )
        yield from (Path(folder) / name for name in sorted(names) if name.endswith(".py"))


def _scan_some(wanted: Sequence[Path], known: Sequence[Path]) -> list[ScannedFile]:
    """Scans some files; others are read where a name leads into them."""
    files = _Files(known)
    walker_index = Index(files)
    found = []
    for path in wanted:
        try:
            file, tree = files.read(path)
        except (SyntaxError, ValueError, OSError) as error:
            found.append(ScannedFile(str(path), problem=_problem(error)))
            continue
        models = tuple(_models(file, tree, walker_index))
        if models:
            found.append(ScannedFile(str(path), models))
    return found


def _models(file: FileIndex, tree: ast.Module, index: Index) -> Iterator[FoundModel]:
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.ClassDef):
            continue
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and node.name == "forward":
                walker = Walker(index)
                steps, _ = walker.follow(Definition(node, file, owner))
                yield FoundModel(owner.name, node.lineno, steps, tuple(walker.hints))


def _problem(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    return str(error)


class _Files(dict[str, FileIndex]):
    """Files by their dotted names, read when they are first asked for."""

    def __init__(self, known: Iterable[Path]) -> None:
        super().__init__()
        self._paths: dict[str, list[Path]] = {}
        for path in known:
            name = path.parent.name if path.name == "__init__.py" else path.stem
            self._paths.setdefault(name, []).append(path)
        self._read: dict[Path, tuple[FileIndex, ast.Module]] = {}

    def read(self, path: Path) -> tuple[FileIndex, ast.Module]:
        """A file's index and tree."""
        if path not in self._read:
            with tokenize.open(path) as text:
                self._read[path] = index_of(path, text.read())
        return self._read[path]

    def get(self, module: str, default: FileIndex | None = None) -> FileIndex | None:  # type: ignore[override]
        """The file of a module; the default where it is not among the files."""
        for path in self._paths.get(module.rpartition(".")[2], ()):
            try:
                file, _ = self.read(path)
            except (SyntaxError, ValueError, OSError):
                continue
            if file.module == module:
                return file
        return default
