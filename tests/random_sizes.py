"""Random programs whose tensors change their sizes in loops, for the pass `give_capacity`.

    python -m tests.random_sizes --seed 0 --count 100

Each is captured, rewritten for TensorRT's dialect, and run in PyTorch beside the program itself.
"""

from __future__ import annotations

import argparse
import collections
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from fxexport.passes import run_passes

from fxexport.errors import FxExportError
from fxexport.graph.marks import NO_CAPACITY
from fxexport.graph.ops import loop
from fxexport.targets import target_named
from tests.random_programs import load
from tests.support.harness import compare, flatten
from tests.support.rewriting import captured, nodes_of

__all__ = ["INPUTS", "generate", "main", "outcome_of"]

HEADER = "import torch\n\n\ndef model(x):\n"
INPUTS = [torch.arange(n) * 0.5 - 1.0 for n in (5, 1, 2, 8, 3)]


class _Writer:
    """Writes statements on vectors `a`, `b` of varying size, `x` of a fixed one, and a sum `s`."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lines: list[str] = []

    def emit(self, depth: int, text: str) -> None:
        self.lines.append("    " * (depth + 1) + text)

    def vector(self, trip: str) -> str:
        """A vector of some size."""
        name = self.rng.choice("aabx")
        start = self.rng.choice(("1", "-2", trip, f"{trip} - 1"))
        return self.rng.choice(
            (
                name,
                f"{name} * 0.5",
                f"{name}[1:]",
                f"{name}[:-1]",
                f"{name}[{start}:]",
                f"{name}[: {trip} + 1]",
                f"{name}[::2]",
                f"{name}.flip(0)",
                f"{name}.sort().values",
                f"{name}[{name}.argsort(descending=True)]",
                f"{name}[{name} > {self.rng.choice((-0.75, 0.25, 1.25))}]",
                f"torch.where({name} > 0.25, {name}, {name} - 1)",
                f"{name}.cumsum(0) * 0.25",
                f"{name}.clamp(-2, 2)",
                f"{name}.reshape(-1, 1).expand(-1, 2).reshape(-1)[:6]",
                f"({name}[:, None] * {name}[None]).amax(1)" if name == "x" else f"{name} + s * 0",
                f"torch.cat([{name}, x[{trip} : {trip} + 1]])[:6]",
                f"torch.cat([x[:1], {name}])[:6]",
                f"torch.cat([a, b])[{self.rng.choice((':5', '-4:', '::2'))}]",
            )
        )

    def number(self, trip: str) -> str:
        name = self.rng.choice("aab")
        return self.rng.choice(
            (
                f"{name}.sum() * 0.25",
                f"{name}.shape[0] * 0.5",
                f"({name} > 0.25).sum() * 0.5",
                f"(x[:{trip} + 1] * 0.5).sum()",
                f"{name}[-1:].sum()",
                f"(torch.arange({name}.shape[0]) * {name}).sum() * 0.25",
                f"torch.nonzero({name} > -0.25).sum() * 0.5",
            )
        )

    def statement(self, depth: int, trip: str, nesting: int) -> None:
        kind = self.rng.random()
        name = self.rng.choice("aab")
        if kind < 0.45:
            self.emit(depth, f"{name} = {self.vector(trip)}")
        elif kind < 0.6:
            self.emit(depth, f"s = s * 0.5 + {self.number(trip)}")
        elif kind < 0.7:
            self.emit(depth, f"{name} = {name}.clone()")
            self.emit(depth, f"{name}[{name} > 1.25] = 0.5")
        elif kind < 0.85 or nesting > 1:
            at = self.rng.choice((f"{name}.shape[0] > 2", "s > 0.3", f"{name}.sum() > 0.3"))
            self.emit(depth, f"if {at}:")
            self.block(depth + 1, trip, nesting + 1, 1)
            if self.rng.random() < 0.4:
                self.emit(depth, "else:")
                self.block(depth + 1, trip, nesting + 1, 1)
        else:
            self.emit(depth, f"for j in range({self.rng.choice((f'{trip} + 1', 'a.shape[0]'))}):")
            self.block(depth + 1, "j", nesting + 1, 2)

    def block(self, depth: int, trip: str, nesting: int, length: int) -> None:
        for _ in range(self.rng.randint(1, length)):
            self.statement(depth, trip, nesting)


def generate(seed: int) -> str:
    """The source of a program."""
    rng = random.Random(seed)
    writer = _Writer(rng)
    writer.emit(0, f"a = {rng.choice(('x', 'x[:0]', 'x[1:]', 'x[x > 0.25]'))}")
    writer.emit(0, f"b = {rng.choice(('x', 'x[:1]', 'x * 2'))}")
    writer.emit(0, "s = x.new_zeros(())")
    writer.emit(0, rng.choice(("for i in range(x.shape[0]):", "for i in range(4):")))
    writer.block(1, "i", 0, 4)
    if rng.random() < 0.3:
        writer.emit(1, "if a.shape[0] < 2:")
        writer.emit(2, "break")
    writer.emit(0, "return a, b, s")
    return HEADER + "\n".join(writer.lines) + "\n\n\ndef build():\n    return model\n"


def outcome_of(seed: int, folder: Path) -> tuple[str, str]:
    """What became of a program: agrees, refused, left (a loop kept its sizes) or wrong."""
    make = load(generate(seed), folder, f"random_size_{seed}")
    program: Callable[..., Any] = make()
    try:
        graph = captured(program, INPUTS[0].clone())
    except FxExportError as error:
        return "refused", str(error)
    constraints = list(graph.constraints)
    target = target_named("tensorrt")
    graph = run_passes(graph, (*target.guards, *target.passes))
    for x in INPUTS:
        if not all(c.holds(dict.fromkeys(c.names, x.shape[0])) for c in constraints):
            continue
        expected = flatten(program(x.clone()))
        got = graph.run(x.clone())
        cut = _cut(graph, got)
        difference = compare(expected, cut)
        if difference:
            return "wrong", f"x of {x.shape[0]}: {difference}"
    left = [mark.text for n in nodes_of(graph, loop) if (mark := NO_CAPACITY.of(n)) is not None]
    return ("left", left[0]) if left else ("agrees", "")


def _cut(graph: Any, outputs: Any) -> tuple[Any, ...]:
    """Outputs without what only pads them, and without counts."""
    found = {spec.name: value for spec, value in zip(graph.outputs, outputs, strict=True)}
    made = []
    for spec in graph.outputs:
        if spec.counts:
            continue
        value = found[spec.name]
        if spec.padding is not None:
            value = value.narrow(spec.padding.dim, 0, int(found[spec.padding.count]))
        made.append(value)
    return tuple(made)


def main(arguments: list[str] | None = None) -> int:
    """Runs many programs and prints those that fail; 1 if any does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=100, help="number of programs")
    options = parser.parse_args(arguments)
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seed, options.seed + options.count):
            try:
                outcome, said = outcome_of(seed, Path(folder))
            except Exception as error:
                outcome, said = "bug", f"{type(error).__name__}: {error}"
            counts[outcome] += 1
            if outcome != "agrees":
                print(f"seed {seed}: {outcome}: {said[:300]}", flush=True)
    print(dict(counts))
    return 1 if counts["wrong"] or counts["bug"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
