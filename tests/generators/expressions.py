"""Random expressions for `random_programs`, typed so that every program is valid.

Types: mat (float tensor, as many rows as x, 4 columns), row (4 values), num (no dimension),
rows (any number of rows of 4), and Python's int, float, bool; `random_lists` adds lists.
"""

from __future__ import annotations

import random

__all__ = ["Expressions", "Scope"]


class Scope:
    """The variables of a block by type; names that an inner block adds end with it."""

    def __init__(self, variables: dict[str, str], fixed: frozenset[str] = frozenset()) -> None:
        self._variables = variables
        self._fixed = set(fixed)
        self.may_leave = False

    def add(self, name: str, kind: str, *, fixed: bool = False) -> None:
        """Defines a variable; a fixed one (a loop's counter) is only read."""
        self._variables[name] = kind
        if fixed:
            self._fixed.add(name)

    def hide(self, name: str) -> None:
        """Makes a variable unknown to this block."""
        self._variables.pop(name, None)

    def names(self, kind: str) -> list[str]:
        """The variables of a type."""
        return [name for name, its in self._variables.items() if its == kind]

    def assignable(self, kind: str) -> list[str]:
        """The variables of a type that may be assigned."""
        return [name for name in self.names(kind) if name not in self._fixed]

    def inner(self, *, leave: bool = False) -> Scope:
        """The scope of a block inside this one."""
        scope = Scope(dict(self._variables), frozenset(self._fixed))
        scope.may_leave = leave
        return scope


