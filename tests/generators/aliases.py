"""Random statements on things that have several names, and that are changed where they are.

Types beside those of `random_expressions`: held (a list of two rows), grown (a list of rows), table
(a dict of rows), cell (an object that holds a row, a number and a list), buf (a row that is written
in place), part (two values of one), and group (a set). A variable of one of these may be another
one's second name, on some ways or on all.
"""

from __future__ import annotations

from typing import Any

from tests.generators.expressions import Scope

__all__ = ["KINDS", "PRELUDE", "Aliases"]

PRELUDE = """
class Cell:
    def __init__(self, row):
        self.row, self.n, self.rows = row, 0, [row]

    def bump(self, row):
        self.n += 1
        self.row = (self.row * 0.5 + row).clamp(-3.0, 3.0)
        return self.n


def digest(x, *things):
    total = x.sum(0) * 0.125
    for thing in things:
        if isinstance(thing, list):
            for row in thing:
                total = total * 0.5 + row
            total = total + len(thing)
        elif isinstance(thing, dict):
            for key in ("a", "b", "c"):
                if key in thing:
                    total = total * 0.75 - thing[key]
            total = total + len(thing)
        elif isinstance(thing, Cell):
            total = total * 0.5 + thing.row + thing.n + thing.rows[0] + len(thing.rows)
        elif isinstance(thing, set):
            total = total + len(thing) - 2 * int(1 in thing) + 3 * int(2 in thing) - int(5 in thing)
        else:
            total = total * 0.5 + thing.sum()
    return total.clamp(-9.0, 9.0)


"""

KINDS = ("held", "grown", "table", "cell", "buf", "part", "group")


