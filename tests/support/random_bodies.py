"""Random function bodies full of jumps, as source text."""

from __future__ import annotations

import random

__all__ = ["FLAGS", "random_body"]

# The parameters that decide the jumps.
FLAGS = ("a", "b", "c", "d")


class _Writer:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lines: list[str] = []
        self._marks = 0
        self._names = 0

    def text(self) -> str:
        """A function that logs where it passes and returns in many places."""
        self._lines = [f"def f({', '.join(FLAGS)}, log):"]
        self.block(1, depth=0, in_loop=False)
        return "\n".join(self._lines)

    def line(self, indent: int, text: str) -> None:
        self._lines.append("    " * indent + text)

    def mark(self) -> str:
        self._marks += 1
        return f"log.append({self._marks})"

    def test(self) -> str:
        pick = self._random
        flags = pick.sample(FLAGS, 2)
        return pick.choice(
            [
                flags[0],
                f"not {flags[0]}",
                f"{flags[0]} and {flags[1]}",
                f"{flags[0]} or not {flags[1]}",
                f"len(log) % {pick.randint(2, 4)} == 0",
                f"len(log) > {pick.randint(1, 9)}",
            ]
        )

    def jump(self, in_loop: bool) -> str:
        kinds = ["return", f"return ({self._marks}, len(log))"]
        if in_loop:
            kinds += ["break", "continue"] * 2
        return self._random.choice(kinds)

    def block(self, indent: int, depth: int, in_loop: bool) -> None:
        for _ in range(self._random.randint(1, 3)):
            self.statement(indent, depth, in_loop)
        if self._random.random() < 0.25:
            self.line(indent, self.jump(in_loop))

    def statement(self, indent: int, depth: int, in_loop: bool) -> None:
        self.line(indent, self.mark())
        if depth >= 3:
            return
        kind = self._random.choice(
            ["if", "if", "for", "while", "with", "try", "match", "none", "jump"]
        )
        getattr(self, f"{kind}_")(indent, depth, in_loop)

    def none_(self, indent: int, depth: int, in_loop: bool) -> None:
        pass

    def jump_(self, indent: int, depth: int, in_loop: bool) -> None:
        self.line(indent, f"if {self.test()}:")
        self.line(indent + 1, self.jump(in_loop))

    def if_(self, indent: int, depth: int, in_loop: bool) -> None:
        self.line(indent, f"if {self.test()}:")
        self.block(indent + 1, depth + 1, in_loop)
        for _ in range(self._random.choice([0, 0, 1])):
            self.line(indent, f"elif {self.test()}:")
            self.block(indent + 1, depth + 1, in_loop)
        if self._random.random() < 0.6:
            self.line(indent, "else:")
            self.block(indent + 1, depth + 1, in_loop)

    def _loop_else(self, indent: int, depth: int, in_loop: bool) -> None:
        if self._random.random() < 0.4:
            self.line(indent, "else:")
            self.block(indent + 1, depth + 1, in_loop)

    def for_(self, indent: int, depth: int, in_loop: bool) -> None:
        self._names += 1
        self.line(indent, f"for k{self._names} in range({self._random.randint(0, 3)}):")
        self.block(indent + 1, depth + 1, True)
        self._loop_else(indent, depth, in_loop)

    def while_(self, indent: int, depth: int, in_loop: bool) -> None:
        self._names += 1
        name = f"n{self._names}"
        self.line(indent, f"{name} = 0")
        test = self._random.choice(["True", f"{name} < 3", f"{name} < 2 or {self.test()}"])
        self.line(indent, f"while {test}:")
        self.line(indent + 1, f"{name} += 1")
        # Every loop ends, whatever its test.
        self.line(indent + 1, f"if {name} > 4:")
        self.line(indent + 2, self._random.choice(["break", "return 'end'"]))
        self.block(indent + 1, depth + 1, True)
        self._loop_else(indent, depth, in_loop)

    def with_(self, indent: int, depth: int, in_loop: bool) -> None:
        self.line(indent, f"with noted(log, {self._marks}):")
        self.block(indent + 1, depth + 1, in_loop)

    def try_(self, indent: int, depth: int, in_loop: bool) -> None:
        self.line(indent, "try:")
        self.block(indent + 1, depth + 1, in_loop)
        if self._random.random() < 0.3:
            self.line(indent + 1, "pass")
            self.line(indent + 1, "raise KeyError")
        self.line(indent, "except KeyError:")
        self.block(indent + 1, depth + 1, in_loop)
        if self._random.random() < 0.3:
            self.line(indent, "else:")
            self.block(indent + 1, depth + 1, in_loop)
        if self._random.random() < 0.3:
            self.line(indent, "finally:")
            self.line(indent + 1, self.mark())

    def match_(self, indent: int, depth: int, in_loop: bool) -> None:
        self.line(indent, "match len(log) % 3:")
        for value in ("0", "1 | 2" if self._random.random() < 0.5 else "1"):
            self.line(indent + 1, f"case {value}:")
            self.block(indent + 2, depth + 1, in_loop)
        if self._random.random() < 0.5:
            self.line(indent + 1, f"case other if {self.test()}:")
            self.block(indent + 2, depth + 1, in_loop)
        if self._random.random() < 0.3:
            self.line(indent + 1, "case _:")
            self.block(indent + 2, depth + 1, in_loop)


def random_body(seed: int) -> str:
    """The source of ``f(a, b, c, d, log)``, the same for the same seed."""
    return _Writer(seed).text()
