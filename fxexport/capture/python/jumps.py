"""Rewrites return, break and continue so that every statement ends where it is written.

Staging needs blocks with one entry and one exit. Where one side of an `if` certainly jumps, the
statements after the `if` move into its other side, which keeps the graph as simple as the
program. Only where a jump depends on more than that, a flag is set and what follows is guarded.

After this pass, a function has `return` only where an `if` returns on both sides (or at the end
of a block that ends the function), and loops have no break or continue; a loop that could be
left early has a flag.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fxexport.capture.python.match_statements import matches_as_ifs

__all__ = [
    "RETURN_FLAG",
    "RETURN_VALUE",
    "LoweredBody",
    "always_raises",
    "asks_flags",
    "lower_jumps",
]

RETURN_FLAG = "_fx_returned"
RETURN_VALUE = "_fx_result"
_FLAGS = (RETURN_FLAG, "_fx_broken_", "_fx_continued_")

Block = list[ast.stmt]
_LOOPS = (ast.For, ast.While)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class LoweredBody(NamedTuple):
    """A function body without jumps.

    Attributes:
        statements: the body.
        break_flags: loop that may be left early -> the variable that says that it has been.
    """

    statements: Block
    break_flags: dict[ast.stmt, str]


def lower_jumps(body: Sequence[ast.stmt]) -> LoweredBody:
    """Lowers the jumps of one function body (not those of functions defined in it)."""
    lowering = _Lowering()
    statements = lowering.tail([matches_as_ifs(statement) for statement in body])
    return LoweredBody(statements, lowering.break_flags)


@dataclass
class _Loop:
    """Flags of the innermost loop."""

    broken: str
    continued: str
    flags_used: set[str] = field(default_factory=set)


def _walk(node: ast.AST, into_loops: bool) -> Iterator[ast.AST]:
    """The statements in a node that belong to the same function (and the same loop)."""
    yield node
    if isinstance(node, _SCOPES):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
            if isinstance(child, _LOOPS) and not into_loops:
                yield from _leaving(child)
            else:
                yield from _walk(child, into_loops)


def _leaving(loop: ast.For | ast.While) -> Iterator[ast.AST]:
    """The jumps that leave a loop statement: returns, and any jump in its else block."""
    for statement in loop.body:
        for inner in _walk(statement, True):
            if isinstance(inner, ast.Return):
                yield inner
    for statement in loop.orelse:
        if isinstance(statement, _LOOPS):
            yield from _leaving(statement)
        else:
            yield from _walk(statement, False)


def _has(node: ast.AST, *kinds: type) -> bool:
    """Whether a jump of these kinds leaves the statement (breaks of inner loops do not)."""
    if isinstance(node, _LOOPS):
        return any(isinstance(inner, kinds) for inner in _leaving(node))
    return any(isinstance(inner, kinds) for inner in _walk(node, False))


def _is_forever(statement: ast.stmt) -> bool:
    """A loop that only a return (or a raise) ends."""
    return (
        isinstance(statement, ast.While)
        and isinstance(statement.test, ast.Constant)
        and bool(statement.test.value)
        and not any(_has(inner, ast.Break) for inner in statement.body)
    )


_JUMPS = (ast.Return, ast.Break, ast.Continue)


def _ends(block: Sequence[ast.stmt], kinds: tuple[type, ...]) -> bool:
    """Whether a jump of these kinds or a raise certainly ends the block before its end."""
    for statement in block:
        if isinstance(statement, (*kinds, ast.Raise)):
            return True
        if (
            isinstance(statement, ast.If)
            and _ends(statement.body, kinds)
            and _ends(statement.orelse, kinds)
        ):
            return True
    return False


def always_raises(block: Sequence[ast.stmt]) -> bool:
    """Whether a block certainly ends in a raise."""
    return _ends(block, ()) and not any(_has(statement, *_JUMPS) for statement in block)


def asks_flags(test: ast.expr) -> bool:
    """Whether a condition asks for flags of jumps alone: it is none of the program's."""
    if isinstance(test, ast.UnaryOp):
        return asks_flags(test.operand)
    if isinstance(test, ast.BoolOp):
        return all(map(asks_flags, test.values))
    return isinstance(test, ast.Name) and test.id.startswith(_FLAGS)


def _name(name: str, like: ast.AST, ctx: ast.expr_context | None = None) -> ast.Name:
    return ast.copy_location(ast.Name(name, ctx or ast.Load()), like)


