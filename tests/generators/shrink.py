"""Makes a failing random program smaller while it still fails the same way."""

from __future__ import annotations

import ast
import copy
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from tests.random_programs import RandomProgram, load
from tests.support.harness import Outcome, flatten, run_model

__all__ = ["shrink"]

EAGER_SECONDS = 5


def shrink(
    program: RandomProgram, outcome: Outcome, folder: Path, tries: int = 200
) -> tuple[RandomProgram, Outcome]:
    """The smallest program found with the same status, and its outcome."""
    best, found = program, outcome
    going = True
    while going and tries > 0:
        going = False
        for source in _smaller(best.source):
            tries -= 1
            candidate = replace(best, source=source)
            now = _run(candidate, folder, f"shrunk_{program.seed}_{tries}")
            if now is not None and now.status == outcome.status:
                best, found, going = candidate, now, True
                break
            if tries <= 0:
                break
    return best, found


def _run(program: RandomProgram, folder: Path, name: str) -> Outcome | None:
    """The outcome, or None if the program no longer runs in eager PyTorch, or not to its end."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(EAGER_SECONDS)
    try:
        make = load(program.source, folder, name)
        with torch.no_grad():
            for row in program.inputs():
                flatten(make()(*copy.deepcopy(row)))
    except Exception:
        return None
    finally:
        signal.alarm(0)
    return run_model(make, program.inputs())


def _too_long(*_: object) -> None:
    raise TimeoutError("a loop lost what ends it")


def _smaller(source: str) -> Iterator[str]:
    """Sources with one statement less, or with an if or a loop replaced by its body."""
    total = sum(1 for _ in _slots(ast.parse(source)))
    for number in range(total):
        for edit in (_drop, _unwrap_body, _unwrap_else):
            tree = ast.parse(source)
            body, index = list(_slots(tree))[number]
            if edit(body, index):
                yield ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _slots(tree: ast.AST) -> Iterator[tuple[list[ast.stmt], int]]:
    for node in ast.walk(tree):
        for name in ("body", "orelse"):
            body = getattr(node, name, None)
            if isinstance(body, list) and not isinstance(node, (ast.Module, ast.ClassDef)):
                yield from ((body, index) for index in range(len(body)))


def _drop(body: list[ast.stmt], index: int) -> bool:
    if isinstance(body[index], ast.Pass):
        return False
    body[index : index + 1] = [] if len(body) > 1 else [ast.Pass()]
    return True


def _unwrap(part: str) -> Callable[[list[ast.stmt], int], bool]:
    def edit(body: list[ast.stmt], index: int) -> bool:
        inside = getattr(body[index], part, None)
        if not inside or not isinstance(body[index], (ast.If, ast.For, ast.While)):
            return False
        body[index : index + 1] = inside
        return True

    return edit


_unwrap_body = _unwrap("body")
_unwrap_else = _unwrap("orelse")
