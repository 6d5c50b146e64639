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
import sys
from collections.abc import Mapping, Sequence
from typing import cast

from fxexport.capture.python.assignments import Assignments
from fxexport.capture.python.generators import both_forms, is_producible
from fxexport.capture.python.going_on import Targets
from fxexport.capture.python.jumps import asks_flags, lower_jumps
from fxexport.capture.python.new_nodes import (
    RUNTIME,
    assignment,
    constant,
    last_call,
    load,
    names_tuple,
    operator_call,
)
from fxexport.capture.python.scoping import (
    FunctionNode,
    FunctionScope,
    Mangle,
    argument_names,
    bound,
)
from fxexport.capture.python.try_statements import TryRewriter, with_named_exceptions

__all__ = ["RUNTIME", "rewrite_function"]


def rewrite_function(
    node: FunctionNode, class_name: str | None, *, going_on: bool = False
) -> FunctionNode:
    """Returns the rewritten function (a new tree).

    Args:
        node: the function as parsed.
        class_name: the class whose body it stands in, for private names; None outside classes.
        going_on: whether the function goes on after a statement that is refused.
    """
    node = copy.deepcopy(node)
    if class_name is not None:
        node = Mangle(class_name).visit(node)
    rewritten = _FunctionRewriter(node, going_on).rewritten(node, top=True)
    return ast.fix_missing_locations(rewritten)


# What a node becomes.
_Rewritten = ast.AST | list[ast.stmt] | None


