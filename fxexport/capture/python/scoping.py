"""What a function's syntax binds, and what the compiler does to its names."""

from __future__ import annotations

import ast
from collections.abc import Iterable

__all__ = ["FunctionNode", "FunctionScope", "Mangle", "argument_names", "bound", "contains"]


class Mangle(ast.NodeTransformer):
    """What the compiler does to private names (``__x``) inside a class body."""

    def __init__(self, class_name: str) -> None:
        self._prefix = "_" + class_name.lstrip("_")

    def _mangled(self, name: str) -> str:
        if name.startswith("__") and not name.endswith("__") and "." not in name:
            return self._prefix + name
        return name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._mangled(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        node.attr = self._mangled(node.attr)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._mangled(node.arg)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        self.generic_visit(node)
        if node.arg:
            node.arg = self._mangled(node.arg)
        return node


class _Bound(ast.NodeVisitor):
    """The names that a block binds in its own function."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.outer: set[str] = set()
        self.globals: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, (ast.Store, ast.Del)):
            self.names.add(node.id)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.names.add(node.name)
        for part in (
            *node.decorator_list,
            *node.args.defaults,
            *filter(None, node.args.kw_defaults),
        ):
            self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names.add(node.name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        pass

    def visit_comprehension_scope(self, node: ast.expr) -> None:
        # A walrus inside a comprehension binds in the function around it.
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                self.names.add(inner.target.id)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_comprehension_scope

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.names.add(node.name)
        self.generic_visit(node)

    def _visit_pattern(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self.names.add(node.name)
        self.generic_visit(node)

    visit_MatchAs = visit_MatchStar = _visit_pattern

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.names.add(node.rest)
        self.generic_visit(node)

    def _visit_import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            self.names.add((alias.asname or alias.name).split(".")[0])

    visit_Import = visit_ImportFrom = _visit_import

    def visit_Global(self, node: ast.Global) -> None:
        self.globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.outer.update(node.names)


def bound(nodes: Iterable[ast.AST]) -> _Bound:
    """What some nodes bind in their own function."""
    visitor = _Bound()
    for node in nodes:
        visitor.visit(node)
    return visitor


def argument_names(args: ast.arguments) -> list[str]:
    """The names of all parameters, in order."""
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return [arg.arg for arg in every] + [arg.arg for arg in (args.vararg, args.kwarg) if arg]


def contains(nodes: Iterable[ast.AST], *kinds: type) -> bool:
    """Whether a node of these kinds stands in the same function."""
    for node in nodes:
        if isinstance(node, kinds):
            return True
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        if contains(ast.iter_child_nodes(node), *kinds):
            return True
    return False


def _names_inside(nodes: Iterable[ast.AST]) -> set[str]:
    """The names in the functions that stand in some nodes."""
    functions = [
        inner
        for node in nodes
        for inner in ast.walk(node)
        if isinstance(inner, (ast.FunctionDef, ast.Lambda))
    ]
    return {
        inner.id
        for function in functions
        for inner in ast.walk(function)
        if isinstance(inner, ast.Name)
    }


def _names_rebound_inside(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that functions in some nodes bind although they are not theirs."""
    return {
        name
        for node in nodes
        for inner in ast.walk(node)
        if isinstance(inner, ast.Nonlocal)
        for name in inner.names
    }


FunctionNode = ast.FunctionDef | ast.Lambda


class FunctionScope:
    """What is known of the function being rewritten."""

    def __init__(self, node: FunctionNode) -> None:
        body = node.body if isinstance(node.body, list) else [node.body]
        names_bound = bound(body)
        self.first = next(iter(argument_names(node.args)), None)
        self.globals = names_bound.globals
        self.locals = (
            (names_bound.names | set(argument_names(node.args)))
            - names_bound.globals
            - names_bound.outer
        )
        self.outer = names_bound.outer
        self.captured = _names_inside(body) & self.locals
        self.rebound = _names_rebound_inside(body) & self.locals
        self.generator = contains(body, ast.Yield, ast.YieldFrom, ast.Await)
        self.staged: set[str] = set()
        self._counter = 0

    def fresh(self, stem: str) -> str:
        """A name that nothing else in the function has."""
        self._counter += 1
        return f"_fx_{stem}_{self._counter}"
