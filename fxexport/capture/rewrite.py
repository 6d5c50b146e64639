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
from collections.abc import Iterable, Sequence
from typing import Any

from fxexport.capture.jumps import always_raises, lower_jumps

__all__ = ["RUNTIME", "rewrite_function"]

RUNTIME = "_fx_"
_COMPARE = {ast.Eq: "eq", ast.NotEq: "ne", ast.In: "contains", ast.NotIn: "lacks"}
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
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def rewrite_function(node: ast.FunctionDef | ast.Lambda, class_name: str | None) -> ast.FunctionDef | ast.Lambda:
    """Returns the rewritten function (a new tree).

    Args:
        node: the function as parsed.
        class_name: the class whose body it stands in, for private names; None outside classes.
    """
    node = copy.deepcopy(node)
    if class_name is not None:
        node = _Mangle(class_name).visit(node)
    rewritten = _Rewriter().function(node, top=True)
    return ast.fix_missing_locations(rewritten)


class _Mangle(ast.NodeTransformer):
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
        for part in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names.add(node.name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        pass

    def visit_comprehension_scope(self, node: Any) -> None:
        # A walrus inside a comprehension binds in the function around it.
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                self.names.add(inner.target.id)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_comprehension_scope

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.names.add(node.name)
        self.generic_visit(node)

    def _visit_pattern(self, node: Any) -> None:
        if node.name:
            self.names.add(node.name)
        self.generic_visit(node)

    visit_MatchAs = visit_MatchStar = _visit_pattern

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.names.add(node.rest)
        self.generic_visit(node)

    def _visit_import(self, node: Any) -> None:
        for alias in node.names:
            self.names.add((alias.asname or alias.name).split(".")[0])

    visit_Import = visit_ImportFrom = _visit_import

    def visit_Global(self, node: ast.Global) -> None:
        self.globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.outer.update(node.names)


def _bound(nodes: Iterable[ast.AST]) -> _Bound:
    visitor = _Bound()
    for node in nodes:
        visitor.visit(node)
    return visitor


def _arguments(args: ast.arguments) -> list[str]:
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return [arg.arg for arg in every] + [arg.arg for arg in (args.vararg, args.kwarg) if arg]


def _contains(nodes: Iterable[ast.AST], *kinds: type) -> bool:
    """Whether a node of these kinds stands in the same function."""
    for node in nodes:
        if isinstance(node, kinds):
            return True
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        if _contains(ast.iter_child_nodes(node), *kinds):
            return True
    return False


def _exception_names(handler: ast.ExceptHandler) -> str:
    """What a handler catches, as text; empty for everything."""
    return ast.unparse(handler.type) if handler.type is not None else ""


class _Scope:
    """What is known of the function being rewritten."""

    def __init__(self, node: _FunctionNode) -> None:
        body = node.body if isinstance(node.body, list) else [node.body]
        bound = _bound(body)
        self.first = next(iter(_arguments(node.args)), None)
        self.globals = bound.globals
        self.locals = (bound.names | set(_arguments(node.args))) - bound.globals - bound.outer
        self.outer = bound.outer
        self.generator = _contains(body, ast.Yield, ast.YieldFrom, ast.Await)
        self.staged: set[str] = set()
        self.counter = 0


class _Rewriter(ast.NodeTransformer):
    def __init__(self) -> None:
        self.scope: _Scope = None  # type: ignore[assignment]
        self.hoisted: list[ast.stmt] = []

    # -- functions -----------------------------------------------------------------------------

    def function(self, node: Any, top: bool = False) -> Any:
        outer, outer_hoisted = self.scope, self.hoisted
        self.scope, self.hoisted = _Scope(node), []
        try:
            self._strip_signature(node, top)
            if isinstance(node, ast.Lambda):
                self.scope.staged = set()
                node.body = self.visit(node.body)
                return node
            if not self.scope.generator:
                node.body = lower_jumps(node.body)
            # Flags of lowered jumps are variables like any other.
            self.scope.locals |= {n for n in _bound(node.body).names if n.startswith("_fx_")}
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
                    names |= _bound([node]).names
        return (names & self.scope.locals) | (names & self.scope.outer)

    def _declarations(self, node: Any) -> list[ast.stmt]:
        """Makes every local a variable of this function, whichever closure binds it."""
        bound_here = set(_arguments(node.args))
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
        call = self._operator("outer_writes", [reader, self._names(sorted(self.scope.globals), node)], node)
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

    def _fresh(self, stem: str) -> str:
        self.scope.counter += 1
        return f"_fx_{stem}_{self.scope.counter}"

    def _closure(
        self, name: str, body: list[ast.stmt], like: ast.AST, argument: str | None = None
    ) -> ast.FunctionDef:
        """A nested function that shares this function's variables."""
        visitor = _bound(body)
        own = (visitor.names | visitor.outer) & (self.scope.locals | self.scope.outer)
        prologue: list[ast.stmt] = []
        if own:
            prologue.append(ast.Nonlocal(sorted(own)))
        globals_ = visitor.names & self.scope.globals
        if globals_:
            prologue.append(ast.Global(sorted(globals_)))
        template = ast.parse(f"def {name}({argument or ''}): pass").body[0]
        assert isinstance(template, ast.FunctionDef)
        template.body = [*prologue, *[s for s in body if not isinstance(s, (ast.Nonlocal, ast.Global))]]
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
        if _contains([body], ast.NamedExpr):
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
        visitor = _bound(nodes)
        return sorted((visitor.names | visitor.outer) & (self.scope.locals | self.scope.outer))

    def _globals_bound(self, nodes: Iterable[ast.AST]) -> list[str]:
        return sorted(_bound(nodes).names & self.scope.globals)

    def visit_If(self, node: ast.If) -> Any:
        if _contains([node], ast.Yield, ast.YieldFrom, ast.Await):
            node.test = self._operator("truth", [self._test(node.test)], node)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return node
        test = self._test(node.test)
        returns = self._returns(node)
        names = self._bindings([*node.body, *node.orelse])
        global_names = self._globals_bound([*node.body, *node.orelse])
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
        return _contains([*node.body, *node.orelse], ast.Return)

    def visit_While(self, node: ast.While) -> Any:
        if _contains([node], ast.Yield, ast.YieldFrom, ast.Await):
            node.test = self._operator("truth", [self._test(node.test)], node)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return node
        names = self._bindings([node.test, *node.body])
        global_names = self._globals_bound(node.body)
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
        if _contains([node], ast.Yield, ast.YieldFrom, ast.Await):
            node.iter = self._operator("iterate", [self.visit(node.iter)], node)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse)
            return node
        item = self._fresh("item")
        bind = ast.Assign([node.target], ast.Name(item, ast.Load()))
        for inner in (bind, bind.value):
            ast.copy_location(inner, node)
        names = self._bindings([bind, *node.body])
        global_names = self._globals_bound([bind, *node.body])
        iterable = self.visit(node.iter)
        body = self._closure(self._fresh("body"), self.block([bind, *node.body]), node, argument=item)
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
                node.body[k] = self.visit(_Mangle(node.name).visit(statement))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        node.args.defaults = [self.visit(part) for part in node.args.defaults]
        node.args.kw_defaults = [part and self.visit(part) for part in node.args.kw_defaults]
        return self.function(node)

    def visit_With(self, node: ast.With) -> Any:
        for item in node.items:
            item.context_expr = self.visit(item.context_expr)
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
        message = self.visit(node.msg) if node.msg else ast.copy_location(ast.Constant(None), node)
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
        value = self._operator("unpack", [value], like)
        return [ast.copy_location(ast.Assign(targets=[target], value=value), like), *stores]

    def _store(self, target: ast.Attribute | ast.Subscript, value: ast.expr, like: ast.AST) -> ast.stmt:
        if isinstance(target, ast.Attribute):
            key: ast.expr = ast.copy_location(ast.Constant(target.attr), like)
            call = self._operator("set_attr", [value, self.visit(target.value), key], like)
        else:
            call = self._operator(
                "set_item", [value, self.visit(target.value), self._index(target.slice)], like
            )
        return ast.copy_location(ast.Expr(call), like)

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

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        symbol = ast.copy_location(ast.Constant(type(node.op).__name__), node)
        target = node.target
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
            item = ast.Subscript(self._load(holder, node), self._load(key, node), ast.Load())
            old = ast.copy_location(item, node)
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
        function = self._operator("call", [self.visit(node.func)], node.func)
        node.args = [self.visit(arg) for arg in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
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
        node.left, node.right = self._number(left), self._number(right)
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
            return self._operator("get_item", [self.visit(node.value), self._index(node.slice)], node)
        return self.generic_visit(node)

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

    def _display(self, node: Any) -> Any:
        self.generic_visit(node)
        if isinstance(getattr(node, "ctx", None), ast.Store):
            return node
        return self._operator("fresh", [node], node)

    visit_List = visit_Dict = visit_Set = _display

    def _comprehension(self, node: Any) -> Any:
        # The loop stays Python's; a condition or an iterable that is dynamic is refused there.
        for generator in node.generators:
            generator.iter = self._operator("iterate", [self.visit(generator.iter)], node)
            generator.ifs = [self._operator("truth", [self._test(test)], test) for test in generator.ifs]
        for name in ("elt", "key", "value"):
            if hasattr(node, name):
                setattr(node, name, self.visit(getattr(node, name)))
        if isinstance(node, ast.GeneratorExp):
            return self._generator(node)
        return self._operator("fresh", [node], node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _generator(self, node: ast.GeneratorExp) -> Any:
        """A generator over one thing, which any(), sum() and kin can loop over if it is dynamic."""
        (first, *more) = node.generators
        if more or first.ifs or not isinstance(first.target, (ast.Name, ast.Tuple)):
            return node
        names = [first.target] if isinstance(first.target, ast.Name) else first.target.elts
        if not all(isinstance(name, ast.Name) for name in names) or _contains([node.elt], ast.NamedExpr):
            return node
        text = ", ".join(name.id for name in names if isinstance(name, ast.Name))
        template = ast.parse(f"lambda {text}: 0", mode="eval").body
        assert isinstance(template, ast.Lambda)
        template.body = node.elt
        for inner in (template.args, *template.args.args):
            ast.copy_location(inner, node)
        assert isinstance(first.iter, ast.Call)
        several = ast.copy_location(ast.Constant(isinstance(first.target, ast.Tuple)), node)
        source = first.iter.args[0]  # without the `iterate` around it
        return self._operator("generator", [source, ast.copy_location(template, node), several], node)
