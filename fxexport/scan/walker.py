"""Follows a function from statement to statement, and the functions that it calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from fxexport.scan.hints import hints_at
from fxexport.scan.index import Definition, Index, dotted
from fxexport.scan.kinds import Comprehension, Kinds, largest, of_parameter
from fxexport.scan.model import Called, Decides, Hint, Site, Step

__all__ = ["Walker"]

_DEEPEST = 12
"""How many calls are followed into each other."""

_Result = tuple[tuple[Step, ...], Decides]
_Key = tuple[int, tuple[Decides, ...]]


class Walker:
    """Follows functions, each once for each kind of arguments.

    Attributes:
        hints: what an export would refuse in what was followed.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self.hints: list[Hint] = []
        self._done: dict[_Key, _Result] = {}
        self._open: list[int] = []

    def follow(
        self, definition: Definition, given: Sequence[Decides] | None = None
    ) -> tuple[tuple[Step, ...], Decides]:
        """What a function does, and what its result hangs on.

        Args:
            definition: the function.
            given: what its parameters hold; None to go by how they are declared.
        """
        variables = _parameters(definition, given)
        key = (id(definition.node), tuple(variables.values()))
        if key not in self._done:
            self._open.append(id(definition.node))
            self._done[key] = _Function(self, definition, variables).result()
            self._open.pop()
        return self._done[key]

    def may_follow(self, definition: Definition) -> bool:
        """Whether a call is followed: no recursion, and not too deep."""
        return id(definition.node) not in self._open and len(self._open) < _DEEPEST

    def is_open(self, definition: Definition) -> bool:
        """Whether a function is being followed: a call of it is recursion."""
        return id(definition.node) in self._open

    def hint(self, hint: Hint) -> None:
        """Notes what an export would refuse."""
        if hint not in self.hints:
            self.hints.append(hint)


