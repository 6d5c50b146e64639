"""Lowered jumps: the same behaviour with no break, no continue and no early return left."""

from __future__ import annotations

import ast
import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fxexport.capture.python.jumps import lower_jumps
from tests.support.random_bodies import FLAGS, random_body

SEEDS = 700
CHUNK = 100


@contextlib.contextmanager
def noted(log: list[Any], mark: int) -> Iterator[None]:
    log.append(("in", mark))
    try:
        yield
    finally:
        log.append(("out", mark))


class _Breaks(ast.NodeTransformer):
    """Does what the loop operators do at run time: a loop ends when its flag is set."""

    def __init__(self, flags: dict[ast.stmt, str]) -> None:
        self.flags = flags

    def _visit_loop(self, node: Any) -> Any:
        self.generic_visit(node)
        flag = self.flags.get(node)
        if flag is not None:
            leave = ast.parse(f"if {flag}:\n    break").body[0]
            node.body.append(leave)
        return node

    visit_For = visit_While = _visit_loop


def lowered(text: str) -> tuple[ast.Module, dict[ast.stmt, str]]:
    module = ast.parse(text)
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body, flags = lower_jumps(function.body)
    return module, flags


def compiled(module: ast.Module) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"noted": noted}
    exec(compile(ast.fix_missing_locations(module), "<body>", "exec"), namespace)
    return namespace["f"]  # type: ignore[no-any-return]


def behaviour(function: Callable[..., Any], flags: tuple[bool, ...]) -> tuple[Any, list[Any]]:
    log: list[Any] = []
    try:
        result = function(*flags, log)
    except Exception as error:
        result = type(error)
    return result, log


def jumps_left(module: ast.Module) -> list[str]:
    """Jumps in the middle: break, continue, and returns inside loops."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, (ast.Break, ast.Continue)):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
        if isinstance(node, (ast.For, ast.While)):
            inner = [n for part in (node.body, node.orelse) for s in part for n in ast.walk(s)]
            found += [
                f"line {n.lineno}: {ast.unparse(n)}" for n in inner if isinstance(n, ast.Return)
            ]
            if node.orelse:
                found.append(f"line {node.lineno}: else of a loop")
    return found


def assert_same(text: str) -> None:
    original = compiled(ast.parse(text))
    tree, flags = lowered(text)
    assert jumps_left(tree) == [], text
    other = compiled(_Breaks(flags).visit(tree))
    for flags in itertools.product([False, True], repeat=len(FLAGS)):
        expected, actual = behaviour(original, flags), behaviour(other, flags)
        assert actual == expected, f"{text}\n\n{ast.unparse(tree)}\n\n{flags}"


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_random_bodies_behave_the_same(first: int) -> None:
    for seed in range(first, first + CHUNK):
        assert_same(random_body(seed))


def test_the_random_bodies_have_jumps_of_every_kind() -> None:
    texts = [random_body(seed) for seed in range(100)]
    kinds = {type(node) for text in texts for node in ast.walk(ast.parse(text))}
    assert {ast.Return, ast.Break, ast.Continue, ast.For, ast.While, ast.With, ast.Try} <= kinds
    loops = [
        n for t in texts for n in ast.walk(ast.parse(t)) if isinstance(n, (ast.For, ast.While))
    ]
    assert sum(bool(loop.orelse) for loop in loops) > 20


BODIES = {
    "early return": "if a:\n    return 1\nlog.append(2)\nreturn 3",
    "return in a loop": "for k in range(3):\n    log.append(k)\n    if a: return k\nreturn -1",
    "return in nested loops": (
        "for k in range(3):\n    for j in range(3):\n        log.append(j)\n"
        "        if a and j == 1: return k, j\n    if b: return k\nlog.append('end')"
    ),
    "break and else": "for k in range(3):\n    if a: break\nelse:\n    log.append(1)\nreturn 1",
    "continue": "for k in range(4):\n    if k % 2: continue\n    log.append(k)",
    "while True": (
        "n = 0\nwhile True:\n    n += 1\n    if n > 3: break\n    if a: continue\n"
        "    if b and n == 2: return 'b'\n    log.append(n)\nreturn n"
    ),
    "break of the outer loop in an else": (
        "for k in range(3):\n    for j in range(2):\n        if a: break\n    else:\n"
        "        if b: break\n        continue\n    log.append(k)\nelse:\n    log.append('none')"
    ),
    "both ways return": "if a:\n    return 1\nelse:\n    return 2\nlog.append('never')",
    "nothing returned": "if a:\n    log.append(1)",
    "a raise": "if a:\n    raise KeyError('x')\nif b:\n    return 1\nlog.append(3)\nreturn 2",
    "return in with": "with noted(log, 1):\n    if a: return 1\n    log.append(2)\nreturn 3",
    "return in try": (
        "try:\n    if a: return 1\n    if b: raise KeyError\nexcept KeyError:\n    return 2\n"
        "finally:\n    log.append('finally')\nlog.append(3)"
    ),
    "else of try": (
        "try:\n    log.append(1)\nexcept KeyError:\n    return 2\n"
        "else:\n    if a: return 3\nreturn 4"
    ),
    "a return skips the else of try": (
        "for k in range(2):\n    try:\n        log.append(k)\n        if a: return 1\n"
        "        if b: continue\n        if c: break\n    except KeyError:\n        pass\n"
        "    else:\n        log.append('else')\n    log.append('after')"
    ),
    "return in match": (
        "match (a, b):\n    case (True, _): return 1\n    case (_, True): log.append(2)\nreturn 3"
    ),
    "a return value is evaluated once": (
        "for k in range(2):\n    if a: return log.append(k) or k\n    if b: break\nreturn 9"
    ),
    "an inner function has its own jumps": (
        "def g():\n    for k in range(3):\n        if a: return k\n        if b: break\n"
        "    return 7\nlog.append(g())\nif c: return g()\nreturn 8"
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_behave_the_same(name: str) -> None:
    indented = "\n".join("    " + line for line in BODIES[name].splitlines())
    text = f"def f({', '.join(FLAGS)}, log):\n{indented}"
    original = compiled(ast.parse(text))
    tree, flags = lowered(text)
    other = compiled(_Breaks(flags).visit(tree))
    for flags in itertools.product([False, True], repeat=len(FLAGS)):
        assert behaviour(other, flags) == behaviour(original, flags), ast.unparse(tree)


def test_an_early_return_costs_no_flag() -> None:
    text = "def f(a, b):\n    if a:\n        return 1\n    if b:\n        return 2\n    return 3"
    assert "_fx_" not in ast.unparse(lowered(text)[0])


def test_a_loop_without_jumps_carries_no_flag() -> None:
    text = (
        "def f(a, b, c, d, log):\n    for k in range(3):\n        if a:\n            log.append(k)"
    )
    assert "_fx_" not in ast.unparse(lowered(text)[0])


def test_lines_stay_where_they_were() -> None:
    text = random_body(3)
    originals = {
        ast.unparse(n): n.lineno for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Expr)
    }
    seen = [n for n in ast.walk(lowered(text)[0]) if isinstance(n, ast.Expr)]
    assert seen
    for node in seen:
        assert node.lineno == originals[ast.unparse(node)]
