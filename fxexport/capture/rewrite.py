"""Rewrites a function's syntax so that what may depend on tensors or sizes asks us.

`if`, `while` and `for` become calls of operators on closures; and, or, not, comparisons, calls,
conditional expressions and stores go through operators too. The result is compiled under the
user's file name with the user's line numbers, so tracebacks and reports name the user's code.

All operators are methods of one object, a free variable called ``_fx_`` in the new function.
Closures read and write the function's variables through ``nonlocal``; the operators reach the
same variables through the closures' cells.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any

from fxexport.capture.expressions import RUNTIME, Expressions
from fxexport.capture.jumps import always_raises, lower_jumps
from fxexport.capture.scoping import Mangle, Scope, argument_names, bound, contains

__all__ = ["RUNTIME", "rewrite_function"]


def rewrite_function(
    node: ast.FunctionDef | ast.Lambda, class_name: str | None
) -> ast.FunctionDef | ast.Lambda:
    """Returns the rewritten function (a new tree).

    Args:
        node: the function as parsed.
        class_name: the class whose body it stands in, for private names; None outside classes.
    """
    node = copy.deepcopy(node)
    if class_name is not None:
        node = Mangle(class_name).visit(node)
    rewritten = _Rewriter().function(node, top=True)
    return ast.fix_missing_locations(rewritten)


def _exception_names(handler: ast.ExceptHandler) -> str:
    """What a handler catches, as text; empty for everything."""
    return ast.unparse(handler.type) if handler.type is not None else ""


class _Rewriter(Expressions):
    # -- functions -----------------------------------------------------------------------------

    def function(self, node: Any, top: bool = False) -> Any:
        outer, outer_hoisted = self.scope, self.hoisted
        self.scope, self.hoisted = Scope(node), []
        try:
            self._strip_signature(node, top)
            if isinstance(node, ast.Lambda):
                self.scope.staged = set()
                node.body = self.visit(node.body)
                return node
            if not self.scope.generator:
                node.body = lower_jumps(node.body)
            # Flags of lowered jumps are variables like any other.
            self.scope.locals |= {n for n in bound(node.body).names if n.startswith("_fx_")}
            self.scope.staged = self._staged_names(node.body)
            body = self.block(node.body)
            node.body = [
                *self._declarations(node),
                *self._entry(node),
                *self._outer_writes(node),
                *body,
            ]
            return node
        finally:
            self.scope, self.hoisted = outer, outer_hoisted

    def _strip_signature(self, node: Any, top: bool) -> None:
        """Annotations are never evaluated; the outer function's defaults are kept by its maker."""
        args = node.args
        for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]:
            if arg is not None:
                arg.annotation = None
        if hasattr(node, "returns"):
            node.returns = None
        if getattr(node, "type_params", None):
            node.type_params = []
        if top:
            none = ast.copy_location(ast.Constant(None), node)
            args.defaults = [none for _ in args.defaults]
            args.kw_defaults = [default and none for default in args.kw_defaults]
            if not isinstance(node, ast.Lambda):
                node.decorator_list = []

    def _staged_names(self, body: Sequence[ast.stmt]) -> set[str]:
        """Names that an if or a loop may bind: reading them may find a value that has no join."""
        names: set[str] = set()
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, (ast.If, ast.For, ast.While)):
                    names |= bound([node]).names
        return (names & self.scope.locals) | (names & self.scope.outer)

    def _declarations(self, node: Any) -> list[ast.stmt]:
        """Makes every local a variable of this function, whichever closure binds it."""
        bound_here = set(argument_names(node.args))
        names = sorted(self.scope.locals - bound_here)
        if not names:
            return []
        targets = ", ".join(names)
        text = f"if False:\n    {targets} = " + ", ".join("None" for _ in names)
        declaration = ast.parse(text).body[0]
        for inner in ast.walk(declaration):
            ast.copy_location(inner, node)
        return [declaration]

    def _entry(self, node: Any) -> list[ast.stmt]:
        """Says that the variables which ifs and loops bind are new at each call."""
        names = sorted(self.scope.staged & self.scope.locals)
        if not names:
            return []
        call = self._operator("entered", [self._reader(names, node)], node)
        return [ast.copy_location(ast.Expr(call), node)]

    def _outer_writes(self, node: Any) -> list[ast.stmt]:
        """Says which variables of other functions this one may write."""
        if not self.scope.outer and not self.scope.globals:
            return []
        reader = self._reader(sorted(self.scope.outer), node)
        call = self._operator(
            "outer_writes", [reader, self._names(sorted(self.scope.globals), node)], node
        )
        return [ast.copy_location(ast.Expr(call), node)]

    def _reader(self, names: Sequence[str], like: ast.AST) -> ast.expr:
        """A lambda, never called, whose closure holds the cells of some variables."""
        loads: list[ast.expr] = [self._load(name, like) for name in names]
        return self._lambda(ast.copy_location(ast.Tuple(loads, ast.Load()), like), like)

    # -- statements ----------------------------------------------------------------------------

    def block(self, block: Sequence[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in block:
            saved, self.hoisted = self.hoisted, []
            result = self.visit(statement)
            out.extend(self.hoisted)
            self.hoisted = saved
            if isinstance(result, list):
                out.extend(result)
            elif result is not None:
                out.append(result)
        return out

    def _stays(self, node: ast.stmt) -> bool:
        """Whether a generator's statement stays as it is: no closure can yield or jump for it."""
        return self.scope.generator and contains(
            [node], ast.Yield, ast.YieldFrom, ast.Await, ast.Return, ast.Break, ast.Continue
        )

    def visit_If(self, node: ast.If) -> Any:
        if self._stays(node):
            node.test = self._operator("truth", [self._test(node.test)], node)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return node
        test = self._test(node.test)
        returns = self._returns(node)
        names = self._bindings([*node.body, *node.orelse])
        global_names = self._globalsbound([*node.body, *node.orelse])
        then = self._closure(self._fresh("then"), self.block(node.body), node)
        other = self._closure(self._fresh("else"), self.block(node.orelse), node)
        call = self._operator(
            "if_return" if returns else "if_stmt",
            [
                test,
                self._load(then.name, node),
                self._load(other.name, node),
                self._names(names, node),
                self._names(global_names, node),
            ],
            node,
        )
        last: ast.stmt = ast.Return(call) if returns else ast.Expr(call)
        return [then, other, ast.copy_location(last, node)]

    @staticmethod
    def _returns(node: ast.If) -> bool:
        return contains([*node.body, *node.orelse], ast.Return)

    def visit_While(self, node: ast.While) -> Any:
        if self._stays(node):
            node.test = self._operator("truth", [self._test(node.test)], node)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return node
        names = self._bindings([node.test, *node.body])
        global_names = self._globalsbound(node.body)
        saved, self.hoisted = self.hoisted, []
        test_body: list[ast.stmt] = [ast.copy_location(ast.Return(self._test(node.test)), node)]
        test_body = [*self.hoisted, *test_body]
        self.hoisted = saved
        test = self._closure(self._fresh("test"), test_body, node.test)
        body = self._closure(self._fresh("body"), self.block(node.body), node)
        call = self._operator(
            "while_stmt",
            [
                self._load(test.name, node),
                self._load(body.name, node),
                self._names(names, node),
                self._names(global_names, node),
                ast.copy_location(ast.Constant(getattr(node, "fx_break", None)), node),
            ],
            node,
        )
        return [test, body, ast.copy_location(ast.Expr(call), node)]

    def visit_For(self, node: ast.For) -> Any:
        if self._stays(node):
            node.iter = self._operator("iterate", [self.visit(node.iter)], node)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return node
        item = self._fresh("item")
        bind = ast.Assign([node.target], ast.Name(item, ast.Load()))
        for inner in (bind, bind.value):
            ast.copy_location(inner, node)
        names = self._bindings([bind, *node.body])
        global_names = self._globalsbound([bind, *node.body])
        iterable = self.visit(node.iter)
        body = self._closure(
            self._fresh("body"), self.block([bind, *node.body]), node, argument=item
        )
        call = self._operator(
            "for_stmt",
            [
                iterable,
                self._load(body.name, node),
                self._names(names, node),
                self._names(global_names, node),
                ast.copy_location(ast.Constant(getattr(node, "fx_break", None)), node),
            ],
            node,
        )
        return [body, ast.copy_location(ast.Expr(call), node)]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.decorator_list = [self.visit(part) for part in node.decorator_list]
        node.args.defaults = [self.visit(part) for part in node.args.defaults]
        node.args.kw_defaults = [part and self.visit(part) for part in node.args.kw_defaults]
        return self.function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        for k, statement in enumerate(node.body):
            if isinstance(statement, ast.FunctionDef):
                node.body[k] = self.visit(Mangle(node.name).visit(statement))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        node.args.defaults = [self.visit(part) for part in node.args.defaults]
        node.args.kw_defaults = [part and self.visit(part) for part in node.args.kw_defaults]
        return self.function(node)

    def visit_With(self, node: ast.With) -> Any:
        for item in node.items:
            manager = self.visit(item.context_expr)
            item.context_expr = self._operator("context", [manager], item.context_expr)
        node.body = self.block(node.body)
        return node

    def visit_Try(self, node: ast.Try) -> Any:
        # A handler that raises again leaves an error an error.
        catching = [handler for handler in node.handlers if not always_raises(handler.body)]
        node.body, node.orelse = self.block(node.body), self.block(node.orelse)
        node.finalbody = self.block(node.finalbody)
        for handler in node.handlers:
            handler.body = self.block(handler.body)
        if catching:
            caught = self._names([_exception_names(handler) for handler in catching], node)
            context = ast.withitem(self._operator("trying", [caught], node), None)
            node.body = [ast.copy_location(ast.With([context], node.body), node)]
        return node

    def visit_Match(self, node: ast.Match) -> Any:
        node.subject = self._operator("match_subject", [self.visit(node.subject)], node)
        for case in node.cases:
            if case.guard is not None:
                case.guard = self._operator("truth", [self.visit(case.guard)], case.guard)
            case.body = self.block(case.body)
        return node

    def visit_Return(self, node: ast.Return) -> Any:
        node.value = node.value and self.visit(node.value)
        return node

    def visit_Raise(self, node: ast.Raise) -> Any:
        if node.exc is not None:
            node.exc = self._operator("raising", [self.visit(node.exc)], node)
        return node

    def visit_Assert(self, node: ast.Assert) -> Any:
        parts = [self.visit(node.msg)] if node.msg else []
        message = ast.copy_location(ast.Tuple(parts, ast.Load()), node)
        test = self._test(node.test)
        call = self._operator("assert_stmt", [test, self._lambda(message, node)], node)
        return ast.copy_location(ast.Expr(call), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return None
        return self.visit(
            ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)
        )

    def visit_Assign(self, node: ast.Assign) -> Any:
        value = self.visit(node.value)
        if all(isinstance(target, ast.Name) for target in node.targets):
            node.value = value
            return node
        if len(node.targets) == 1 and isinstance(node.targets[0], (ast.Attribute, ast.Subscript)):
            return self._store(node.targets[0], value, node)
        temporary = self._temporary("value")
        out: list[ast.stmt] = [self._set(temporary, value, node)]
        for target in node.targets:
            out.extend(self._unpack(target, self._load(temporary, node), node))
        return out

    def _temporary(self, stem: str) -> str:
        name = self._fresh(stem)
        self.scope.locals.add(name)
        return name

    def _set(self, name: str, value: ast.expr, like: ast.AST) -> ast.stmt:
        target = ast.copy_location(ast.Name(name, ast.Store()), like)
        return ast.copy_location(ast.Assign(targets=[target], value=value), like)

    def _unpack(self, target: ast.expr, value: ast.expr, like: ast.AST) -> list[ast.stmt]:
        """Assigns to any target; attributes and subscripts in it are stored through us."""
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            return [self._store(target, value, like)]
        if not isinstance(target, (ast.Tuple, ast.List)):
            return [ast.copy_location(ast.Assign(targets=[target], value=value), like)]
        stores: list[ast.stmt] = []
        for k, element in enumerate(target.elts):
            starred = isinstance(element, ast.Starred)
            inner = element.value if isinstance(element, ast.Starred) else element
            if isinstance(inner, ast.Name):
                continue
            name = self._temporary("part")
            place: ast.expr = ast.copy_location(ast.Name(name, ast.Store()), inner)
            target.elts[k] = (
                ast.copy_location(ast.Starred(place, ast.Store()), inner) if starred else place
            )
            stores.extend(self._unpack(inner, self._load(name, like), like))
        star = next((k for k, e in enumerate(target.elts) if isinstance(e, ast.Starred)), None)
        before = len(target.elts) if star is None else star
        after = None if star is None else len(target.elts) - star - 1
        counts = [ast.copy_location(ast.Constant(count), like) for count in (before, after)]
        value = self._operator("unpack", [value, *counts], like)
        return [ast.copy_location(ast.Assign(targets=[target], value=value), like), *stores]

    def _store(
        self, target: ast.Attribute | ast.Subscript, value: ast.expr, like: ast.AST
    ) -> ast.stmt:
        if isinstance(target, ast.Attribute):
            key: ast.expr = ast.copy_location(ast.Constant(target.attr), like)
            call = self._operator("set_attr", [value, self.visit(target.value), key], like)
        else:
            call = self._operator(
                "set_item", [value, self.visit(target.value), self._index(target.slice)], like
            )
        return ast.copy_location(ast.Expr(call), like)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        symbol = ast.copy_location(ast.Constant(type(node.op).__name__), node)
        target = node.target
        old: ast.expr
        if isinstance(target, ast.Name):
            old = self._read(target.id, node)
            call = self._operator("augment", [symbol, old, self.visit(node.value)], node)
            return self._set(target.id, call, node)
        holder, key = self._temporary("holder"), self._temporary("key")
        out = [self._set(holder, self.visit(target.value), node)]
        if isinstance(target, ast.Attribute):
            attribute = ast.Attribute(self._load(holder, node), target.attr, ast.Load())
            old = ast.copy_location(attribute, node)
            place: ast.expr = ast.copy_location(ast.Constant(target.attr), node)
            store = "set_attr"
        else:
            out.append(self._set(key, self._index(target.slice), node))
            parts = [self._load(holder, node), self._load(key, node)]
            old = self._operator("get_item", parts, node)
            place, store = self._load(key, node), "set_item"
        value = self._operator("augment", [symbol, old, self.visit(node.value)], node)
        call = self._operator(store, [value, self._load(holder, node), place], node)
        return [*out, ast.copy_location(ast.Expr(call), node)]

    def visit_Delete(self, node: ast.Delete) -> Any:
        out: list[ast.stmt] = []
        for target in node.targets:
            if isinstance(target, ast.Attribute):
                key = ast.copy_location(ast.Constant(target.attr), node)
                call = self._operator("del_attr", [self.visit(target.value), key], node)
            elif isinstance(target, ast.Subscript):
                call = self._operator(
                    "del_item", [self.visit(target.value), self._index(target.slice)], node
                )
            else:
                out.append(ast.copy_location(ast.Delete([target]), node))
                continue
            out.append(ast.copy_location(ast.Expr(call), node))
        return out