def _parameters(definition: Definition, given: Sequence[Decides] | None) -> dict[str, Decides]:
    arguments = definition.node.args
    names = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(names) - len(arguments.defaults)) + list(arguments.defaults)
    named = [*zip(names, defaults, strict=True)]
    named += [*zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    own = definition.owner is not None
    forward = definition.node.name == "forward"
    found = {
        each.arg: of_parameter(each.annotation, default, of_forward=forward)
        for each, default in named
    }
    if own and names:
        found[names[0].arg] = Decides.CONFIGURATION
    for name, kind in zip(list(found)[own:], given or (), strict=False):
        found[name] = kind
    for rest in (arguments.vararg, arguments.kwarg):
        if rest is not None:
            found[rest.arg] = Decides.VALUES if forward else Decides.UNKNOWN
    return found


class _Function:
    """One function, followed with one kind of arguments."""

    def __init__(
        self, walker: Walker, definition: Definition, variables: dict[str, Decides]
    ) -> None:
        self._walker = walker
        self._definition = definition
        self._file = definition.file
        owner = definition.owner
        tensors = set() if owner is None else walker.index.tensors_of(self._file, owner)
        self._kinds = Kinds(variables, tensors, self._result_of_call)
        self._calls: list[Step] = []
        self._returned = [Decides.CONFIGURATION]

    def result(self) -> tuple[tuple[Step, ...], Decides]:
        steps = tuple(self._body(self._definition.node.body))
        return steps, largest(self._returned)

    def _body(self, statements: Sequence[ast.stmt]) -> Iterator[Step]:
        for node in statements:
            yield from self._statement(node)

    def _statement(self, node: ast.stmt) -> Iterator[Step]:
        for hint in hints_at(node, self._kinds, self._file):
            self._walker.hint(hint)
        if isinstance(node, ast.If):
            yield from self._if(node)
        elif isinstance(node, ast.While):
            yield from self._expressions(node.test)
            yield self._loop(node, "while", self._kinds.of(node.test))
        elif isinstance(node, ast.For | ast.AsyncFor):
            yield from self._expressions(node.iter)
            count = self._kinds.number_of_items(node.iter)
            self._kinds.assign_items(node.target, node.iter)
            yield self._loop(node, "for", count)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                yield from self._expressions(item.context_expr)
            yield from self._body(node.body)
        elif isinstance(node, ast.Try):
            parts = [node.body, *(one.body for one in node.handlers), node.orelse, node.finalbody]
            for part in parts:
                yield from self._body(part)
        elif isinstance(node, ast.Match):
            arms = [
                (ast.unparse(case.pattern), tuple(self._body(case.body))) for case in node.cases
            ]
            yield self._site("match", node, self._kinds.of(node.subject), arms)
        elif isinstance(node, ast.Assert):
            yield from self._expressions(node.test)
            yield self._site("assert", node, self._kinds.of(node.test))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from self._simple(node)

    def _simple(self, node: ast.stmt) -> Iterator[Step]:
        """A statement without a body: what its expressions do, then what it assigns."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from self._expressions(child)
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._kinds.assign(target, self._kinds.of(value))
        elif isinstance(node, ast.AnnAssign) and value is not None:
            self._kinds.assign(node.target, self._kinds.of(value))
        elif isinstance(node, ast.AugAssign):
            self._kinds.assign(
                node.target, largest((self._kinds.of(node.target), self._kinds.of(value)))
            )
        elif isinstance(node, ast.Return):
            self._returned.append(self._kinds.of(value))

    def _if(self, node: ast.If) -> Iterator[Step]:
        yield from self._expressions(node.test)
        decides = self._kinds.of(node.test)
        before = dict(self._kinds.variables)
        then = tuple(self._body(node.body))
        after = self._kinds.variables
        self._kinds.variables = before
        other = tuple(self._body(node.orelse))
        self._kinds.merge(after)
        yield self._site("if", node, decides, [("then", then), ("else", other)])

    def _loop(self, node: ast.While | ast.For | ast.AsyncFor, kind: str, count: Decides) -> Site:
        tuple(self._body(node.body))  # once for what variables hold in later iterations
        if isinstance(node, ast.While):
            count = self._kinds.of(node.test)
        body = tuple(self._body(node.body))
        arms = [("body", body)]
        if node.orelse:
            arms.append(("else", tuple(self._body(node.orelse))))
        return self._site(kind, node, count, arms)

    def _expressions(self, node: ast.expr) -> Iterator[Step]:
        """The sites inside of an expression, and the calls that are followed."""
        for child in ast.walk(node):
            if isinstance(child, ast.IfExp):
                yield self._site("conditional", child, self._kinds.of(child.test))
            elif isinstance(child, Comprehension):
                inner = self._kinds.inside(child)
                tests = [test for generator in child.generators for test in generator.ifs]
                if tests:
                    decides = largest(map(inner.of, tests))
                    yield self._site("comprehension", child, decides)
            elif isinstance(child, ast.Call):
                yield from self._followed(child)

    def _followed(self, call: ast.Call) -> Iterator[Step]:
        definition = self._definition_of(call)
        if definition is None or not self._walker.may_follow(definition):
            return
        steps, _ = self._walker.follow(definition, self._given(call, definition))
        if steps:
            node = definition.node
            yield Called(dotted(call.func), definition.file.path, node.lineno, steps)

    def _result_of_call(self, call: ast.Call) -> Decides | None:
        definition = self._definition_of(call)
        if definition is None or not self._walker.may_follow(definition):
            return None
        return self._walker.follow(definition, self._given(call, definition))[1]

    def _given(self, call: ast.Call, definition: Definition) -> list[Decides] | None:
        """What the parameters hold in a call; None where stars hide it."""
        if any(isinstance(each, ast.Starred) for each in call.args):
            return None
        if any(keyword.arg is None for keyword in call.keywords):
            return None
        declared = _parameters(definition, None)
        own = definition.owner is not None
        names = list(declared)[own:]
        found = {name: declared[name] for name in names}
        for name, value in zip(names, call.args, strict=False):
            found[name] = self._kinds.of(value)
        for keyword in call.keywords:
            if keyword.arg in found:
                found[keyword.arg] = self._kinds.of(keyword.value)
        return list(found.values())

    def _definition_of(self, call: ast.Call) -> Definition | None:
        """The function that a call runs, where it is among the files."""
        name = dotted(call.func)
        owner = self._definition.owner
        if name.startswith("self.") and name.count(".") == 1 and owner is not None:
            return self._walker.index.method(self._file, owner, name.removeprefix("self."))
        return self._walker.index.function(self._file, name) if name else None

    def _site(
        self,
        kind: str,
        node: ast.stmt | ast.expr,
        decides: Decides,
        arms: Sequence[tuple[str, tuple[Step, ...]]] = (),
    ) -> Site:
        line = node.lineno
        return Site(kind, line, node.col_offset + 1, self._file.code(line), decides, tuple(arms))
