"""Rewrites expressions: logic, comparisons, calls, subscripts, displays, comprehensions."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any

from fxexport.capture.scoping import Scope, bound, contains

__all__ = ["RUNTIME", "Expressions"]

RUNTIME = "_fx_"
_COMPARE = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.In: "contains",
    ast.NotIn: "lacks",
    ast.Is: "is_",
    ast.IsNot: "is_not",
}
_CHAIN = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
}


class Expressions(ast.NodeTransformer):
    """The part of the rewriter that works on expressions, and makes the nodes of its output."""

    def __init__(self) -> None:
        self.scope: Scope = None  # type: ignore[assignment]
        self.hoisted: list[ast.stmt] = []

    # -- new nodes -----------------------------------------------------------------------------

    def _fresh(self, stem: str) -> str:
        self.scope.counter += 1
        return f"_fx_{stem}_{self.scope.counter}"

    def _closure(
        self, name: str, body: list[ast.stmt], like: ast.AST, argument: str | None = None
    ) -> ast.FunctionDef:
        """A nested function that shares this function's variables."""
        visitor = bound(body)
        own = (visitor.names | visitor.outer) & (self.scope.locals | self.scope.outer)
        prologue: list[ast.stmt] = []
        if own:
            prologue.append(ast.Nonlocal(sorted(own)))
        globals_ = visitor.names & self.scope.globals
        if globals_:
            prologue.append(ast.Global(sorted(globals_)))
        template = ast.parse(f"def {name}({argument or ''}): pass").body[0]
        assert isinstance(template, ast.FunctionDef)
        template.body = [
            *prologue,
            *[s for s in body if not isinstance(s, (ast.Nonlocal, ast.Global))],
        ]
        template.body = template.body or [ast.Pass()]
        for inner in (template, template.args, *template.args.args, *template.body):
            if not hasattr(inner, "lineno") or inner is template or inner in template.args.args:
                ast.copy_location(inner, like)
        return template

    def _operator(self, name: str, args: Sequence[ast.expr], like: ast.AST) -> ast.Call:
        function = ast.Attribute(ast.Name(RUNTIME, ast.Load()), name, ast.Load())
        call = ast.Call(function, list(args), [])
        for inner in (function.value, function, call):
            ast.copy_location(inner, like)
            # A call that spans lines would be reported at its last one.
            inner.end_lineno, inner.end_col_offset = inner.lineno, inner.col_offset
        return call

    def _names(self, names: Iterable[str], like: ast.AST) -> ast.expr:
        elements: list[ast.expr] = [ast.copy_location(ast.Constant(name), like) for name in names]
        return ast.copy_location(ast.Tuple(elements, ast.Load()), like)

    def _load(self, name: str, like: ast.AST) -> ast.expr:
        return ast.copy_location(ast.Name(name, ast.Load()), like)

    def _lambda(self, body: ast.expr, like: ast.AST) -> ast.expr:
        """A thunk for an expression; a def before the statement where it binds a name."""
        if contains([body], ast.NamedExpr):
            name = self._fresh("thunk")
            node = self._closure(name, [ast.copy_location(ast.Return(body), like)], like)
            self.hoisted.append(node)
            return self._load(name, like)
        template = ast.parse("lambda: 0", mode="eval").body
        assert isinstance(template, ast.Lambda)
        template.body = body
        ast.copy_location(template.args, like)
        return ast.copy_location(template, like)

    def _bindings(self, nodes: Iterable[ast.AST]) -> list[str]:
        visitor = bound(nodes)
        return sorted((visitor.names | visitor.outer) & (self.scope.locals | self.scope.outer))

    def _globalsbound(self, nodes: Iterable[ast.AST]) -> list[str]:
        return sorted(bound(nodes).names & self.scope.globals)

    def _index(self, index: ast.expr) -> ast.expr:
        """A subscript as an ordinary expression: slices become slice objects."""
        if isinstance(index, ast.Slice):
            parts: list[ast.expr] = [
                self.visit(part) if part else ast.copy_location(ast.Constant(None), index)
                for part in (index.lower, index.upper, index.step)
            ]
            return self._operator("slice", parts, index)
        if isinstance(index, ast.Tuple):
            elements = [self._index(element) for element in index.elts]
            return ast.copy_location(ast.Tuple(elements, ast.Load()), index)
        visited: ast.expr = self.visit(index)
        return visited

    # -- expressions ---------------------------------------------------------------------------

    def _read(self, name: str, like: ast.AST) -> ast.expr:
        load = self._load(name, like)
        if name in self.scope.staged:
            return self._operator("read", [load], like)
        return load

    def visit_Name(self, node: ast.Name) -> Any:
        if isinstance(node.ctx, ast.Load):
            return self._read(node.id, node)
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            if self.scope.first is not None:
                node.args = [self._load("__class__", node), self._load(self.scope.first, node)]
            return node
        if isinstance(node.func, ast.Name) and node.func.id in ("locals", "breakpoint"):
            return node
        spreads = any(keyword.arg is None for keyword in node.keywords)
        name = "call_with_keys" if spreads else "call"
        function = self._operator(name, [self.visit(node.func)], node.func)
        node.args = [self.visit(arg) for arg in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
            if keyword.arg is None:
                keyword.value = self._operator("keys_given", [keyword.value], keyword.value)
        node.func = function
        return node

    def _test(self, node: ast.expr) -> Any:
        """An expression of which only the truth matters."""
        if isinstance(node, ast.BoolOp):
            name = "and_" if isinstance(node.op, ast.And) else "or_"
            thunks = [self._lambda(self._test(value), value) for value in node.values]
            return self._operator(name, thunks, node)
        return self.visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        name = "and_value" if isinstance(node.op, ast.And) else "or_value"
        thunks = [self._lambda(self.visit(value), value) for value in node.values]
        return self._operator(name, thunks, node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Not):
            return self._operator("not_", [self._test(node.operand)], node)
        node.operand = self._operator("number", [self.visit(node.operand)], node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        # A symbolic bool is no number to PyTorch: arithmetic on it would decide it.
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
            symbol = ast.copy_location(ast.Constant(type(node.op).__name__), node)
            return self._operator("bitwise", [symbol, left, right], node)
        if isinstance(node.op, (ast.Mult, ast.Add)):
            name = "multiply" if isinstance(node.op, ast.Mult) else "add"
            return self._operator(name, [left, right], node)
        node.left, node.right = self._number(left), self._number(right)
        if isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant):
            node.right = right if isinstance(node.left.value, str) else node.right
        return node

    def _number(self, node: ast.expr) -> ast.expr:
        return node if isinstance(node, ast.Constant) else self._operator("number", [node], node)

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        test = self._test(node.test)
        thunks = [self._lambda(self.visit(part), part) for part in (node.body, node.orelse)]
        names = self._names(self._bindings([node.body, node.orelse]), node)
        return self._operator("if_exp", [test, *thunks, names], node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        left = self.visit(node.left)
        others = [self.visit(other) for other in node.comparators]
        if len(others) == 1:
            name = _COMPARE.get(type(node.ops[0]))
            if name is None:
                node.left, node.comparators = left, others
                return node
            return self._operator(name, [left, others[0]], node)
        symbols = self._names([_CHAIN[type(op)] for op in node.ops], node)
        thunks = [self._lambda(other, node) for other in others]
        return self._operator("chain", [symbols, left, *thunks], node)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        if isinstance(node.ctx, ast.Load):
            return self._operator(
                "get_item", [self.visit(node.value), self._index(node.slice)], node
            )
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        node.value = self.visit(node.value)
        if isinstance(node.ctx, ast.Load):
            name = ast.copy_location(ast.Constant(node.attr), node)
            return self._operator("get_attr", [node.value, name], node)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> Any:
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                self.visit_FormattedValue(value)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> Any:
        node.value = self._operator("formatted", [self.visit(node.value)], node)
        if node.format_spec is not None:
            self.visit_JoinedStr(node.format_spec)  # type: ignore[arg-type]
        return node

    def visit_Starred(self, node: ast.Starred) -> Any:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = self._operator("starred", [node.value], node)
        return node

    def _display(self, node: Any) -> Any:
        self.generic_visit(node)
        if isinstance(node, ast.Dict):
            node.values = [
                value if key is not None else self._operator("mapping", [value], value)
                for key, value in zip(node.keys, node.values, strict=True)
            ]
        if isinstance(getattr(node, "ctx", None), ast.Store):
            return node
        return self._operator("fresh", [node], node)

    visit_List = visit_Dict = visit_Set = _display

    def visit_ListComp(self, node: ast.ListComp) -> Any:
        """Loops and ifs that fill a list: whatever is dynamic in them is staged."""
        structures = [_structure(generator.target) for generator in node.generators]
        awkward = False in structures or any(g.is_async for g in node.generators)
        if awkward or contains([node], ast.NamedExpr) or _keeps_functions(node):
            return self._comprehension(node)
        name = self._fresh("list")
        body = self._operator("comp_add", [self._load(name, node), self.visit(node.elt)], node)
        for generator, structure in zip(
            reversed(node.generators), reversed(structures), strict=True
        ):
            for test in reversed(generator.ifs):
                then = self._function("", body, node)
                body = self._operator("comp_if", [self._test(test), then], test)
            names = _arguments(_target_names(generator.target))
            shape = ast.copy_location(ast.Constant(structure), node)
            args = [self.visit(generator.iter), self._function(names, body, node), shape]
            body = self._operator("comp_for", args, node)
        return self._operator("list_comp", [self._function(name, body, node)], node)

    def _function(self, arguments: str, body: ast.expr, like: ast.AST) -> ast.expr:
        """A lambda with these argument names."""
        template = ast.parse(f"lambda {arguments}: 0", mode="eval").body
        assert isinstance(template, ast.Lambda)
        template.body = body
        for inner in (template, template.args, *template.args.args):
            ast.copy_location(inner, like)
        return template

    def _comprehension(self, node: Any) -> Any:
        # The loop stays Python's; a condition or an iterable that is dynamic is refused there.
        for generator in node.generators:
            generator.iter = self._operator("iterate", [self.visit(generator.iter)], node)
            generator.ifs = [
                self._operator("truth", [self._test(test)], test) for test in generator.ifs
            ]
        for name in ("elt", "key", "value"):
            if hasattr(node, name):
                setattr(node, name, self.visit(getattr(node, name)))
        if isinstance(node, ast.GeneratorExp):
            return self._generator(node)
        return self._operator("fresh", [node], node)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _generator(self, node: ast.GeneratorExp) -> Any:
        """A generator over one thing, which any(), sum() and kin can loop over if it is dynamic."""
        (first, *more) = node.generators
        if more or first.ifs or not isinstance(first.target, (ast.Name, ast.Tuple)):
            return node
        names = [first.target] if isinstance(first.target, ast.Name) else first.target.elts
        if not all(isinstance(name, ast.Name) for name in names) or contains(
            [node.elt], ast.NamedExpr
        ):
            return node
        text = _arguments([name.id for name in names if isinstance(name, ast.Name)])
        element = self._function(text, node.elt, node)
        assert isinstance(first.iter, ast.Call)
        several = ast.copy_location(ast.Constant(isinstance(first.target, ast.Tuple)), node)
        source = first.iter.args[0]  # without the `iterate` around it
        return self._operator("generator", [source, element, several], node)


# Functions that are done with a generator, or with a key, when they return.
_CONSUMERS = frozenset(
    ["sum", "any", "all", "min", "max", "list", "tuple", "set", "sorted", "dict"]
)


def _keeps_functions(node: ast.ListComp) -> bool:
    """Whether functions made in a comprehension may be called when its variables have moved on.

    They see the variables' last values, which lambdas here would not give. The first iterable is
    evaluated outside.
    """
    queue: list[ast.AST] = [node.elt, *node.generators[1:], *node.generators[0].ifs]
    while queue:
        part = queue.pop()
        if isinstance(part, (ast.Lambda, ast.GeneratorExp)):
            return True
        inner = list(ast.iter_child_nodes(part))
        if isinstance(part, ast.Call) and getattr(part.func, "id", None) in _CONSUMERS:
            taken = [*part.args, *(keyword.value for keyword in part.keywords)]
            functions = [f for f in taken if isinstance(f, (ast.Lambda, ast.GeneratorExp))]
            inner = [i for i in inner if getattr(i, "value", i) not in functions]
            for function in functions:
                inner.extend(ast.iter_child_nodes(function))
        queue.extend(inner)
    return False


def _structure(target: ast.expr) -> Any:
    """None for a name, a nested tuple for several, False for anything else."""
    if isinstance(target, ast.Name):
        return None
    if not isinstance(target, (ast.Tuple, ast.List)):
        return False
    parts = tuple(_structure(part) for part in target.elts)
    return False if False in parts else parts


def _arguments(names: list[str]) -> str:
    """Names as arguments of a lambda; of equal ones, as in ``for _, _ in``, the last one counts."""
    last = {name: k for k, name in enumerate(names)}
    return ", ".join(n if last[n] == k else f"_fx_unused_{k}" for k, n in enumerate(names))


def _target_names(target: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
