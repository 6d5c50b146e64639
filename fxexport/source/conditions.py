"""Which statement or expression a part of a condition belongs to."""

from __future__ import annotations

import ast
import functools
import linecache

__all__ = ["line_decided"]

_Conditional = ast.If | ast.While | ast.IfExp | ast.Assert


def line_decided(file: str, line: int, column: int) -> int | None:
    """The line of the if, while, assert or conditional expression whose condition a place is in.

    Args:
        file: the source file.
        line: number of the place's line, from 1.
        column: of the place, in bytes, from 0.

    Returns:
        The line where the innermost one begins; None where the place is in no condition, or the
        file cannot be read.
    """
    conditionals = _conditionals("".join(linecache.getlines(file)))
    around = [node for node in conditionals if _holds(node.test, line, column)]
    # What stands in another one begins behind it.
    innermost = max(around, key=lambda node: (node.lineno, node.col_offset), default=None)
    return None if innermost is None else innermost.lineno


@functools.lru_cache(maxsize=8)  # a file is asked about once for each operand in it
def _conditionals(source: str) -> tuple[_Conditional, ...]:
    """What has a condition; () of source that cannot be read."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, _Conditional))


def _holds(node: ast.expr, line: int, column: int) -> bool:
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return (node.lineno, node.col_offset) <= (line, column) < end