class _FunctionRewriter(TryRewriter):
    """Rewrites one function; functions defined inside it get rewriters of their own."""

    def __init__(self, node: FunctionNode, going_on: bool) -> None:
        super().__init__(FunctionScope(node))
        self._assignments = Assignments(self)
        self._going_on = going_on
        self._break_flags: Mapping[ast.stmt, str] = {}
        # Variables of the functions around it that their calls note.
        self.noted_outside: frozenset[str] = frozenset()

    def rewritten(self, node: FunctionNode, top: bool = False, plain: bool = False) -> FunctionNode:
        """The function with its body rewritten, where it is.

        Args:
            node: the function that the rewriter is for.
            top: whether it is compiled by itself, so that its maker keeps its defaults.
            plain: whether a generator stays one.
        """
        self._strip_signature(node, top)
        if isinstance(node, ast.Lambda):
            node.body = self.visit(node.body)
            entered = self._entered(node)
            if entered is not None:
                # The first item is there as long as the second one is computed.
                pair = ast.copy_location(ast.Tuple([entered, node.body], ast.Load()), node)
                last = ast.Subscript(pair, constant(1, node), ast.Load())
                node.body = ast.copy_location(last, node)
            return node
        if not plain and is_producible(node):
            return self._both_forms(node)
        if not self.scope.generator:
            node.body = with_named_exceptions(node.body)
            node.body, self._break_flags = lower_jumps(node.body)
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

    def _both_forms(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """A generator function; see `generators`."""
        plain, produce, result = both_forms(node, self.scope)
        made: list[ast.stmt] = []
        for one in (plain, produce):
            rewriter = _FunctionRewriter(one, self._going_on)
            rewriter.noted_outside = self.noted_outside
            made.append(cast("ast.stmt", rewriter.rewritten(one, plain=True)))
        node.body = [*made, result]
        return node

    def _strip_signature(self, node: FunctionNode, top: bool) -> None:
        """Annotations are never evaluated; the outer function's defaults are kept by its maker."""
        args = node.args
        for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]:
            if arg is not None:
                arg.annotation = None
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            if sys.version_info >= (3, 12):
                node.type_params = []
        if top:
            none = constant(None, node)
            args.defaults = [none for _ in args.defaults]
            args.kw_defaults = [default and none for default in args.kw_defaults]
            if not isinstance(node, ast.Lambda):
                node.decorator_list = []

    def _staged_names(self, body: Sequence[ast.stmt]) -> set[str]:
        """Names that an if or a loop may bind: reading them may find a value that has no join."""
        names: set[str] = set()
        if self._going_on:
            return self.scope.locals | self.scope.outer
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, (ast.If, ast.For, ast.While, ast.Try, ast.With)):
                    names |= bound([node]).names
        return (names & self.scope.locals) | (names & self.scope.outer)

    def _declarations(self, node: ast.FunctionDef) -> list[ast.stmt]:
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

    def _entry(self, node: ast.FunctionDef) -> list[ast.stmt]:
        """Says what is new at each call: variables that others bind or see, and ``**keywords``."""
        call = self._entered(node)
        made = [] if call is None else [assignment("_fx_invocation", call, node)]
        if node.args.kwarg is not None:
            keywords = load(node.args.kwarg.arg, node)
            call = operator_call("new_keywords", [keywords], node)
            made.append(ast.copy_location(ast.Expr(call), node))
        return made

    def _entered(self, node: FunctionNode) -> ast.expr | None:
        names = sorted((self.scope.staged | self.scope.captured) & self.scope.locals)
        if not names:
            return None
        rebound = names_tuple(sorted(self.scope.rebound), node)
        return operator_call("entered", [self._reader(names, node), rebound], node)

    def _outer_writes(self, node: ast.FunctionDef) -> list[ast.stmt]:
        """Says which variables of other functions this one may write."""
        if not self.scope.outer and not self.scope.globals:
            return []
        reader = self._reader(sorted(self.scope.outer), node)
        call = operator_call(
            "outer_writes", [reader, names_tuple(sorted(self.scope.globals), node)], node
        )
        return [ast.copy_location(ast.Expr(call), node)]

    def _reader(self, names: Sequence[str], like: ast.AST) -> ast.expr:
        """A lambda, never called, whose closure holds the cells of some variables."""
        loads: list[ast.expr] = [load(name, like) for name in names]
        return self.thunk(ast.copy_location(ast.Tuple(loads, ast.Load()), like), like)

    # -- statements ----------------------------------------------------------------------------

    def block(self, block: Sequence[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in block:
            saved, self.hoisted = self.hoisted, []
            targets = Targets(statement) if self._going_on else None
            result = self.visit(statement)
            if targets is not None:
                result = targets.missing_where_refused(result, self.scope.fresh)
            out.extend(self.hoisted)
            self.hoisted = saved
            if isinstance(result, list):
                out.extend(result)
            elif result is not None:
                out.append(result)
        return out

    def visit_If(self, node: ast.If) -> _Rewritten:
        if self.stays(node):
            node.test = operator_call("truth", [self.test(node.test)], node)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return node
        # The program does not ask whether it has left a block: that is how jumps are written here.
        decides = None if asks_flags(node.test) else node
        test = self.test(node.test)
        returns = self.returns(node)
        names = self.bindings([*node.body, *node.orelse])
        global_names = self.bound_globals([*node.body, *node.orelse])
        then = self.closure(self.scope.fresh("then"), self.block(node.body), node)
        other = self.closure(self.scope.fresh("else"), self.block(node.orelse), node)
        call = operator_call(
            "if_return" if returns else "if_stmt",
            [
                test,
                load(then.name, node),
                load(other.name, node),
                names_tuple(names, node),
                names_tuple(global_names, node),
            ],
            node,
            decides=decides,
        )
        return [then, other, last_call(call, returns, node)]

    def visit_While(self, node: ast.While) -> _Rewritten:
        if self.stays(node):
            node.test = operator_call("truth", [self.test(node.test)], node)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return node
        names = self.bindings([node.test, *node.body])
        global_names = self.bound_globals(node.body)
        saved, self.hoisted = self.hoisted, []
        test_body: list[ast.stmt] = [ast.copy_location(ast.Return(self.test(node.test)), node)]
        test_body = [*self.hoisted, *test_body]
        self.hoisted = saved
        test = self.closure(self.scope.fresh("test"), test_body, node.test)
        body = self.closure(self.scope.fresh("body"), self.block(node.body), node)
        call = operator_call(
            "while_stmt",
            [
                load(test.name, node),
                load(body.name, node),
                names_tuple(names, node),
                names_tuple(global_names, node),
                constant(self._break_flags.get(node), node),
            ],
            node,
            decides=node,
        )
        return [test, body, ast.copy_location(ast.Expr(call), node)]

    def visit_For(self, node: ast.For) -> _Rewritten:
        if self.stays(node):
            node.iter = operator_call("iterate", [self.visit(node.iter)], node)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return node
        item = self.scope.fresh("item")
        bind = ast.Assign([node.target], ast.Name(item, ast.Load()))
        for inner in (bind, bind.value):
            ast.copy_location(inner, node)
        names = self.bindings([bind, *node.body])
        global_names = self.bound_globals([bind, *node.body])
        iterable = self.visit(node.iter)
        body = self.closure(
            self.scope.fresh("body"), self.block([bind, *node.body]), node, argument=item
        )
        call = operator_call(
            "for_stmt",
            [
                iterable,
                load(body.name, node),
                names_tuple(names, node),
                names_tuple(global_names, node),
                constant(self._break_flags.get(node), node),
            ],
            node,
            decides=node,
        )
        return [body, ast.copy_location(ast.Expr(call), node)]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> _Rewritten:
        node.decorator_list = [self.visit(part) for part in node.decorator_list]
        node.args.defaults = [self.visit(part) for part in node.args.defaults]
        node.args.kw_defaults = [part and self.visit(part) for part in node.args.kw_defaults]
        made = self._inner(node)
        assert isinstance(made, ast.FunctionDef)
        made.decorator_list.append(self._noting(node))
        return made

    def _noting(self, node: FunctionNode) -> ast.expr:
        """What notes a function that is made here, as a decorator."""
        return operator_call("noting", [names_tuple(sorted(self._noted()), node)], node)

    def _noted(self) -> frozenset[str]:
        """The variables that a function inside may see and that a call has noted."""
        own = (self.scope.staged | self.scope.captured) & self.scope.locals
        return frozenset(own | (self.noted_outside - self.scope.locals)) - self.moving

    def _inner(self, node: FunctionNode) -> FunctionNode:
        rewriter = _FunctionRewriter(node, self._going_on)
        rewriter.noted_outside = self._noted()
        return rewriter.rewritten(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> _Rewritten:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> _Rewritten:
        for k, statement in enumerate(node.body):
            if isinstance(statement, ast.FunctionDef):
                node.body[k] = self.visit(Mangle(node.name).visit(statement))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        node.args.defaults = [self.visit(part) for part in node.args.defaults]
        node.args.kw_defaults = [part and self.visit(part) for part in node.args.kw_defaults]
        made = cast("ast.Lambda", self._inner(node))
        return ast.copy_location(ast.Call(self._noting(node), [made], []), node)

    def visit_Match(self, node: ast.Match) -> _Rewritten:
        node.subject = operator_call("match_subject", [self.visit(node.subject)], node)
        for case in node.cases:
            if case.guard is not None:
                case.guard = operator_call("truth", [self.visit(case.guard)], case.guard)
            case.body = self.block(case.body)
        return node

    def visit_Return(self, node: ast.Return) -> _Rewritten:
        node.value = node.value and self.visit(node.value)
        return node

    def visit_Raise(self, node: ast.Raise) -> _Rewritten:
        if node.exc is not None:
            node.exc = operator_call("raising", [self.visit(node.exc)], node)
        return node

    def visit_Assert(self, node: ast.Assert) -> _Rewritten:
        parts = [self.visit(node.msg)] if node.msg else []
        message = ast.copy_location(ast.Tuple(parts, ast.Load()), node)
        test = self.test(node.test)
        call = operator_call("assert_stmt", [test, self.thunk(message, node)], node)
        return ast.copy_location(ast.Expr(call), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> _Rewritten:
        if node.value is None:
            return None
        return self.visit(
            ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)
        )

    def visit_Assign(self, node: ast.Assign) -> _Rewritten:
        return self._assignments.assign(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> _Rewritten:
        return self._assignments.augment(node)

    def visit_Delete(self, node: ast.Delete) -> _Rewritten:
        return self._assignments.delete(node)
