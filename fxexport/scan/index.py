"""The classes and functions of scanned files, and what names refer to."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Definition", "FileIndex", "Index", "dotted", "index_of", "module_name"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_REGISTERING = ("self.register_buffer", "self.register_parameter")


@dataclass(frozen=True)
class Definition:
    """A function or method, and the file that it stands in."""

    node: _Function
    file: FileIndex
    owner: ast.ClassDef | None = None


@dataclass(frozen=True, eq=False)
class FileIndex:
    """The top level of one file.

    Attributes:
        path: the file.
        module: its dotted name, as far as folders with an ``__init__.py`` give it.
        lines: its text.
        classes: by name.
        functions: by name.
        imports: what imported names stand for: dotted names.
    """

    path: str
    module: str
    lines: tuple[str, ...]
    classes: Mapping[str, ast.ClassDef]
    functions: Mapping[str, _Function]
    imports: Mapping[str, str] = field(default_factory=dict)

    def code(self, line: int) -> str:
        """The text of a line, stripped."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""


class Index:
    """Finds what names refer to, in all files of a scan."""

    def __init__(self, files: Mapping[str, FileIndex]) -> None:
        """`files`: by dotted name."""
        self._files = files
        self._tensors: dict[ast.ClassDef, set[str]] = {}

    def function(self, file: FileIndex, name: str) -> Definition | None:
        """A function that a file knows by this name; None where it is not among the files."""
        if name in file.functions:
            return Definition(file.functions[name], file)
        other, last = self._imported(file, name)
        if other is not None and last in other.functions:
            return Definition(other.functions[last], other)
        return None

    def method(self, file: FileIndex, owner: ast.ClassDef, name: str) -> Definition | None:
        """A method of a class or of one of its bases; None where it is not among the files."""
        for base, where in self._bases(file, owner, set()):
            for node in base.body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                    return Definition(node, where, owner)
        return None

    def tensors_of(self, file: FileIndex, owner: ast.ClassDef) -> set[str]:
        """The attributes that a class registers as parameters or buffers."""
        if owner not in self._tensors:
            self._tensors[owner] = {
                name
                for base, _ in self._bases(file, owner, set())
                for node in ast.walk(base)
                for name in _registered(node)
            }
        return self._tensors[owner]

    def _bases(
        self, file: FileIndex, owner: ast.ClassDef, seen: set[ast.ClassDef]
    ) -> Iterator[tuple[ast.ClassDef, FileIndex]]:
        """A class, then its bases as far as they are among the files, nearest first."""
        if owner in seen:
            return
        seen.add(owner)
        yield owner, file
        for base in owner.bases:
            found = self._class(file, dotted(base))
            if found is not None:
                yield from self._bases(found[1], found[0], seen)

    def _class(self, file: FileIndex, name: str) -> tuple[ast.ClassDef, FileIndex] | None:
        if name in file.classes:
            return file.classes[name], file
        other, last = self._imported(file, name)
        if other is not None and last in other.classes:
            return other.classes[last], other
        return None

    def _imported(self, file: FileIndex, name: str) -> tuple[FileIndex | None, str]:
        """The file that an imported name comes from, and the name there."""
        first, _, rest = name.partition(".")
        full = file.imports.get(first, "")
        if not full:
            return None, ""
        module, _, last = (f"{full}.{rest}" if rest else full).rpartition(".")
        return self._files.get(module), last


def index_of(path: Path, text: str) -> tuple[FileIndex, ast.Module]:
    """The index of a file, and its tree.

    Raises:
        SyntaxError: the text is no Python of this version.
        ValueError: it holds null characters.
    """
    tree = ast.parse(text, filename=str(path))
    module = module_name(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    top = list(_top_level(tree.body))
    return (
        FileIndex(
            str(path),
            module,
            tuple(text.splitlines()),
            {node.name: node for node in top if isinstance(node, ast.ClassDef)},
            {
                node.name: node
                for node in top
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            },
            dict(_imports(top, package)),
        ),
        tree,
    )


def module_name(path: Path) -> str:
    """The dotted name of a file, from the outermost folder that is a package."""
    parts = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.append(folder.name)
        folder = folder.parent
    return ".".join(reversed(parts))


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of an expression that is written so; empty for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module, also under ``if`` and ``try``."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _top_level([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _top_level([*node.body, *(s for h in node.handlers for s in h.body)])


def _imports(statements: list[ast.stmt], package: str) -> Iterator[tuple[str, str]]:
    for node in statements:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                yield name, alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom):
            start = package.split(".") if node.level else []
            start = start[: len(start) - node.level + 1] if node.level > 1 else start
            module = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                yield alias.asname or alias.name, f"{module}.{alias.name}" if module else alias.name


def _registered(node: ast.AST) -> Iterator[str]:
    """The names that a statement makes parameters or buffers of self."""
    if isinstance(node, ast.Call) and dotted(node.func) in _REGISTERING:
        if node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        made = dotted(node.value.func).rpartition(".")[2]
        targets = map(dotted, node.targets) if made in ("Parameter", "Buffer") else ()
        yield from (name[5:] for name in targets if name.startswith("self."))
