"""Random statements on lists and dicts, for `random_programs`.

Types beside those of `random_expressions`: list (of rows), pairs (tuples of a row and an int), ints
(a list of ints), dict (of rows, under constant keys). No list outgrows eight items in a loop.
"""

from __future__ import annotations

from tests.generators.expressions import Scope
from tests.random_programs import Writer

__all__ = ["ListWriter"]

_KINDS = ("list", "pairs", "ints")


class ListWriter(Writer):
    """Writes statements on lists and dicts beside those of `Writer`."""

    def statement(self, scope: Scope, depth: int, nesting: int) -> None:
        """One statement; more than every second one is about a list or a dict."""
        if self.rng.random() < 0.45:
            super().statement(scope, depth, nesting)
            return
        self.budget -= 1
        kinds = ["new", "grow", "grow", "shrink", "change", "use", "use", "dict"]
        if nesting < 3 and self.loops < 2:
            kinds += ["collect", "loop_over", "loop_over"]
        getattr(self, f"_list_{self.rng.choice(kinds)}")(scope, depth, nesting)

    def _some(self, scope: Scope, depth: int, nesting: int) -> tuple[str, str]:
        """A list to work on and its type; a new one where there is none."""
        known = [(name, kind) for kind in _KINDS for name in scope.names(kind)]
        return self.rng.choice(known) if known else self._list_new(scope, depth, nesting)

    def _item(self, kind: str, scope: Scope) -> str:
        if kind == "ints":
            return self.expressions.bounded("int", scope, 1)
        row = self.expressions.bounded("row", scope, 1)
        return row if kind == "list" else f"({row}, {self.expressions.bounded('int', scope, 0)})"

    def _list_new(self, scope: Scope, depth: int, nesting: int) -> tuple[str, str]:
        kind = self.rng.choice(_KINDS)
        name = self.fresh(kind[0])
        items = [self._item(kind, scope) for _ in range(self.rng.choice((0, 0, 1, 2)))]
        self.emit(depth, f"{name} = [{', '.join(items)}]")
        scope.add(name, kind)
        return name, kind

    def _list_grow(self, scope: Scope, depth: int, nesting: int) -> None:
        name, kind = self._some(scope, depth, nesting)
        item = self._item(kind, scope)
        self.emit(depth, f"if len({name}) < 8:")
        how = [
            f"{name}.append({item})",
            f"{name}.append({item})",
            f"{name}.insert({self.rng.choice((0, 1, -1))}, {item})",
            f"{name} += [{item}]",
            f"{name} = [{item}] + {name}",
            f"{name}.extend({name}[:1])",
        ]
        self.emit(depth + 1, self.rng.choice(how))

    def _list_shrink(self, scope: Scope, depth: int, nesting: int) -> None:
        name, kind = self._some(scope, depth, nesting)
        self.emit(depth, f"if len({name}) > {self.rng.choice((0, 1, 2))}:")
        how = self.rng.choice(
            ("pop()", "pop()", "pop(0)", "clear()", "[1:]", "[:-1]", "[::-1]", "reverse()")
        )
        if how.startswith("["):
            self.emit(depth + 1, f"{name} = {name}{how}")
            return
        call = f"{name}.{how}"
        if how.startswith("pop"):
            target = {"ints": "int", "list": "row"}.get(kind)
            old = scope.assignable(target) if target else []
            call = f"{self.rng.choice(old)} = {call}" if old else call
        self.emit(depth + 1, call)

    def _list_change(self, scope: Scope, depth: int, nesting: int) -> None:
        name, kind = self._some(scope, depth, nesting)
        place = self.rng.choice(("0", "-1", f"{self.expressions.int_(scope, 0)} % len({name})"))
        self.emit(depth, f"if {name}:")
        self.emit(depth + 1, f"{name}[{place}] = {self._item(kind, scope)}")

    def _list_use(self, scope: Scope, depth: int, nesting: int) -> None:
        name, kind = self._some(scope, depth, nesting)
        uses = {f"len({name})": "int"}
        if kind == "ints":
            uses |= {
                f"sum({name}) % 11": "int",
                f"max({name} + [0])": "int",
                f"{name}[-1] if {name} else 3": "int",
                f"2 in {name}": "bool",
            }
        elif kind == "list":
            uses |= {
                f"torch.stack([x.sum(0), *{name}])": "rows",
                f"torch.stack({name}) if {name} else x[:1] * 0.0": "rows",
                f"torch.cat([x.mean(1, keepdim=True).mT[:, :1], *[r[:1, None] for r in {name}]], "
                "1).sum() + x.new_zeros(4)": "row",
                f"{name}[-1] if len({name}) > 0 else x.sum(0)": "row",
            }
        else:
            uses |= {
                f"{name}[0][1] if {name} else 2": "int",
                f"{name}[-1][0] if {name} else x.sum(0)": "row",
                f"sum(n for _, n in {name}) % 7": "int",
            }
        value = self.rng.choice(list(uses))
        kind = uses[value]
        old = scope.assignable(kind)
        target = self.rng.choice(old) if old and self.rng.random() < 0.7 else self.fresh(kind[0])
        value = f"({value}).clamp(-3.0, 3.0)" if kind in ("row", "rows") else value
        self.emit(depth, f"{target} = {value}")
        scope.add(target, kind)

    def _list_collect(self, scope: Scope, depth: int, nesting: int) -> None:
        """A list made by a comprehension."""
        kind = self.rng.choice(_KINDS)
        inner = scope.inner()
        i, row, name = self.fresh("i"), self.fresh("row"), self.fresh(kind[0])
        inner.add(i, "int", fixed=True)
        inner.add(row, "row", fixed=True)
        test = f" if {self.expressions.condition(inner, 1)}" if self.rng.random() < 0.5 else ""
        item = self._item(kind, inner)
        self.emit(depth, f"{name} = [{item} for {i}, {row} in enumerate(x){test}]")
        scope.add(name, kind)

    def _list_loop_over(self, scope: Scope, depth: int, nesting: int) -> None:
        name, kind = self._some(scope, depth, nesting)
        inner = scope.inner(leave=True)
        names = {"list": {"row": "row"}, "ints": {"i": "int"}, "pairs": {"row": "row", "i": "int"}}
        targets = {self.fresh(stem): its for stem, its in names[kind].items()}
        for target, its in targets.items():
            inner.add(target, its, fixed=True)
        # A list may not change while it is looped over: the body does not see it.
        inner.hide(name)
        self.emit(depth, f"for {', '.join(targets)} in {name}:")
        self._body(scope, inner, depth, nesting)

    def _list_dict(self, scope: Scope, depth: int, nesting: int) -> None:
        known = scope.names("dict")
        if not known:
            name = self.fresh("d")
            row = self.expressions.bounded("row", scope, 1)
            self.emit(depth, f"{name} = {{'a': {row}, 'b': x.sum(0)}}")
            scope.add(name, "dict")
            return
        name, key = self.rng.choice(known), self.rng.choice("ab")
        if self.rng.random() < 0.6:
            row = self.expressions.bounded("row", scope, 1)
            self.emit(depth, f"{name}['{key}'] = {row}")
        else:
            target = self.fresh("r")
            self.emit(depth, f"{target} = {name}['{key}'] * 0.5 - {name}.get('a')")
            scope.add(target, "row")
