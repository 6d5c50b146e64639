"""Conditions on sizes in the user's terms, and why one was decided as it was."""

from __future__ import annotations

import ast
from collections.abc import Mapping

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.session.session import Session

__all__ = ["expression_text", "holds_always", "iteration_bound", "proof", "relation_text"]

# Longer expressions tell a reader less than the user's line does.
_LONGEST = 80
_DEEPEST = 6
_AS_PYTHON = {"torch.sym_float": "float", "torch.sym_int": "int", "torch.sym_not": "not"}


def expression_text(expr: sympy.Basic, names: Mapping[sympy.Symbol, str]) -> str:
    """An expression in Python, with names for its symbols; empty where it has no such form."""
    if not expr.free_symbols <= names.keys():
        return ""
    symbols = sorted(expr.free_symbols, key=str)
    stand_ins = {s: sympy.Symbol(f"s{k}_", integer=True) for k, s in enumerate(symbols)}
    try:
        text = compat.python_text(expr.xreplace(stand_ins))
        tree = ast.parse(text, mode="eval")
    except Exception:  # a function that the printer does not know, or not as Python
        return ""
    final = {f"s{k}_": names[s] for k, s in enumerate(symbols)}
    return ast.unparse(_Tidy(final).visit(tree))


def relation_text(expr: sympy.Basic, names: Mapping[sympy.Symbol, str]) -> str:
    """The same, in sympy's own syntax where there is no Python for it.

    What has no name is a size, or another number, that the model makes: words stand for it.
    """
    inner = sorted(expr.free_symbols - names.keys(), key=str)
    words = [f"size {k} made here" for k in range(1, len(inner) + 1)]
    words = words if len(inner) > 1 else ["a size made here"]
    names = {**names, **dict(zip(inner, words, strict=False))}
    text = expression_text(expr, names)
    return text or str(expr.xreplace({s: sympy.Symbol(name) for s, name in names.items()}))


