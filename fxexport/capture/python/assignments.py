"""Rewrites assignments and deletions: attributes and subscripts are stored by operators."""

from __future__ import annotations

import ast

from fxexport.capture.python.expressions import ExpressionRewriter
from fxexport.capture.python.new_nodes import assignment, constant, load, operator_call

__all__ = ["Assignments"]


class Assignments:
    """The assignments and deletions of one function.

    Args:
        expressions: rewrites the expressions in them.
    """

    def __init__(self, expressions: ExpressionRewriter) -> None:
        self._expressions = expressions

    def assign(self, node: ast.Assign) -> ast.stmt | list[ast.stmt]:
        """``target = other = value``."""
        value: ast.expr = self._expressions.visit(node.value)
        if all(isinstance(target, ast.Name) for target in node.targets):
            node.value = value
            return node
        if len(node.targets) == 1 and isinstance(node.targets[0], (ast.Attribute, ast.Subscript)):
            return self._store(node.targets[0], value, node)
        temporary = self._temporary("value")
        out: list[ast.stmt] = [assignment(temporary, value, node)]
        for target in node.targets:
            out.extend(self._unpack(target, load(temporary, node), node))
        return out

    def augment(self, node: ast.AugAssign) -> ast.stmt | list[ast.stmt]:
        """``target op= value``."""
        symbol = constant(type(node.op).__name__, node)
        target = node.target
        visit = self._expressions.visit
        if isinstance(target, ast.Name):
            old = self._expressions.read(target.id, node)
            call = operator_call("augment", [symbol, old, visit(node.value)], node)
            return assignment(target.id, call, node)
        holder, key = self._temporary("holder"), self._temporary("key")
        out = [assignment(holder, visit(target.value), node)]
        if isinstance(target, ast.Attribute):
            attribute = ast.Attribute(load(holder, node), target.attr, ast.Load())
            old = ast.copy_location(attribute, node)
            target_key, store = constant(target.attr, node), "set_attr"
        else:
            out.append(assignment(key, self._expressions.index(target.slice), node))
            old = operator_call("get_item", [load(holder, node), load(key, node)], node)
            target_key, store = load(key, node), "set_item"
        value = operator_call("augment", [symbol, old, visit(node.value)], node)
        call = operator_call(store, [value, load(holder, node), target_key], node)
        return [*out, ast.copy_location(ast.Expr(call), node)]

    def delete(self, node: ast.Delete) -> list[ast.stmt]:
        """``del target, other``."""
        out: list[ast.stmt] = []
        visit = self._expressions.visit
        for target in node.targets:
            if isinstance(target, ast.Attribute):
                key = constant(target.attr, node)
                call = operator_call("del_attr", [visit(target.value), key], node)
            elif isinstance(target, ast.Subscript):
                key = self._expressions.index(target.slice)
                call = operator_call("del_item", [visit(target.value), key], node)
            else:
                out.append(ast.copy_location(ast.Delete([target]), node))
                continue
            out.append(ast.copy_location(ast.Expr(call), node))
        return out

    def _temporary(self, stem: str) -> str:
        scope = self._expressions.scope
        name = scope.fresh(stem)
        scope.locals.add(name)
        return name

    def _unpack(self, target: ast.expr, value: ast.expr, like: ast.AST) -> list[ast.stmt]:
        """Assigns to any target; attributes and subscripts in it are stored through operators."""
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
            part: ast.expr = ast.copy_location(ast.Name(name, ast.Store()), inner)
            target.elts[k] = (
                ast.copy_location(ast.Starred(part, ast.Store()), inner) if starred else part
            )
            stores.extend(self._unpack(inner, load(name, like), like))
        star = next((k for k, e in enumerate(target.elts) if isinstance(e, ast.Starred)), None)
        before = len(target.elts) if star is None else star
        after = None if star is None else len(target.elts) - star - 1
        counts = [constant(count, like) for count in (before, after)]
        value = operator_call("unpack", [value, *counts], like)
        return [ast.copy_location(ast.Assign(targets=[target], value=value), like), *stores]

    def _store(
        self, target: ast.Attribute | ast.Subscript, value: ast.expr, like: ast.AST
    ) -> ast.stmt:
        owner: ast.expr = self._expressions.visit(target.value)
        if isinstance(target, ast.Attribute):
            call = operator_call("set_attr", [value, owner, constant(target.attr, like)], like)
        else:
            key = self._expressions.index(target.slice)
            call = operator_call("set_item", [value, owner, key], like)
        return ast.copy_location(ast.Expr(call), like)