class Aliases:
    """Writes such statements for a writer."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._rng = writer.rng

    def write(self, scope: Scope, depth: int, nesting: int) -> None:
        """One statement."""
        kinds = ["new", "bind", "bind", "change", "change", "change", "swap", "read"]
        if nesting < 3 and self._writer.budget > 0:
            kinds += ["rebind", "rebind", "rebind", "ask"]
        getattr(self, f"_{self._rng.choice(kinds)}")(scope, depth, nesting)

    def things(self, scope: Scope) -> list[str]:
        """All variables of these types."""
        return [name for kind in KINDS for name in scope.names(kind)]

    def _row(self, scope: Scope) -> str:
        return str(self._writer.expressions.bounded("row", scope, 0))

    def _value(self, kind: str, scope: Scope) -> str:
        """A new one."""
        rng, row = self._rng, self._row(scope)
        if kind == "part":
            bufs = scope.names("buf")
            source = rng.choice(bufs) if bufs else f"({row} * 1.0)"
            return f"{source}[{rng.choice(('1:3', ':2', '::2'))}]"
        buffer = [f"({row} * {self._writer.expressions.factor()})", f"torch.tanh({row})"]
        if self._writer.expressions.as_module:
            buffer += ["self.memory"]
        return rng.choice({
            "held": [f"[{row}, {self._row(scope)}]"],
            "grown": ["[]", "[]", f"[{row}]"],
            "table": [f"{{'a': {row}}}", f"{{'a': {row}, 'b': {self._row(scope)}}}"],
            "cell": [f"Cell({row})"],
            "buf": buffer,
            "group": ["set()", "{1, 2}", "{2, 5}"],
        }[kind])  # fmt: skip

    def _new(self, scope: Scope, depth: int, nesting: int, kind: str = "") -> str:
        kind = kind or self._rng.choice(KINDS)
        name = str(self._writer.fresh({"cell": "o", "part": "q"}.get(kind, kind[0] + "_")))
        self._writer.emit(depth, f"{name} = {self._value(kind, scope)}")
        scope.add(name, kind)
        return name

    def _two(self, scope: Scope, depth: int, nesting: int) -> tuple[str, str, str]:
        """A type and two variables of it."""
        kind = self._rng.choice(KINDS)
        while len(scope.names(kind)) < 2:
            self._new(scope, depth, nesting, kind)
        first, second = self._rng.sample(scope.names(kind), 2)
        return kind, first, second

    def _bind(self, scope: Scope, depth: int, nesting: int) -> None:
        """Another name for one of two."""
        kind, first, second = self._two(scope, depth, nesting)
        condition = self._writer.expressions.condition(scope, 1)
        if self._rng.random() < 0.25:
            second = self._value(kind, scope)
        name = self._writer.fresh("c_")
        value = f"{first} if {condition} else {second}"
        if kind != "part" and self._rng.random() < 0.2:
            index = self._writer.expressions.int_(scope, 0)
            value = f"[{first}, {second}][({index}) % 2]"
        self._writer.emit(depth, f"{name} = {value}")
        scope.add(name, kind)

    def _rebind(self, scope: Scope, depth: int, nesting: int) -> None:
        kind, first, second = self._two(scope, depth, nesting)
        self._writer.emit(depth, f"if {self._writer.expressions.condition(scope, 1)}:")
        inner = scope.inner()
        if self._rng.random() < 0.5:
            self._change(inner, depth + 1, nesting + 1)
        value = second if self._rng.random() < 0.6 else self._value(kind, inner)
        self._writer.emit(depth + 1, f"{first} = {value}")
        if self._rng.random() < 0.3:
            self._writer.emit(depth, "else:")
            self._change(scope.inner(), depth + 1, nesting + 1)

    def _swap(self, scope: Scope, depth: int, nesting: int) -> None:
        _, first, second = self._two(scope, depth, nesting)
        self._writer.emit(depth, f"{first}, {second} = {second}, {first}")

    def _ask(self, scope: Scope, depth: int, nesting: int) -> None:
        """An if on whether two names are of one thing, or on what a set has."""
        kind, first, second = self._two(scope, depth, nesting)
        test = f"{first} is {second}"
        if kind == "group":
            test = self._rng.choice((f"1 in {first}", f"len({first}) > 1", f"5 not in {second}"))
        elif kind == "part":  # each view is an object of its own
            test = f"{first}.sum() > {self._writer.expressions.threshold()}"
        self._writer.emit(depth, f"if {test}:")
        self._writer.block(scope.inner(leave=True), depth + 1, nesting + 1, 2)

    def _read(self, scope: Scope, depth: int, nesting: int) -> None:
        things = self.things(scope)
        if not things:
            self._new(scope, depth, nesting)
            return
        some = self._rng.sample(things, min(len(things), 2))
        old = scope.assignable("row")
        use = old and self._rng.random() < 0.7
        target = self._rng.choice(old) if use else self._writer.fresh("r")
        self._writer.emit(depth, f"{target} = digest(x, {', '.join(some)}).clamp(-3.0, 3.0)")
        scope.add(target, "row")

    def _change(self, scope: Scope, depth: int, nesting: int) -> None:
        """A write to one thing."""
        things = self.things(scope)
        if not things:
            self._new(scope, depth, nesting)
            return
        name = self._rng.choice(things)
        kind = next(kind for kind in KINDS if name in scope.names(kind))
        getattr(self, f"_change_{kind}")(name, scope, depth)

    def _change_held(self, name: str, scope: Scope, depth: int) -> None:
        row, k = self._row(scope), self._rng.randrange(2)
        self._writer.emit(depth, self._rng.choice((
            f"{name}[{k}] = {row}",
            f"{name}[{k}] = ({name}[{1 - k}] + {row}).clamp(-3.0, 3.0)",
            f"{name}.reverse()",
            f"{name}[0], {name}[1] = {name}[1], {name}[0]",
            f"{name}[{k}] *= 0.5",
        )))  # fmt: skip

    def _change_grown(self, name: str, scope: Scope, depth: int) -> None:
        row = self._row(scope)
        if self._rng.random() < 0.6:
            self._writer.emit(depth, f"if len({name}) < 5:")
            how = (f"{name}.append({row})", f"{name} += [{row}]", f"{name}.insert(0, {row})")
        else:
            self._writer.emit(depth, f"if len({name}) > 0:")
            how = (f"{name}.pop()", f"{name}[0] = {row}", f"{name}.clear()")
        self._writer.emit(depth + 1, self._rng.choice(how))

    def _change_table(self, name: str, scope: Scope, depth: int) -> None:
        row = self._row(scope)
        self._writer.emit(depth, self._rng.choice((
            f"{name}['a'] = {row}",
            f"{name}['b'] = {row}",
            f"{name}['a'] = ({name}['a'] * 0.5 + {row}).clamp(-3.0, 3.0)",
            f"{name}.setdefault('c', {row})",
            f"{name}.pop('b', None)",
            f"{name}.update(c={row})",
        )))  # fmt: skip

    def _change_cell(self, name: str, scope: Scope, depth: int) -> None:
        row = self._row(scope)
        self._writer.emit(depth, self._rng.choice((
            f"{name}.row = {row}",
            f"{name}.n += 1",
            f"{name}.bump({row})",
            f"{name}.rows[0] = {row}",
            f"{name}.rows = [{row}, {name}.row]",
            f"{name}.n = {name}.bump({row}) % 5",
        )))  # fmt: skip

    def _change_buf(self, name: str, scope: Scope, depth: int) -> None:
        self._change_tensor(name, ("[0]", "[1:3]", "[-1]"), self._row(scope), scope, depth)

    def _change_part(self, name: str, scope: Scope, depth: int) -> None:
        self._change_tensor(name, ("[0]", "[1:]"), f"({self._row(scope)})[:2]", scope, depth)

    def _change_tensor(
        self, name: str, parts: tuple[str, ...], value: str, scope: Scope, depth: int
    ) -> None:
        number = self._writer.expressions.num(scope, 0)
        constant = self._writer.expressions.factor()
        part = f"{name}{self._rng.choice(parts)}"
        self._writer.emit(depth, self._rng.choice((
            f"{name} += {number}",
            f"{name} *= {constant}",
            f"{name}.copy_({value})",
            f"{name}.add_({value})",
            f"{part} = {number}",
            f"{part} *= {constant}",
            f"{name}[{name} > 0.1171737] = {constant}",
            f"{part}.fill_({constant})",
        )))  # fmt: skip
        self._writer.emit(depth, f"{name}.clamp_(-3.0, 3.0)")

    def _change_group(self, name: str, scope: Scope, depth: int) -> None:
        k = self._rng.choice((1, 2, 5))
        self._writer.emit(depth, self._rng.choice((
            f"{name}.add({k})",
            f"{name}.discard({k})",
            f"{name} |= {{{k}}}",
            f"{name} = {name} - {{{k}}}",
            f"{name} = {name} | {{1, {k}}}",
            f"{name} &= {{1, {k}}}",
            f"{name}.update([{k}])",
        )))  # fmt: skip
