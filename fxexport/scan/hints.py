"""What an export refuses, as far as a statement's source tells it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fxexport.codes.ids import Code
from fxexport.scan.index import FileIndex, dotted
from fxexport.scan.kinds import Kinds
from fxexport.scan.model import Decides, Hint

__all__ = ["hints_at"]

# Methods of tensors that hand their values, or their memory, to somebody else.
_READS = {
    "numpy": (Code.VALUE_NEEDED, "the values of a tensor go to NumPy"),
    "data_ptr": (Code.MEMORY, "the address of a tensor's memory is read"),
    "resize_": (Code.MEMORY, "a tensor gets other memory in place"),
    "set_": (Code.MEMORY, "a tensor gets other memory in place"),
    "share_memory_": (Code.MEMORY, "a tensor's memory is shared with other processes"),
}
_DRAWS = ("random.", "np.random.", "numpy.random.")


def hints_at(node: ast.stmt, kinds: Kinds, file: FileIndex) -> Iterator[Hint]:
    """What would be refused in a statement, without those in its body.

    Args:
        node: the statement.
        kinds: of what the function's variables hold there.
        file: where it stands.
    """
    if isinstance(node, ast.Match) and kinds.of(node.subject) is Decides.VALUES:
        text = "a match statement on what is known only when the model runs"
        yield _hint(Code.DECISION_IN_UNREAD_CODE, text, node.lineno, file)
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Attribute) and target.attr == "data":
                yield _hint(Code.MEMORY, "`.data` is assigned", node.lineno, file)
    for child in _own_expressions(node):
        for call in ast.walk(child):
            if isinstance(call, ast.Call):
                yield from _of_call(call, kinds, file)


def _own_expressions(node: ast.stmt) -> Iterator[ast.expr]:
    return (child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))


def _of_call(call: ast.Call, kinds: Kinds, file: FileIndex) -> Iterator[Hint]:
    name = dotted(call.func)
    if name.startswith(_DRAWS):
        text = f"{name}() draws when the model is exported"
        yield _hint(Code.RANDOM_AT_EXPORT, text, call.lineno, file)
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in _READS:
        return
    if kinds.of(function.value) is Decides.VALUES:
        code, text = _READS[function.attr]
        yield _hint(code, text, call.lineno, file)


def _hint(code: Code, text: str, line: int, file: FileIndex) -> Hint:
    return Hint(code, file.path, line, text, file.code(line))
