"""The rooms of docs/architecture.md: imports go down, nothing hangs together in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
# A line of the table of floors: rooms side by side, then what they are for.
FLOOR = re.compile(r"\| ((?:`[\w./]+`(?:, )?)+) \|")
MOST_FILES = 25


def module_of(path: Path) -> str:
    """``fxexport.passes.scan_rows`` for ``passes/scan_rows.py``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "fxexport" else ("fxexport", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, Path]:
    """Every module of the package with its file."""
    own = [path for path in (ROOT / "fxexport").rglob("*.py") if "passes" not in path.parts]
    return {module_of(path): path for path in [*own, *(ROOT / "passes").rglob("*.py")]}


MODULES = sources()
TEXTS = MODULES.keys() - {"fxexport"}
TREES = {module: ast.parse(path.read_text()) for module, path in MODULES.items()}


def room_of(module: str) -> str:
    """The folder that a module stands in, or the module itself where that is the package's own."""
    name = module.removeprefix("fxexport").lstrip(".")
    if not name:
        return "fxexport"
    room = name if MODULES[module].name == "__init__.py" else name.rpartition(".")[0]
    return (room or name).replace(".", "/")


def imported_by(module: str) -> Iterator[tuple[str, int]]:
    """The package's modules that one imports anywhere, for typing or lazily too, with the lines."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found = full if full in MODULES else node.module
                if found in MODULES:
                    yield found, node.lineno
        elif isinstance(node, ast.Import):
            yield from ((a.name, node.lineno) for a in node.names if a.name in MODULES)
        elif isinstance(node, ast.Constant) and node.value in TEXTS:  # what importlib is given
            yield str(node.value), node.lineno


IMPORTS = {
    module: {name: line for name, line in imported_by(module) if name != module}
    for module in MODULES
}


def floors() -> dict[str, int]:
    """Each room of the document's table and its floor, counted from the top."""
    section = ARCHITECTURE.read_text().partition("## Rooms")[2].partition("\n## ")[0]
    rows = [match[1] for match in map(FLOOR.match, section.splitlines()) if match]
    return {room: k for k, row in enumerate(rows) for room in re.findall(r"`([\w./]+)`", row)}


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The groups of nodes that reach each other (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_circles_are_found() -> None:
    graph = {"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": [], "e": ["a"]}
    assert circles(graph) == [["b", "c"]]


def test_no_circle_among_files() -> None:
    assert circles(IMPORTS) == []


def test_no_circle_among_rooms() -> None:
    rooms: dict[str, set[str]] = {room_of(module): set() for module in MODULES}
    for module, imported in IMPORTS.items():
        rooms[room_of(module)] |= {room_of(name) for name in imported} - {room_of(module)}
    assert circles(rooms) == []


def test_every_room_has_its_floor_in_the_document() -> None:
    assert set(floors()) == {room_of(module) for module in MODULES}


def test_imports_go_down() -> None:
    floor = floors()
    upwards = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {name}"
        for module, imported in IMPORTS.items()
        for name, line in imported.items()
        if room_of(module) != room_of(name) and floor[room_of(module)] >= floor[room_of(name)]
    ]
    assert upwards == []


@pytest.mark.parametrize("top", ["fxexport", "passes", "tests", "benchmarks", "examples"])
def test_no_folder_is_crowded(top: str) -> None:
    counts = {
        str(folder.relative_to(ROOT)): len(list(folder.glob("*.py")))
        for folder in [ROOT / top, *(ROOT / top).rglob("*")]
        if folder.is_dir() and "passes" not in folder.relative_to(ROOT).parts[1:2]
    }
    counts.pop("tests/programs", None)  # a corpus by themes, of one kind of file
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_every_room_says_in_a_line_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for module, path in MODULES.items()
        if path.name == "__init__.py" and not ast.get_docstring(TREES[module])
    ]
    assert silent == []


@pytest.mark.parametrize("name", ["architecture", "decisions", "graph", "facts", "tensorrt"])
def test_documents_name_files_that_exist(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text()
    named = set(re.findall(r"`((?:[\w.]+/)*\w+\.py)`", text)) - {
        "model.py",
        "walk.py",
        "targets/NAME/target.py",
    }
    folders = set(re.findall(r"`((?:fxexport|passes|tests|benchmarks)/(?:\w+/)*)`", text))
    files = [
        str(path.relative_to(ROOT))
        for top in ("fxexport", "passes", "tests", "benchmarks", "examples")
        for path in (ROOT / top).rglob("*.py")
    ]
    missing = {n for n in named if not any(f"/{file}".endswith(f"/{n}") for file in files)}
    assert missing | {folder for folder in folders if not (ROOT / folder).is_dir()} == set()
