"""Random programs that change objects in lists of dynamic length, under several names."""

from __future__ import annotations

import random

__all__ = ["source_of"]

_HEAD = """import torch


class Sample:
    def __init__(self, x):
        self.x = x
        self.meta = {"k": x.sum()}
        self.log = [x.mean()]


def model(x):
    acc = x.new_zeros(())
    l = [Sample(r * 2) for r in x]
    m = [Sample(r * 3) for r in x]
    v = Sample(x[0] + 1)
    w = Sample(x[0] - 1)
"""
_TOTAL = "acc = acc * 0.9 + s.x.sum() + s.meta['k'] + len(s.log)"
_COPIES = (
    "list(l)", "l", "l[:]", "[s for s in l]", "l[::-1]", "l[1:] + m",
    "sorted(l, key=lambda s: s.x.sum().item())",
)  # fmt: skip
_CONDITIONS = ("x.sum() > 0", "acc > 1", "x[0, 0] > 0", "len(l) > 3")


def source_of(seed: int) -> str:
    """The source of a program: a function ``model`` of a tensor of two rows at least."""
    return _Writer(random.Random(seed)).program()


class _Writer:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._popped = False

    def program(self) -> str:
        lines = [
            line
            for _ in range(self._rng.randint(2, 6))
            for line in self._statement(1, ["v", "w"], loops=0)
        ]
        lines.append(f"    for s in l: {_TOTAL}")
        if self._rng.random() < 0.6:
            lines.append(f"    for s in m: {_TOTAL}")
        if self._rng.random() < 0.5:
            lines.append("    acc = acc + v.x.sum() + w.meta['k'] + len(v.log)")
        lines.append("    return acc, len(l), len(m)")
        return _HEAD + "\n".join(lines) + "\n"

    def _statement(self, depth: int, names: list[str], loops: int) -> list[str]:
        rng = self._rng
        if depth < 3 and rng.random() < 0.3:
            return (
                self._loop(depth, names, loops)
                if rng.random() < 0.5
                else self._branch(depth, names, loops)
            )
        return [" " * 4 * depth + self._simple(names, loops)]

    def _simple(self, names: list[str], loops: int) -> str:
        rng = self._rng
        one, other, items = rng.choice(names), rng.choice(names), rng.choice("lm")
        kept = rng.choice(["l[0]", "m[-1]", "l[1]", "m[0]", one, "Sample(x[1] * acc)"])
        found = [
            f"{one}.x = {one}.x * 0.5 + {other}.x",
            f'{one}.meta["k"] = {other}.meta["k"] + 1',
            f"{one}.log.append(acc)",
            f"{rng.choice(['l[0]', 'm[-1]', 'l[1]'])}.x = acc + {one}.x",
            f"acc = acc * 0.5 + {one}.x.sum() + {other}.meta['k'] + len({other}.log)",
            f"{rng.choice('vw')} = {kept}",
            f"{items}[{rng.choice(['0', '1', '-1'])}] = {one}",
            f"{one}.meta = {other}.meta",
        ]
        if loops < 2:
            found.append(f"m.append({rng.choice([one, 'Sample(x[0] * acc)'])})")
        if not loops:
            found.append(f"m = {rng.choice(_COPIES)}")
            if not self._popped:
                found.append(f"{rng.choice('vw')} = {items}.pop({rng.choice(['', '0'])})")
        line = rng.choice(found)
        self._popped = self._popped or ".pop(" in line
        return line

    def _loop(self, depth: int, names: list[str], loops: int) -> list[str]:
        rng, pad, items = self._rng, " " * 4 * depth, self._rng.choice("lm")
        head, more = rng.choice(
            [
                (f"for s in {items}:", ["s"]),
                (f"for s, r in zip({items}, x):", ["s"]),
                (f"for i in range(1, len({items})):", [f"{items}[i]", f"{items}[i - 1]"]),
            ]
        )
        body = [
            line
            for _ in range(rng.randint(1, 3))
            for line in self._statement(depth + 1, [*names, *more], loops + 1)
        ]
        return [pad + head, *body]

    def _branch(self, depth: int, names: list[str], loops: int) -> list[str]:
        rng, pad = self._rng, " " * 4 * depth
        then, other = (
            [
                line
                for _ in range(rng.randint(1, 2))
                for line in self._statement(depth + 1, names, loops)
            ]
            for _ in range(2)
        )
        return [f"{pad}if {rng.choice(_CONDITIONS)}:", *then, f"{pad}else:", *other]
