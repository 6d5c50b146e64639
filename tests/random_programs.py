"""Random small programs with ifs, loops and early exits, as source text.

The programs always end, keep their numbers small, and compare with odd constants only, so that
a difference between eager PyTorch and a file is a wrong branch and not a rounding.

    python -m tests.random_programs --seed 0 --count 100
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.util
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import fxexport
from tests.generators.expressions import Expressions, Scope
from tests.generators.writes import STATE, WRITES
from tests.support.harness import Outcome, run_model

__all__ = ["RandomProgram", "Writer", "generate", "load", "main", "run", "runs_in_eager"]

FLAVOURS = ("plain", "lists", "choices")
RESULT_TYPES = ("mat", "mat", "row", "num", "rows", "int", "float", "bool")
ARGUMENT_TYPES = {"v": "row", "t": "num", "k": "int", "f": "float", "flag": "bool"}
HEADER = "import torch\nfrom torch import nn\n\n\n"


@dataclass(frozen=True)
class RandomProgram:
    """A program as text, and what is needed to call it.

    Attributes:
        seed: the seed it came from.
        source: a module that defines ``build()``.
        arguments: type of each argument by name; see `random_expressions`.
        named: whether the rows of `x` are asked to be dynamic by a name: then no loop may be taken
            to make an iteration.
    """

    seed: int
    source: str
    arguments: dict[str, str]
    named: bool = False

    def inputs(self, bounds: tuple[int, int] | None = None) -> list[tuple[Any, ...]]:
        """Argument tuples of several sizes and magnitudes; the first is the example.

        Args:
            bounds: the smallest and largest size; None for sizes from 0 to 7.
        """
        rng = random.Random(self.seed + 1)
        sizes = [rng.choice((2, 3, 4)), 0, 1, 5, rng.choice((2, 3, 7)), 3]
        if bounds is not None:
            low, high = bounds
            sizes = [min(max(size, low), high) for size in (sizes[0], low, high, 1, 2, 3)]
        return [self._row(rng, n, rng.choice((-0.7, 0.0, 0.7))) for n in sizes]

    def outside(self, bounds: tuple[int, int]) -> list[tuple[Any, ...]]:
        """Argument tuples of sizes that a range does not have."""
        rng = random.Random(self.seed + 2)
        low, high = bounds
        sizes = sorted(
            {n for n in (0, low - 1, high + 1, high + 3) if n >= 0 and not low <= n <= high}
        )
        return [self._row(rng, n, rng.choice((-0.7, 0.7))) for n in sizes]

    def _row(self, rng: random.Random, n: int, shift: float) -> tuple[Any, ...]:
        generator = torch.Generator().manual_seed(rng.randrange(10**6))
        makers: dict[str, Callable[[], Any]] = {
            "mat": lambda: torch.randn(n, 4, generator=generator) + shift,
            "row": lambda: torch.randn(4, generator=generator) + shift,
            "num": lambda: torch.randn((), generator=generator) + shift,
            "int": lambda: rng.randrange(-2, 7),
            "float": lambda: rng.uniform(-1.5, 1.5),
            "bool": lambda: rng.random() < 0.5,
        }
        return tuple(makers[kind]() for kind in self.arguments.values())


@dataclass
class Writer:
    """Writes the statements of one function."""

    rng: random.Random
    expressions: Expressions
    results: tuple[str, ...]
    budget: int
    lines: list[str] = field(default_factory=list)
    loops: int = 0
    names: int = 0

    def emit(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def fresh(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def returns(self, scope: Scope) -> str:
        values = [self.expressions.bounded(kind, scope, 1) for kind in self.results]
        return "return " + ", ".join(values)

    def block(self, scope: Scope, depth: int, nesting: int, length: int) -> None:
        """A block of statements, perhaps with a way out at its end."""
        for _ in range(self.rng.randint(1, length)):
            self.statement(scope, depth, nesting)
        chance = self.rng.random()
        if nesting > 0 and chance < 0.13:
            self.emit(depth, self.returns(scope))
        elif self.loops and nesting > 0 and scope.may_leave and chance < 0.35:
            self.emit(depth, self.rng.choice(("break", "break", "continue")))

    def statement(self, scope: Scope, depth: int, nesting: int) -> None:
        self.budget -= 1
        extra = {**WRITES, **(STATE if self.expressions.as_module else {})}
        kinds = ["assign"] * 5 + ["swap", "augment"]
        kinds += [name for name, (weight, _) in extra.items() for _ in range(weight)]
        if nesting < 3 and self.budget > 0:
            kinds += ["if"] * 4 + ["choose"]
            if self.loops < 2:
                kinds += ["for"] * 3 + ["while"] * 2
        kind = self.rng.choice(kinds)
        if kind in extra:
            extra[kind][1](self, scope, depth, nesting)
        else:
            getattr(self, f"_{kind}")(scope, depth, nesting)

    def _assign(self, scope: Scope, depth: int, nesting: int) -> None:
        kind = self.rng.choice(RESULT_TYPES)
        value = self.expressions.bounded(kind, scope, 2)
        old = scope.assignable(kind)
        name = self.rng.choice(old) if old and self.rng.random() < 0.75 else self.fresh(kind[0])
        self.emit(depth, f"{name} = {value}")
        scope.add(name, kind)

    def _swap(self, scope: Scope, depth: int, nesting: int) -> None:
        for kind in self.rng.sample(("mat", "row", "num", "int", "float"), 5):
            names = scope.assignable(kind)
            if len(names) > 1:
                a, b = self.rng.sample(names, 2)
                self.emit(depth, f"{a}, {b} = {b}, {a}")
                return
        self._assign(scope, depth, nesting)

    def _augment(self, scope: Scope, depth: int, nesting: int) -> None:
        names = scope.assignable("int")
        if not names:
            self._assign(scope, depth, nesting)
            return
        self.emit(depth, f"{self.rng.choice(names)} += {self.rng.choice((1, 2, -1))}")

    def _if(self, scope: Scope, depth: int, nesting: int) -> None:
        self.emit(depth, f"if {self.expressions.condition(scope, 2)}:")
        self.block(scope.inner(leave=True), depth + 1, nesting + 1, 3)
        if self.rng.random() < 0.25:
            self.emit(depth, f"elif {self.expressions.condition(scope, 1)}:")
            self.block(scope.inner(leave=True), depth + 1, nesting + 1, 2)
        if self.rng.random() < 0.5:
            self.emit(depth, "else:")
            self.block(scope.inner(leave=True), depth + 1, nesting + 1, 2)

    def _choose(self, scope: Scope, depth: int, nesting: int) -> None:
        """A new variable that every branch sets."""
        kind = self.rng.choice(RESULT_TYPES)
        name = self.fresh(kind[0])
        for head in (f"if {self.expressions.condition(scope, 2)}:", "else:"):
            self.emit(depth, head)
            inner = scope.inner()
            if self.rng.random() < 0.4:
                self.statement(inner, depth + 1, nesting + 1)
            self.emit(depth + 1, f"{name} = {self.expressions.bounded(kind, inner, 1)}")
        scope.add(name, kind)

    def _for(self, scope: Scope, depth: int, nesting: int) -> None:
        inner = scope.inner(leave=True)
        i, row = self.fresh("i"), self.fresh("row")
        mats, many = scope.names("mat"), scope.names("rows")
        heads = {
            f"for {i} in range({self.rng.randint(2, 4)}):": {i: "int"},
            f"for {i} in range(({self.expressions.int_(scope, 1)}) % 4):": {i: "int"},
            f"for {i} in range(1, min(x.size(0), 5)):": {i: "int"},
            f"for {row} in {self.rng.choice(mats)}:": {row: "row"},
            f"for {i}, {row} in enumerate({self.rng.choice(mats)}):": {i: "int", row: "row"},
        }
        if many:
            heads[f"for {row} in {self.rng.choice(many)}:"] = {row: "row"}
        by_index = f"for {i} in range(x.shape[0]):"
        heads[by_index] = {i: "int"}
        head = self.rng.choice(list(heads))
        for name, kind in heads[head].items():
            inner.add(name, kind, fixed=True)
        self.emit(depth, head)
        if head == by_index:
            self.emit(depth + 1, f"{row} = x[{i}]")
            inner.add(row, "row")
            inner.add(f"#{i}", "row number", fixed=True)
        self._body(scope, inner, depth, nesting)

    def _while(self, scope: Scope, depth: int, nesting: int) -> None:
        inner = scope.inner(leave=True)
        trips = self.fresh("n")
        limit = self.rng.randint(1, 5)
        self.emit(depth, f"{trips} = 0")
        scope.add(trips, "int", fixed=True)
        inner.add(trips, "int", fixed=True)
        if self.rng.random() < 0.3:
            self.emit(depth, "while True:")
            self.emit(depth + 1, f"{trips} += 1")
            self.emit(depth + 1, f"if {trips} > {limit} or {self.expressions.condition(scope, 1)}:")
            self.emit(depth + 2, "break")
        else:
            condition = self.expressions.condition(scope, 1)
            self.emit(depth, f"while {trips} < {limit} and ({condition}):")
            self.emit(depth + 1, f"{trips} += 1")
        self._body(scope, inner, depth, nesting)

    def _body(self, scope: Scope, inner: Scope, depth: int, nesting: int) -> None:
        inner.may_leave = False  # a way out stands in an if of the body
        self.loops += 1
        self.block(inner, depth + 1, nesting, 3)
        self.loops -= 1
        if self.rng.random() < 0.12:
            self.emit(depth, "else:")
            self._assign(scope.inner(), depth + 1, nesting)


def generate(seed: int, flavour: str = "plain") -> RandomProgram:
    """The program of a seed; the same on every machine.

    Args:
        seed: any number.
        flavour: "plain", "lists" for statements on lists and dicts as well, or "choices" for those
            on values that are one of several things.
    """
    rng = random.Random(seed)
    as_module = rng.random() < 0.35
    extra = rng.sample(list(ARGUMENT_TYPES), rng.randint(0, 2))
    arguments = {"x": "mat"} | {name: ARGUMENT_TYPES[name] for name in extra}
    results = ("mat", *rng.sample(RESULT_TYPES, rng.randint(1, 3)))
    rng_results = tuple(rng.sample(results, len(results)))
    expressions = Expressions(rng, as_module)
    parts = [HEADER, _prelude(flavour)]
    for k in range(rng.choice((0, 0, 1, 1, 2))):
        parts.append(_helper(rng, expressions, k) + "\n\n")
    function = _function(rng, expressions, arguments, rng_results, as_module, _writer(flavour))
    parts.append(_module(function) if as_module else function)
    parts.append("\n\ndef build():\n    return " + ("Model()" if as_module else "model") + "\n")
    tidy = ast.unparse(ast.parse("".join(parts)))  # drops needless parentheses
    return RandomProgram(seed, tidy + "\n", arguments, named=flavour == "choices")


def _prelude(flavour: str) -> str:
    if flavour != "choices":
        return ""
    from tests.generators.choices import PRELUDE

    return PRELUDE


def _writer(flavour: str) -> type[Writer]:
    if flavour == "plain":
        return Writer
    if flavour == "choices":
        from tests.generators.choices import ChoiceWriter

        return ChoiceWriter
    from tests.generators.lists import ListWriter

    return ListWriter


def _helper(rng: random.Random, expressions: Expressions, number: int) -> str:
    kind = rng.choice(("row", "num", "int"))
    plain = Expressions(rng, as_module=False)
    writer = Writer(rng, plain, (kind,), budget=4)
    scope = Scope({"x": "mat", "a": "row", "b": "num", "c": "int"})
    writer.emit(0, f"def helper{number}(x, a, b, c):")
    writer._if(scope, 1, 1)
    writer.emit(1, writer.returns(scope))
    expressions.helpers[f"helper{number}"] = kind
    return "\n".join(writer.lines) + "\n"


def _function(
    rng: random.Random,
    expressions: Expressions,
    arguments: dict[str, str],
    results: tuple[str, ...],
    as_module: bool,
    kind: type[Writer],
) -> str:
    writer = kind(rng, expressions, results, budget=rng.randint(4, 10))
    scope = Scope(dict(arguments))
    start = 2 if as_module else 1
    head = "def forward(self, {}):" if as_module else "def model({}):"
    writer.emit(start - 1, head.format(", ".join(arguments)))
    for kind in ("row", "num", "int", "float", "bool", "rows"):
        if not scope.names(kind) and rng.random() < 0.7:
            name = writer.fresh(kind[0])
            writer.emit(start, f"{name} = {expressions.bounded(kind, scope, 1)}")
            scope.add(name, kind)
    while writer.budget > 0:
        writer.statement(scope, start, 0)
    writer.emit(start, writer.returns(scope))
    return "\n".join(writer.lines) + "\n"


def _module(forward: str) -> str:
    return (
        "class Model(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.linear = nn.Linear(4, 4)\n"
        "        self.gain = nn.Parameter(torch.tensor([0.5, -1.0, 0.75, 1.25]))\n"
        "        self.register_buffer('memory', torch.tensor([0.25, 0.0, -0.5, 1.0]))\n"
        "        self.steps, self.last = 2, torch.tensor([1.0, 0.5, -0.25, 0.0])\n"
        "        self.kept = [torch.zeros(4), torch.ones(4)]\n\n" + forward
    )


def load(source: str, folder: Path, name: str) -> Callable[[], Callable[..., Any]]:
    """Writes a program to a file, imports it, and gives what makes a fresh model of it."""
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # inspect finds a class's source through it
    spec.loader.exec_module(module)

    def make() -> Callable[..., Any]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model: Callable[..., Any] = module.build()
        return model

    return make


def runs_in_eager(program: RandomProgram, folder: Path, ranged: bool = False) -> bool:
    """Whether PyTorch takes all its inputs: one program in thousands writes over itself."""
    make = load(program.source, folder, f"eager_random_program_{program.seed}")
    try:
        for row in program.inputs(_bounds(program) if ranged else None):
            with torch.no_grad():
                make()(*copy.deepcopy(row))
    except RuntimeError:
        return False
    return True


# Declared ranges: from 0, 1 and 2, one with the example at its end, and a single size.
RANGES = ((0, 5), (1, 5), (2, 6), (1, 3), (0, 3), (2, 4), (3, 3))


def _bounds(program: RandomProgram) -> tuple[int, int]:
    return RANGES[program.seed % len(RANGES)]


def run(program: RandomProgram, folder: Path, ranged: bool = False) -> Outcome:
    """Exports a random program and compares it on all its inputs.

    With a range, the file must raise at sizes outside of it.

    Args:
        program: the program.
        folder: where its file goes.
        ranged: whether the rows of `x` get a declared range, which prunes and proves.
    """
    make = load(program.source, folder, f"random_program_{program.seed}")
    values: Any = {name: True for name in program.arguments if name != "x"}
    if not ranged:
        named = {**values, "x": {0: "n"}} if program.named else True
        return run_model(make, program.inputs(), dynamic=named)
    low, high = _bounds(program)
    dynamic = {**values, "x": {0: fxexport.Dim("n", low, high)}}
    return run_model(
        make, program.inputs((low, high)), dynamic=dynamic, outside=program.outside((low, high))
    )


def main(arguments: list[str] | None = None) -> int:
    """Runs many programs, prints those that fail, shrunk; 1 if any is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=100, help="number of programs")
    parser.add_argument("--flavour", default="plain", choices=FLAVOURS)
    parser.add_argument("--shrink", action="store_true", help="make failing programs smaller")
    parser.add_argument("--ranged", action="store_true", help="declare a range of sizes")
    parser.add_argument("--refused", action="store_true", help="print refused programs too")
    parser.add_argument("--show", action="store_true", help="only print the programs")
    options = parser.parse_args(arguments)
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seed, options.seed + options.count):
            program = generate(seed, options.flavour)
            if options.show:
                print(f"# seed {seed}\n{program.source}")
                continue
            if not runs_in_eager(program, Path(folder), options.ranged):
                counts["raises in PyTorch"] = counts.get("raises in PyTorch", 0) + 1
                continue
            outcome = run(program, Path(folder), options.ranged)
            counts[outcome.status] = counts.get(outcome.status, 0) + 1
            if outcome.status == "agree" or (outcome.status == "refused" and not options.refused):
                continue
            if options.shrink:
                from tests.generators.shrink import shrink

                program, outcome = shrink(program, outcome, Path(folder))
            text = f"# seed {seed}: {outcome.status}: {outcome.details}\n{program.source}"
            print(text, flush=True)
    print(counts)
    return 1 if counts.get("wrong") or counts.get("crashed") else 0


if __name__ == "__main__":
    sys.exit(main())