class Expressions:
    """Makes expressions of a wanted type from the variables in scope."""

    def __init__(self, rng: random.Random, as_module: bool) -> None:
        self._rng = rng
        self.as_module = as_module
        self.helpers: dict[str, str] = {}

    def bounded(self, kind: str, scope: Scope, depth: int) -> str:
        """An expression whose value stays small however often it is computed."""
        makers = {
            "mat": self.mat,
            "row": self.row,
            "num": self.num,
            "rows": self.rows,
            "int": self.int_,
            "float": self.float_,
            "bool": self.bool_,
        }
        value = makers[kind](scope, depth)
        if kind in ("mat", "row", "rows", "num"):
            return f"({value}).clamp(-3.0, 3.0)"
        if kind == "int":
            return self._rng.choice((f"max(-9, min(9, {value}))", f"({value}) % 11"))
        if kind == "float":
            return f"max(-3.0, min(3.0, {value}))"
        return f"bool({value})"

    def threshold(self) -> str:
        """A constant that no computed value meets."""
        return f"{self._rng.uniform(-1.2, 1.2):.3f}1737"

    def factor(self) -> str:
        """A constant to compute with."""
        return self._rng.choice(("0.5", "-0.75", "1.25", "0.3", "-1.5"))

    def _pick(self, kind: str, scope: Scope, depth: int, deep: list[str]) -> str:
        names = scope.names(kind)
        for name, its in self.helpers.items():
            if its == kind and depth > 0 and self._rng.random() < 0.2:
                x, a, b = self.mat(scope, 0), self.row(scope, 0), self.num(scope, 0)
                return f"{name}({x}, {a}, {b}, {self.int_(scope, 0)})"
        if names and (depth <= 0 or self._rng.random() < 0.25):
            return self._rng.choice(names)
        return f"({self._rng.choice(deep)})"

    def mat(self, scope: Scope, depth: int) -> str:
        """As many rows as x."""
        if depth <= 0:
            return self._rng.choice(scope.names("mat"))
        a, b = self.mat(scope, depth - 1), self.mat(scope, depth - 1)
        deep = [
            f"torch.tanh({a} + {b})",
            f"torch.sin({a})",
            f"{a} * {self.row(scope, depth - 1)}",
            f"({a} * {self.factor()} + {self.factor()})",
            f"torch.where({a} > {self.threshold()}, {a}, {b})",
            f"({a} + {self.float_(scope, depth - 1)})",
            f"({a} - {self.num(scope, depth - 1)})",
            f"{a} * {self.int_(scope, depth - 1)}",
            f"torch.relu({a})",
            f"{a}.flip(0)",
        ]
        if self.as_module:
            deep += [f"self.linear({a})", f"{a} * self.gain"]
        return self._pick("mat", scope, depth, deep)

    def row(self, scope: Scope, depth: int) -> str:
        """Four values."""
        sums = [f"{name}.sum(0)" for name in scope.names("mat") + scope.names("rows")]
        known = scope.names("row") or sums
        if depth <= 0:
            return self._rng.choice(known or ["torch.ones(4)"])
        a = self.row(scope, depth - 1)
        deep = [
            *sums,
            f"torch.tanh({a} + {self.row(scope, depth - 1)})",
            f"{a} * {self.float_(scope, depth - 1)}",
            f"{a} * {self.num(scope, depth - 1)}",
            f"{a}.flip(0)",
            f"torch.maximum({a}, {self.row(scope, depth - 1)})",
        ]
        if self.as_module:
            deep += [f"{a} * self.gain", "self.memory * 1.0", f"self.last + {a}"]
            deep.append("self.kept[0] - self.kept[1]")
        return self._pick("row", scope, depth, deep)

    def num(self, scope: Scope, depth: int) -> str:
        """A tensor without dimensions."""
        row = self.row(scope, depth - 1)
        deep = [f"{row}.sum()", f"{row}.mean()", f"{row}[{self._rng.randrange(4)}]"]
        if depth <= 0:
            return f"({self._rng.choice(scope.names('num') or deep)})"
        a = self.num(scope, depth - 1)
        deep += [
            f"{a} * {self.factor()}",
            f"torch.minimum({a}, {self.num(scope, depth - 1)})",
            f"torch.tanh({a})",
        ]
        deep += [f"{name}.sum() * 0.1" for name in scope.names("mat") + scope.names("view")]
        return self._pick("num", scope, depth, deep)

    def rows(self, scope: Scope, depth: int) -> str:
        """Any number of rows."""
        known = scope.names("rows") + [f"{name}[:2]" for name in scope.names("mat")]
        known = known or ["torch.zeros(1, 4)"]
        a = self._rng.choice(known)
        if depth <= 0:
            return a
        deep = [
            f"torch.cat([{a}[:4], {self.row(scope, depth - 1)}.unsqueeze(0)])",
            f"torch.cat([{a}[-3:], {self._rng.choice(known)}[:3]])",
            f"{a}[1:]",
            f"{a} * {self.factor()}",
        ]
        deep += [f"{name}[{name}[:, 0] > {self.threshold()}]" for name in scope.names("mat")]
        return self._pick("rows", scope, depth, deep)

    def int_(self, scope: Scope, depth: int) -> str:
        """A Python int."""
        sizes = [f"{name}.shape[0]" for name in scope.names("mat")]
        sizes += [f"len({name})" for name in scope.names("rows")]
        if depth <= 0:
            return self._rng.choice(scope.names("int") * 2 + sizes)
        a, b = self.int_(scope, depth - 1), self.int_(scope, depth - 1)
        deep = [
            f"({a} + {b})",
            f"({a} - {b})",
            f"({a} * 3 + 1) % 7",
            f"({a} // {self._rng.choice((2, 3, -2))})",
            f"({a} % {self._rng.choice((2, 3, 5))})",
            f"min({a}, {b})",
            f"max({a}, {b})",
            f"abs({a})",
            f"int({self.num(scope, depth - 1)} * 3.0 + 0.37171)",
            f"(1 if {self.condition(scope, depth - 1)} else {b})",
        ]
        if self.as_module:
            deep.append(f"(self.steps + {a})")
        return self._pick("int", scope, depth, deep)

    def float_(self, scope: Scope, depth: int) -> str:
        """A Python float."""
        if depth <= 0:
            return f"({self._rng.choice(scope.names('float') or [self.factor()])})"
        a, b = self.float_(scope, depth - 1), self.float_(scope, depth - 1)
        deep = [
            f"({self.num(scope, depth - 1)}).item()",
            f"float({self.num(scope, depth - 1)})",
            f"({a} * 0.7 + {b})",
            f"({self.int_(scope, depth - 1)} * 0.25)",
            f"({self.int_(scope, depth - 1)} / 3)",
            f"min({a}, {b})",
            f"abs({a})",
            f"({a} if {self.condition(scope, depth - 1)} else {b})",
        ]
        return self._pick("float", scope, depth, deep)

    def bool_(self, scope: Scope, depth: int) -> str:
        """A truth value, perhaps of a tensor."""
        return self.condition(scope, depth)

    def condition(self, scope: Scope, depth: int) -> str:
        """What an if or a while may ask."""
        rng = self._rng
        i = self.int_(scope, max(depth - 1, 0))
        low = rng.randrange(-2, 3)
        simple = [
            f"{i} {rng.choice(('>', '<', '>=', '==', '!='))} {rng.randrange(5)}",
            f"{low} <= {i} < {low + rng.randint(1, 4)}",
            f"{i} % 2 == {rng.randrange(2)}",
            f"{self.num(scope, max(depth - 1, 0))} {rng.choice('<>')} {self.threshold()}",
            f"{self.float_(scope, max(depth - 1, 0))} {rng.choice('<>')} {self.threshold()}",
            f"({self.row(scope, 0)} > {self.threshold()}).{rng.choice(('any', 'all'))}()",
            *scope.names("bool"),
        ]
        for name in scope.names("mat"):
            simple.append(f"{name}.numel() > {rng.choice((3, 8, 12))}")
            simple.append(f"({name}.shape[0] > 1 and {name}[1, 2] > {self.threshold()})")
        if depth <= 1 or rng.random() < 0.6:
            return rng.choice(simple)
        a, b = self.condition(scope, depth - 1), self.condition(scope, depth - 1)
        return rng.choice((f"not ({a})", f"(({a}) and ({b}))", f"(({a}) or ({b}))"))
