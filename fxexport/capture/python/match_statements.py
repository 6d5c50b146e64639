"""Writes match statements as chains of ifs, as far as their patterns are plain.

Values, None/True/False, alternatives, names, wildcards and classes without arguments are plain.
A statement with any other pattern stays; its subject must be known at export.
"""

from __future__ import annotations

import ast

__all__ = ["matches_as_ifs"]


def matches_as_ifs(statement: ast.stmt) -> ast.stmt:
    """The statement with every plain match statement in it rewritten."""
    result = _MatchRewriter().visit(statement)
    assert isinstance(result, ast.stmt)
    return result


class _NotPlain(Exception):
    pass


class _MatchRewriter(ast.NodeTransformer):
    def __init__(self) -> None:
        self._number = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node  # a function of its own

    visit_Lambda = visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_Match(self, node: ast.Match) -> ast.AST:
        self.generic_visit(node)
        self._number += 1
        name = f"_fx_subject_{node.lineno}_{self._number}"
        try:
            chain = self._chain(node.cases, name)
        except _NotPlain:
            return node
        target = ast.Name(name, ast.Store())
        assign = ast.Assign(targets=[target], value=node.subject)
        # One statement for one statement: an `if True` holds both.
        both = ast.If(ast.Constant(True), [assign, *chain], [])
        for inner in ast.walk(both):
            if not hasattr(inner, "lineno"):
                ast.copy_location(inner, node)
        return ast.copy_location(both, node)

    def _chain(self, cases: list[ast.match_case], name: str) -> list[ast.stmt]:
        chain: list[ast.stmt] = []
        for case in reversed(cases):
            test = _condition(case.pattern, name)
            if case.guard is not None:
                test = ast.BoolOp(ast.And(), [test, case.guard])
            chain = [ast.copy_location(ast.If(test, case.body, chain), case.pattern)]
        return chain


def _subject(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _condition(pattern: ast.pattern, name: str) -> ast.expr:
    if isinstance(pattern, ast.MatchValue):
        return ast.Compare(_subject(name), [ast.Eq()], [pattern.value])
    if isinstance(pattern, ast.MatchSingleton):
        return ast.Compare(_subject(name), [ast.Is()], [ast.Constant(pattern.value)])
    if isinstance(pattern, ast.MatchOr):
        return ast.BoolOp(ast.Or(), [_condition(part, name) for part in pattern.patterns])
    if isinstance(pattern, ast.MatchClass) and not pattern.patterns and not pattern.kwd_patterns:
        return ast.Call(ast.Name("isinstance", ast.Load()), [_subject(name), pattern.cls], [])
    if isinstance(pattern, ast.MatchAs):
        inner = ast.Constant(True) if pattern.pattern is None else _condition(pattern.pattern, name)
        if pattern.name is None:
            return inner
        bound = ast.NamedExpr(ast.Name(pattern.name, ast.Store()), _subject(name))
        binding = ast.Compare(bound, [ast.Is()], [_subject(name)])
        return ast.BoolOp(ast.And(), [inner, binding])
    raise _NotPlain
