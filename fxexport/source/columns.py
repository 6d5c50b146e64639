"""Which part of its line an instruction was made of."""

from __future__ import annotations

from itertools import islice
from types import CodeType
from typing import NamedTuple

__all__ = ["Columns", "Instruction", "columns_of"]

# Bytes of a unit of bytecode; offsets count bytes.
_UNIT = 2


class Instruction(NamedTuple):
    """An instruction of a code object.

    Attributes:
        code: the code object.
        offset: the instruction's offset in its bytecode.
    """

    code: CodeType
    offset: int


class Columns(NamedTuple):
    """A part of a line, in characters.

    Attributes:
        start: the first column, from 1.
        end: the column behind the last one; at the end of the line where the part goes on in
            further lines.
    """

    start: int
    end: int


def columns_of(instruction: Instruction, line: int, text: str) -> Columns | None:
    """The part of a line that an instruction was made of.

    Args:
        instruction: the instruction.
        line: the number of the line.
        text: the line, as it is in the file.

    Returns:
        Its columns; None where the code does not say them, or says those of another line.
    """
    code, offset = instruction
    found = next(islice(code.co_positions(), max(offset, 0) // _UNIT, None), None)
    if found is None:
        return None
    first, last, start, end = found
    encoded = text.encode()
    if first != line or start is None or end is None or start >= len(encoded.rstrip()):
        return None
    if last != line:
        end = len(encoded)
    # Python counts bytes.
    begin = len(encoded[:start].decode(errors="ignore"))
    part = encoded[start:end].decode(errors="ignore").rstrip()
    return Columns(begin + 1, begin + len(part) + 1)