def _assign(name: str, value: ast.expr, like: ast.AST) -> ast.stmt:
    node = ast.Assign(targets=[_name(name, like, ast.Store())], value=value)
    return ast.fix_missing_locations(ast.copy_location(node, like))


def _constant(value: object, like: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Constant(value), like)  # type: ignore[arg-type]


def _if(test: ast.expr, body: Block, orelse: Block, like: ast.AST) -> ast.If:
    node = ast.If(test=test, body=body or [ast.copy_location(ast.Pass(), like)], orelse=orelse)
    return ast.copy_location(node, like)


class _Lowering:
    def __init__(self) -> None:
        self._counter = itertools.count(1)
        self.break_flags: dict[ast.stmt, str] = {}

    # -- blocks that end the function ----------------------------------------------------------

    def tail(self, block: Block) -> Block:
        """A block after which the function returns None; its returns may stay."""
        out: Block = []
        for k, statement in enumerate(block):
            rest = block[k + 1 :]
            if isinstance(statement, (ast.Return, ast.Raise)):
                return [*out, statement]
            if not _has(statement, ast.Return):
                out.extend(self.plain(statement))
                continue
            if isinstance(statement, ast.If):
                ends = _ends(statement.body, (ast.Return,)), _ends(statement.orelse, (ast.Return,))
                if any(ends) or not rest:
                    then = statement.body if ends[0] else statement.body + rest
                    other = statement.orelse if ends[1] else statement.orelse + rest
                    node = _if(
                        statement.test,
                        self._closed(then, statement),
                        self._closed(other, statement),
                        statement,
                    )
                    return [*out, node]
            elif isinstance(statement, ast.With) and not rest:
                statement.body = self._closed(statement.body, statement)
                return [*out, statement]
            elif isinstance(statement, ast.Try) and not rest and not statement.orelse:
                return [*out, self._tail_try(statement)]
            elif isinstance(statement, ast.Match) and not rest:
                for case in statement.cases:
                    case.body = self.tail(case.body)
                return [*out, statement]
            forever = _is_forever(statement)
            out.append(_assign(RETURN_FLAG, _constant(False, statement), statement))
            out.extend(self.flagged(statement, None))
            back = ast.copy_location(ast.Return(_name(RETURN_VALUE, statement)), statement)
            if forever:
                return [*out, back]
            out.append(
                _if(_name(RETURN_FLAG, statement), [back], self._closed(rest, statement), statement)
            )
            return out
        return out

    def _closed(self, block: Block, like: ast.AST) -> Block:
        """A tail block with its implicit ``return None`` written out."""
        out = self.tail(block)
        if not _ends(out, (ast.Return,)):
            out.append(ast.copy_location(ast.Return(_constant(None, like)), like))
        return out

    def _tail_try(self, statement: ast.Try) -> ast.stmt:
        statement.body = self.tail(statement.body)
        for handler in statement.handlers:
            handler.body = self.tail(handler.body)
        statement.finalbody = [s for inner in statement.finalbody for s in self.plain(inner)]
        return statement

    # -- statements without jumps out of them --------------------------------------------------

    def plain(self, statement: ast.stmt) -> Block:
        """A statement that no jump leaves; loops inside have their own."""
        return self.flagged(statement, None)

    # -- blocks whose jumps set flags ----------------------------------------------------------

    def block(self, block: Sequence[ast.stmt], loop: _Loop | None) -> Block:
        """A block in which jumps set flags and skip what follows."""
        out: Block = []
        for k, statement in enumerate(block):
            rest = list(block[k + 1 :])
            if isinstance(statement, _JUMPS):
                return [*out, *self._jump(statement, loop)]
            if isinstance(statement, ast.Raise):
                return [*out, statement]
            if not _has(statement, *_JUMPS):
                out.extend(self.flagged(statement, loop))
                continue
            if isinstance(statement, ast.If):
                ends = _ends(statement.body, _JUMPS), _ends(statement.orelse, _JUMPS)
                if any(ends):
                    then = statement.body if ends[0] else statement.body + rest
                    other = statement.orelse if ends[1] else statement.orelse + rest
                    node = _if(
                        statement.test, self.block(then, loop), self.block(other, loop), statement
                    )
                    return [*out, node]
            guard = self._guard(statement, loop) if rest else None
            out.extend(self.flagged(statement, loop))
            if guard is not None:
                out.append(_if(guard, self.block(rest, loop), [], rest[0]))
            return out
        return out

    def _jump(self, statement: ast.stmt, loop: _Loop | None) -> Block:
        if isinstance(statement, ast.Return):
            value = statement.value or _constant(None, statement)
            out = [
                _assign(RETURN_VALUE, value, statement),
                _assign(RETURN_FLAG, _constant(True, statement), statement),
            ]
            if loop is not None:
                loop.flags_used.add(loop.broken)
                out.append(_assign(loop.broken, _constant(True, statement), statement))
            return out
        assert loop is not None
        if isinstance(statement, ast.Break):
            loop.flags_used.add(loop.broken)
            return [_assign(loop.broken, _constant(True, statement), statement)]
        return [_assign(loop.continued, _constant(True, statement), statement)]

    def _guard(self, statement: ast.stmt, loop: _Loop | None) -> ast.expr:
        """Whether none of the flags that the statement may set is set."""
        flags = []
        if loop is None:
            flags.append(RETURN_FLAG)
        else:
            if _has(statement, ast.Return, ast.Break):
                flags.append(loop.broken)
            if _has(statement, ast.Continue):
                flags.append(loop.continued)
                loop.flags_used.add(loop.continued)
        values: list[ast.expr] = [
            ast.copy_location(ast.UnaryOp(ast.Not(), _name(flag, statement)), statement)
            for flag in flags
        ]
        if len(values) == 1:
            return values[0]
        return ast.copy_location(ast.BoolOp(ast.And(), values), statement)

    def flagged(self, statement: ast.stmt, loop: _Loop | None) -> Block:
        """One compound statement with the jumps inside it lowered."""
        if isinstance(statement, ast.If):
            statement.body = self.block(statement.body, loop) or [
                ast.copy_location(ast.Pass(), statement)
            ]
            statement.orelse = self.block(statement.orelse, loop)
            return [statement]
        if isinstance(statement, _LOOPS):
            return self._loop(statement, loop)
        if isinstance(statement, ast.With):
            statement.body = self.block(statement.body, loop)
        elif isinstance(statement, ast.Try):
            if statement.orelse and any(_has(inner, *_JUMPS) for inner in statement.body):
                # A jump out of the body skips the else; a flag that is set must, too.
                body = ast.If(_constant(True, statement), statement.body, [])
                guard = self._guard(ast.copy_location(body, statement), loop)
                statement.orelse = [_if(guard, statement.orelse, [], statement)]
            for name in ("body", "orelse", "finalbody"):
                setattr(statement, name, self.block(getattr(statement, name), loop))
            for handler in statement.handlers:
                handler.body = self.block(handler.body, loop)
        elif isinstance(statement, ast.Match):
            for case in statement.cases:
                case.body = self.block(case.body, loop)
        return [statement]

    def _loop(self, statement: ast.For | ast.While, outer: _Loop | None) -> Block:
        number = next(self._counter)
        loop = _Loop(f"_fx_broken_{number}", f"_fx_continued_{number}")
        returns = _has(statement, ast.Return)
        statement.body = self.block(statement.body, loop)
        if loop.continued in loop.flags_used:
            statement.body.insert(
                0, _assign(loop.continued, _constant(False, statement), statement)
            )
        else:
            statement.body = _without(statement.body, loop.continued) or [
                ast.copy_location(ast.Pass(), statement)
            ]
        orelse, statement.orelse = statement.orelse, []
        out: Block = [statement]
        if loop.broken in loop.flags_used:
            self.break_flags[statement] = loop.broken
            out.insert(0, _assign(loop.broken, _constant(False, statement), statement))
            if orelse:
                left = ast.UnaryOp(ast.Not(), _name(loop.broken, statement))
                node = _if(
                    ast.copy_location(left, statement), self.block(orelse, outer), [], orelse[0]
                )
                out.append(node)
        else:
            out.extend(self.block(orelse, outer))
        if returns and outer is not None:
            outer.flags_used.add(outer.broken)
            leave = _assign(outer.broken, _constant(True, statement), statement)
            out.append(_if(_name(RETURN_FLAG, statement), [leave], [], statement))
        return out


class _Without(ast.NodeTransformer):
    """Drops the assignments to a flag that nothing reads."""

    def __init__(self, flag: str) -> None:
        self._flag = flag

    def visit_Assign(self, node: ast.Assign) -> ast.stmt | None:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id == self._flag:
            return ast.copy_location(ast.Pass(), node)
        return node


def _without(block: Block, flag: str) -> Block:
    return [_Without(flag).visit(statement) for statement in block]