class _Tidy(ast.NodeTransformer):
    """Gives symbols their names, and sums and calls the form that people write."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._names.get(node.id, node.id))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Add):
            return node
        # 1 + n is n + 1, and n + -1 * m is n - m
        if isinstance(node.left, ast.Constant) or _negated(node.left) is not None:
            node = ast.BinOp(node.right, node.op, node.left)
        positive = _negated(node.right)
        return node if positive is None else ast.BinOp(node.left, ast.Sub(), positive)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = _AS_PYTHON.get(ast.unparse(node.func))
        if name == "not":
            return ast.UnaryOp(ast.Not(), node.args[0])
        return node if name is None else ast.Call(ast.Name(name), node.args, [])


def _negated(node: ast.expr) -> ast.expr | None:
    """What a negative term is the negative of; None for any other."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        positive = _negated(node.left)
        if positive is None:
            return None
        if isinstance(positive, ast.Constant) and positive.value == 1:
            return node.right
        return ast.BinOp(positive, node.op, node.right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value < 0:
        return ast.Constant(-node.value)
    return None


def holds_always(session: Session, condition: torch.SymBool) -> bool:
    """Whether a condition that is known has the same truth for all sizes whatsoever."""
    return not _in_inputs(session, compat.raw_expression(condition)).free_symbols


def proof(session: Session, condition: torch.SymBool, known: bool) -> str:
    """Why a condition on sizes is decided: ``b is in 1..8, so b > 16 is never true``."""
    expr = _in_inputs(session, compat.raw_expression(condition))
    verdict = "is always true" if known else "is never true"
    if not expr.free_symbols:
        return f"whatever the sizes are, this condition {verdict} (pruned)"
    text = expression_text(expr, session.names)
    if not text or len(text) > _LONGEST:
        known_here = _computed(session, compat.raw_expression(condition))
        return f"{known_here}, so this condition {verdict} (pruned)"
    names = ", ".join(_range_of(session, symbol) for symbol in _in_order(session, expr))
    if not _follows_from_ranges(session, expr, known):
        facts = _facts_about(session, expr)
        given = f"given that {' and '.join(facts)}" if facts else f"with {names}"
        return f"{given}, {text} {verdict} (pruned)"
    steps = " and ".join([*_sides(session, expr), f"{text} {verdict}"])
    return f"{names}, so {steps} (pruned)"


def _in_inputs(session: Session, expr: sympy.Basic) -> sympy.Basic:
    """An expression in the inputs' sizes, instead of symbols that stand for long expressions."""
    long = {named.node.expr: whole for whole, named in session.recorder.bound.items()}
    for _ in range(_DEEPEST):
        if not expr.free_symbols & long.keys():
            break
        expr = expr.xreplace(long)
    return expr


def _computed(session: Session, expr: sympy.Basic) -> str:
    """What is known of the numbers in a condition that are no sizes of inputs."""
    relational = isinstance(expr, sympy.core.relational.Relational)
    for side in expr.args if relational else ():
        if not side.is_number:
            bounds = session.env.bound_sympy(side)
            low, high = (compat.finite(end) for end in (bounds.lower, bounds.upper))
            if low is not None and low == int(low):
                upper = None if high is None else int(high)
                return f"what is compared here is {_range_text(int(low), upper, 'number')}"
    return "the declared ranges decide it"


def iteration_bound(session: Session, trip_count: object) -> str:
    """`` of at most 8 iterations: b is in 1..8`` for a loop that ranges bound; else empty."""
    if not isinstance(trip_count, torch.SymInt):
        return ""
    expr = compat.raw_expression(trip_count)
    if not expr.free_symbols or not expr.free_symbols <= session.ranges.keys():
        return ""
    _, most = _bounds(session, expr)
    if most is None:
        return ""
    names = ", ".join(_range_of(session, symbol) for symbol in _in_order(session, expr))
    return f" of at most {int(most)} iteration{'' if most == 1 else 's'}: {names}"


def _range_text(low: int, high: int | None, what: str = "size") -> str:
    """``in 1..8``, ``5 or more``, ``any size``."""
    if high is None:
        return f"{low} or more" if low else f"any {what} from 0"
    return str(low) if low == high else f"in {low}..{high}"


def _in_order(session: Session, expr: sympy.Basic) -> list[sympy.Symbol]:
    return sorted(expr.free_symbols, key=lambda symbol: session.names[symbol])


def _range_of(session: Session, symbol: sympy.Symbol) -> str:
    name = session.names[symbol]
    bounds = session.ranges.get(symbol)
    return f"{name} is any number" if bounds is None else f"{name} is {_range_text(*bounds)}"


def _sides(session: Session, expr: sympy.Basic) -> list[str]:
    """The range of what is computed from sizes: ``2 * b + 1 is in 3..9``."""
    steps = []
    for side in expr.args if isinstance(expr, sympy.core.relational.Relational) else ():
        if side.is_number or side.is_Symbol:
            continue
        low, high = _bounds(session, side)
        if low is None or any(end is not None and end != int(end) for end in (low, high)):
            continue
        text = f"{low} or more" if high is None else _range_text(int(low), int(high))
        steps.append(f"{expression_text(side, session.names)} is {text}")
    return steps


def _bounds(session: Session, expr: sympy.Basic) -> tuple[sympy.Basic | None, sympy.Basic | None]:
    ranges = {s: session.ranges[s] for s in expr.free_symbols if s in session.ranges}
    try:
        return compat.bounds_within(expr, ranges)
    except Exception:  # a function that PyTorch's interval arithmetic does not know
        return None, None


def _follows_from_ranges(session: Session, expr: sympy.Basic, known: bool) -> bool:
    """Whether the ranges of the inputs alone decide a condition, without what is known here."""
    if not all(symbol in session.ranges for symbol in expr.free_symbols):
        return False
    wanted = sympy.true if known else sympy.false
    return all(bound == wanted for bound in _bounds(session, expr))


def _facts_about(session: Session, expr: sympy.Basic) -> list[str]:
    """What is known of the sizes in an expression, beyond their ranges."""
    env = session.env
    learnt = [item.expr for items in env.deferred_runtime_asserts.values() for item in items]
    facts = [f for f in (*env.path_facts, *learnt) if f.free_symbols & expr.free_symbols]
    about = [fact for fact in facts if fact.free_symbols <= expr.free_symbols] or facts
    return list(dict.fromkeys(filter(None, (_fact_text(session, fact) for fact in about))))


def _fact_text(session: Session, fact: sympy.Basic) -> str:
    relational = isinstance(fact, sympy.core.relational.Relational)
    turned = fact.reversed if relational and fact.lhs.is_number else fact  # 4 < b is b > 4
    return expression_text(turned, session.names)
