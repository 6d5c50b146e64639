"""Where an instruction comes from, as a Python frame of the user's file.

Reports, node metadata, PyTorch's own notes on sizes and refusals all look at the Python stack for
the user's line. Each instruction therefore runs below a frame that claims to stand there.
"""

from __future__ import annotations

import linecache
import os
import re

from fxexport._torch_compat import torchscript as ir
from fxexport.source.frames import Runner, standing_at
from fxexport.source.ownership import is_own

__all__ = ["runner_of", "was_traced"]

# "# model.py:12:8" at the end of a printed node; a line of the Python stack that tracing leaves.
_PRINTED = re.compile(r"# (.+):(\d+):\d+\s*$")
_FRAME = re.compile(r"^(.+)\((\d+)\): (.+)$")
_MARK = re.compile(r"\s*~+\s*(<--- HERE)?\s*$")


def runner_of(node: ir.Node, function: str) -> Runner | None:
    """Runs a thunk below a frame at a node's source location; None where it has none."""
    text = node.sourceRange()
    frames = _traced_frames(text)
    if frames:
        file, line, function = next((f for f in frames if is_own(f[0])), frames[0])
        return standing_at(file, line, function)
    match = _PRINTED.search(str(node).split("\n", 1)[0])
    if match is None or match[1].startswith("<") or int(match[2]) < 1:
        return None
    file, line = match[1], int(match[2])
    _remember_text(file, line, text)
    return standing_at(file, line, function)


def was_traced(node: ir.Node) -> bool:
    """Whether a node was recorded by torch.jit.trace: its location is a Python stack."""
    return bool(_traced_frames(node.sourceRange()))


def _traced_frames(text: str) -> list[tuple[str, int, str]]:
    frames = []
    for line in text.splitlines():
        match = _FRAME.match(line)
        if match is None:
            break
        frames.append((match[1], int(match[2]), match[3]))
    return frames


def _remember_text(file: str, line: int, text: str) -> None:
    """Makes a line of a file that is not here any more (an archive's source) known to linecache."""
    if os.path.exists(file):
        return
    rows = text.partition("\nSerialized ")[0].splitlines()[1:]
    marks = [k for k, row in enumerate(rows) if _MARK.match(row)]
    if not marks or marks[0] == 0:
        return
    # The line stands above its mark; the rows around it are its neighbours.
    first = line - marks[0] + 1
    known = linecache.cache.get(file)
    lines = list(known[2]) if known is not None and len(known) == 4 else []
    for number, row in enumerate((row for row in rows if not _MARK.match(row)), first):
        if number >= 1:
            lines.extend("\n" for _ in range(number - len(lines)))
            lines[number - 1] = row + "\n"
    linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
