"""Rewrites a function so that its decisions are told to a `Decider`, and taken by it.

Only tests and iterables are wrapped: ``if test(3, x > 0):``, ``for x in items(4, xs):``,
``_fx_loop_1 = loop(5)`` before ``while _fx_loop_1.again(x > 0):``. All else stays the program's own
Python, also the calls that it makes.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping, Sequence
from types import CodeType, FunctionType

from fxexport.capture.python.scoping import Mangle
from fxexport.capture.python.source_code import ChangedSourceError, compile_function, find_source
from fxexport.source.decisions import Decision, DecisionKind

__all__ = ["decided_code"]

# Stands for the decider in the syntax; in the compiled code, the decider stands in its place.
_DECIDER = "fxexport: what takes the decisions"


def decided_code(
    function: FunctionType, numbers: Mapping[Decision, int], decider: object
) -> tuple[CodeType, frozenset[Decision]] | None:
    """A function's code with its decisions told to a decider, and the decisions that are in it.

    Args:
        function: a function of the program.
        numbers: the decisions to tell, by number.
        decider: an object with the methods `test`, `last`, `items` and `loop`.

    Returns:
        None where the function's source is not there, or is another one now.
    """
    try:
        found = find_source(function)
    except ChangedSourceError:
        return None
    if found is None:
        return None
    node = copy.deepcopy(found.node)
    if found.class_name is not None:
        node = Mangle(found.class_name).visit(node)
    if not isinstance(node, ast.Lambda):
        node.decorator_list = []
    rewriter = _Rewriter(function.__code__.co_filename, numbers)
    node = ast.fix_missing_locations(rewriter.visit(node))
    original = function.__code__
    code = compile_function(node, original, original.co_freevars)
    if code.co_freevars != original.co_freevars:
        return None
    return _with_decider(code, decider), frozenset(rewriter.found)


def _with_decider(code: CodeType, decider: object) -> CodeType:
    def replaced(const: object) -> object:
        if isinstance(const, CodeType):
            return _with_decider(const, decider)
        return decider if const == _DECIDER and isinstance(const, str) else const

    return code.replace(co_consts=tuple(map(replaced, code.co_consts)))


class _Rewriter(ast.NodeTransformer):
    def __init__(self, file: str, numbers: Mapping[Decision, int]) -> None:
        self._file = file
        self._numbers = numbers
        self._loops = 0
        self.found: set[Decision] = set()
        # The operands whose truth alone matters.
        self._truths: set[ast.AST] = set()

    # -- what is decided ---------------------------------------------------------------------------

    def _number(self, node: ast.stmt | ast.expr, kind: DecisionKind, left: int = 0) -> int | None:
        decision = Decision(self._file, node.lineno, node.col_offset, kind, left)
        number = self._numbers.get(decision)
        if number is not None:
            self.found.add(decision)
        return number

    def _call(self, method: str, number: int, args: Sequence[ast.expr], like: ast.AST) -> ast.expr:
        """``decider.method(number, …)``."""
        owner = ast.Attribute(ast.Constant(_DECIDER), method, ast.Load())
        call = ast.Call(owner, [ast.Constant(number), *args], [])
        for inner in ast.walk(call):
            if not hasattr(inner, "lineno"):
                ast.copy_location(inner, like)
        return call

    def _tested(self, number: int | None, test: ast.expr) -> ast.expr:
        return test if number is None else self._call("test", number, [test], test)

    def _truth(self, node: ast.expr) -> None:
        """Notes that of an expression only the truth matters."""
        if isinstance(node, ast.BoolOp):
            self._truths.add(node)
            for value in node.values:
                self._truth(value)

    # -- statements --------------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> ast.AST:
        number = self._number(node, "if")
        self._truth(node.test)
        self.generic_visit(node)
        node.test = self._tested(number, node.test)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self._truth(node.test)
        return self.generic_visit(node)

    def visit_While(self, node: ast.While) -> ast.AST | list[ast.stmt]:
        number = self._number(node, "while")
        self._truth(node.test)
        self.generic_visit(node)
        if number is None:
            return node
        self._loops += 1
        name = f"_fx_loop_{self._loops}"
        begin = ast.Assign([ast.Name(name, ast.Store())], self._call("loop", number, [], node))
        again = ast.Attribute(ast.Name(name, ast.Load()), "again", ast.Load())
        node.test = ast.copy_location(ast.Call(again, [node.test], []), node.test)
        return [ast.copy_location(begin, node), node]

    def visit_For(self, node: ast.For) -> ast.AST:
        number = self._number(node, "for")
        self.generic_visit(node)
        if number is not None:
            node.iter = self._call("items", number, [node.iter], node.iter)
        return node

    # -- expressions -------------------------------------------------------------------------------

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        number = self._number(node, "if_exp")
        self._truth(node.test)
        self.generic_visit(node)
        node.test = self._tested(number, node.test)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Not):
            self._truth(node.operand)
        return self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        numbers = [[self._number(test, "comp_if") for test in part.ifs] for part in node.generators]
        for part in node.generators:
            for test in part.ifs:
                self._truth(test)
        self.generic_visit(node)
        for part, its in zip(node.generators, numbers, strict=True):
            part.ifs = [self._tested(*pair) for pair in zip(its, part.ifs, strict=True)]
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """``a and b`` as ``b if test(a) else a``, with `a` evaluated once."""
        ends = isinstance(node.op, ast.Or)
        kind: DecisionKind = "or" if ends else "and"
        last = len(node.values) - 1
        numbers = [self._number(node, kind, last - k) for k in range(last)]
        self.generic_visit(node)
        rest = node.values[last]
        for k in reversed(range(last)):
            value, number = node.values[k], numbers[k]
            if number is None:
                rest = ast.copy_location(ast.BoolOp(node.op, [value, rest]), node)
                continue
            test = self._call("test", number, [value], value)
            given: ast.expr = ast.copy_location(ast.Constant(ends), value)
            if node not in self._truths:
                given = self._call("last", number, [], value)
            sides = (given, rest) if ends else (rest, given)
            rest = ast.copy_location(ast.IfExp(test, *sides), node)
        return rest
