"""Rewrites expressions: logic, comparisons, calls, subscripts, displays, comprehensions."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, Literal, cast

from fxexport.capture.python.new_nodes import constant, function, load, names_tuple, operator_call
from fxexport.capture.python.scoping import FunctionScope, bound, contains

__all__ = ["ExpressionRewriter"]

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


_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
# The shape of a target: None for one name, a tuple for several.
_Structure = tuple["_Structure", ...] | None


class ExpressionRewriter(ast.NodeTransformer):
    """Rewrites the expressions of one function.

    Attributes:
        scope: what is known of the function.
        hoisted: definitions that the statement which is being rewritten needs before it.
        moving: names that comprehensions around the expression bind.
    """

    def __init__(self, scope: FunctionScope) -> None:
        self.scope = scope
        self.hoisted: list[ast.stmt] = []
        self.moving: frozenset[str] = frozenset()

    def visit(self, node: ast.AST) -> Any:
        """Notes what a comprehension binds while its parts are rewritten."""
        if not isinstance(node, _Comprehension):
            return super().visit(node)
        around = self.moving
        targets = [name for part in node.generators for name in _target_names(part.target)]
        self.moving = around | frozenset(targets)
        try:
            return super().visit(node)
        finally:
            self.moving = around

    def closure(
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

    def thunk(self, body: ast.expr, like: ast.AST) -> ast.expr:
        """A thunk for an expression; a def before the statement where it binds a name."""
        if contains([body], ast.NamedExpr):
            name = self.scope.fresh("thunk")
            node = self.closure(name, [ast.copy_location(ast.Return(body), like)], like)
            self.hoisted.append(node)
            return load(name, like)
        template = ast.parse("lambda: 0", mode="eval").body
        assert isinstance(template, ast.Lambda)
        template.body = body
        ast.copy_location(template.args, like)
        return ast.copy_location(template, like)

    def bindings(self, nodes: Iterable[ast.AST]) -> list[str]:
        visitor = bound(nodes)
        return sorted((visitor.names | visitor.outer) & (self.scope.locals | self.scope.outer))

    def bound_globals(self, nodes: Iterable[ast.AST]) -> list[str]:
        return sorted(bound(nodes).names & self.scope.globals)

    def index(self, index: ast.expr) -> ast.expr:
        """A subscript as an ordinary expression: slices become slice objects."""
        if isinstance(index, ast.Slice):
            parts: list[ast.expr] = [
                self.visit(part) if part else constant(None, index)
                for part in (index.lower, index.upper, index.step)
            ]
            return operator_call("slice", parts, index)
        if isinstance(index, ast.Tuple):
            elements = [self.index(element) for element in index.elts]
            return ast.copy_location(ast.Tuple(elements, ast.Load()), index)
        visited: ast.expr = self.visit(index)
        return visited

    # -- expressions ---------------------------------------------------------------------------

    def read(self, name: str, like: ast.AST) -> ast.expr:
        value = load(name, like)
        return operator_call("read", [value], like) if name in self.scope.staged else value

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load):
            return self.read(node.id, node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            if self.scope.first is not None:
                node.args = [load("__class__", node), load(self.scope.first, node)]
            return node
        if isinstance(node.func, ast.Name) and node.func.id in ("locals", "breakpoint"):
            return node
        if isinstance(node.func, ast.Name) and node.func.id in _OF_THE_FRAME:
            node.args = [self.visit(arg) for arg in node.args]
            return node
        spreads = any(keyword.arg is None for keyword in node.keywords)
        name = "call_with_keys" if spreads else "call"
        given = [self.visit(node.func)]
        if any(isinstance(arg, ast.Starred) for arg in node.args):
            name = "call_with_stars"
            given.append(constant(spreads, node.func))
        function = operator_call(name, given, node.func)
        node.args = [self.visit(arg) for arg in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
            if keyword.arg is None:
                keyword.value = operator_call("keys_given", [keyword.value], keyword.value)
        node.func = function
        return node

    def test(self, node: ast.expr) -> ast.expr:
        """An expression of which only the truth matters."""
        if isinstance(node, ast.BoolOp):
            name = "and_" if isinstance(node.op, ast.And) else "or_"
            thunks = [self.thunk(self.test(value), value) for value in node.values]
            return operator_call(name, thunks, node, decides=node)
        visited: ast.expr = self.visit(node)
        return visited

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        name = "and_value" if isinstance(node.op, ast.And) else "or_value"
        thunks = [self.thunk(self.visit(value), value) for value in node.values]
        return operator_call(name, thunks, node, decides=node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Not):
            return operator_call("not_", [self.test(node.operand)], node)
        operand = self.visit(node.operand)
        if isinstance(node.op, (ast.Invert, ast.UAdd)):
            return operator_call("unary", [constant(type(node.op).__name__, node), operand], node)
        node.operand = operator_call("number", [operand], node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        # A symbolic bool is no number to PyTorch: arithmetic on it would decide it.
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
            symbol = constant(type(node.op).__name__, node)
            return operator_call("bitwise", [symbol, left, right], node)
        if isinstance(node.op, (ast.Mult, ast.Add)):
            name = "multiply" if isinstance(node.op, ast.Mult) else "add"
            return operator_call(name, [left, right], node)
        if isinstance(node.op, ast.Mod) and _is_text(left):
            return operator_call("percent", [left, right], node)
        symbol = constant(type(node.op).__name__, node)
        return operator_call("binary", [symbol, left, right], node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        test = self.test(node.test)
        thunks = [self.thunk(self.visit(part), part) for part in (node.body, node.orelse)]
        names = names_tuple(self.bindings([node.body, node.orelse]), node)
        return operator_call("if_exp", [test, *thunks, names], node, decides=node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        left = self.visit(node.left)
        others = [self.visit(other) for other in node.comparators]
        if len(others) == 1:
            name = _COMPARE.get(type(node.ops[0]))
            if name is None:
                symbol = constant(_CHAIN[type(node.ops[0])], node)
                return operator_call("order", [symbol, left, others[0]], node)
            return operator_call(name, [left, others[0]], node)
        symbols = names_tuple([_CHAIN[type(op)] for op in node.ops], node)
        thunks = [self.thunk(other, node) for other in others]
        return operator_call("chain", [symbols, left, *thunks], node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if isinstance(node.ctx, ast.Load):
            return operator_call("get_item", [self.visit(node.value), self.index(node.slice)], node)
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.IfExp) and isinstance(node.ctx, ast.Load):
            return cast("ast.AST", self.visit(_of_each_side(node, node.value)))
        node.value = self.visit(node.value)
        if isinstance(node.ctx, ast.Load):
            name = constant(node.attr, node)
            return operator_call("get_attr", [node.value, name], node)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        if not any(isinstance(value, ast.FormattedValue) for value in node.values):
            return node
        return operator_call("text", [self.visit(value) for value in node.values], node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        spec = constant(None, node) if node.format_spec is None else self.visit(node.format_spec)
        parts = [self.visit(node.value), constant(node.conversion, node), spec]
        return ast.copy_location(ast.Tuple(parts, ast.Load()), node)

    def visit_Starred(self, node: ast.Starred) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = operator_call("starred", [node.value], node)
        return node

    def _display(self, node: ast.List | ast.Dict | ast.Set) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node, ast.Dict):
            node.values = [
                value if key is not None else operator_call("mapping", [value], value)
                for key, value in zip(node.keys, node.values, strict=True)
            ]
        if isinstance(getattr(node, "ctx", None), ast.Store):
            return node
        return operator_call("fresh", [node], node)

    visit_List = visit_Dict = visit_Set = _display

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        """Loops and ifs that fill a list: whatever is dynamic in them is staged."""
        structures = [_structure(generator.target) for generator in node.generators]
        awkward = False in structures or any(g.is_async for g in node.generators)
        if awkward or contains([node], ast.NamedExpr) or _keeps_functions(node):
            return self._comprehension(node)
        name = self.scope.fresh("list")
        body = operator_call("comp_add", [load(name, node), self.visit(node.elt)], node)
        for generator, structure in zip(
            reversed(node.generators), reversed(structures), strict=True
        ):
            for test in reversed(generator.ifs):
                then = function("", body, node)
                body = operator_call("comp_if", [self.test(test), then], test, decides=test)
            names = _arguments(_target_names(generator.target))
            shape = constant(structure, node)
            args = [self.visit(generator.iter), function(names, body, node), shape]
            body = operator_call("comp_for", args, node)
        return operator_call("list_comp", [function(name, body, node)], node)

    def _comprehension(self, node: _Comprehension) -> ast.expr:
        # The loop stays Python's; a condition or an iterable that is dynamic is refused there.
        for generator in node.generators:
            generator.iter = operator_call("iterate", [self.visit(generator.iter)], node)
            generator.ifs = [
                operator_call("truth", [self.test(test)], test) for test in generator.ifs
            ]
        for name in ("elt", "key", "value"):
            if hasattr(node, name):
                setattr(node, name, self.visit(getattr(node, name)))
        if isinstance(node, ast.GeneratorExp):
            return node
        return operator_call("fresh", [node], node)

    visit_SetComp = visit_DictComp = _comprehension

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        """A generator over one thing, which any(), sum() and kin can loop over if it is dynamic."""
        (first, *more) = node.generators
        if more or first.is_async or not isinstance(first.target, (ast.Name, ast.Tuple)):
            return self._comprehension(node)
        names = [first.target] if isinstance(first.target, ast.Name) else first.target.elts
        if not all(isinstance(name, ast.Name) for name in names) or contains(
            [node.elt, *first.ifs], ast.NamedExpr
        ):
            return self._comprehension(node)
        text = _arguments([name.id for name in names if isinstance(name, ast.Name)])
        several = constant(isinstance(first.target, ast.Tuple), node)
        args = [self.visit(first.iter), function(text, self.visit(node.elt), node), several]
        if first.ifs:
            tests = [self.thunk(self.test(test), test) for test in first.ifs]
            args.append(function(text, operator_call("and_", tests, node), node))
        return operator_call("generator", args, node)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _of_each_side(node: ast.Attribute, choice: ast.IfExp) -> ast.IfExp:
    """``(a if c else b).name`` as ``a.name if c else b.name``: the object itself is asked.

    ``(old if c else new).append(x)`` then changes the list that has other names.
    """
    choice.body, choice.orelse = (
        ast.copy_location(ast.Attribute(side, node.attr, ast.Load()), node)
        for side in (choice.body, choice.orelse)
    )
    return choice


# Builtins that look at the frame that calls them (`nms_op = eval(name)`).
_OF_THE_FRAME = frozenset({"eval", "exec", "globals"})
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


def _structure(target: ast.expr) -> _Structure | Literal[False]:
    """None for a name, a nested tuple for several, False for anything else."""
    if isinstance(target, ast.Name):
        return None
    if not isinstance(target, (ast.Tuple, ast.List)):
        return False
    parts: list[_Structure] = []
    for part in map(_structure, target.elts):
        if part is False:
            return False
        parts.append(part)
    return tuple(parts)


def _arguments(names: list[str]) -> str:
    """Names as arguments of a lambda; of equal ones, as in ``for _, _ in``, the last one counts."""
    last = {name: k for k, name in enumerate(names)}
    return ", ".join(n if last[n] == k else f"_fx_unused_{k}" for k, n in enumerate(names))


def _target_names(target: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
