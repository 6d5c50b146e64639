"""Files that appear whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence

from fxexport.errors import OutputError

__all__ = ["check_place", "new_file", "replace_together"]


def check_place(shown: str, target: str) -> None:
    """Refuses early what could never be replaced by a file."""
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise OutputError(
            f"cannot write {shown!r}: it is a folder",
            hint=f"name a file in it, for example {os.path.join(shown, 'model.onnx')}",
        )
    if not os.path.isdir(folder):
        raise OutputError(
            f"cannot write {shown!r}: there is no folder {folder!r}", hint="make the folder first"
        )
    if os.path.exists(target) and not os.path.isfile(target):
        raise OutputError(f"cannot write {shown!r}: it is there and is not an ordinary file")


@contextlib.contextmanager
def new_file(target: str) -> Iterator[str]:
    """An empty file beside the target, with the rights that the target has or would get.

    It is removed at the end, unless it was moved away.
    """
    folder, name = os.path.split(target)
    beside = os.path.join(folder, f".{name}.{secrets.token_hex(6)}.tmp")
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        if os.path.exists(target):
            os.chmod(beside, os.stat(target).st_mode & 0o777)
        yield beside
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def replace_together(moves: Sequence[tuple[str, str]]) -> None:
    """Moves new files to their places: all of them, or what was there before stays.

    Args:
        moves: each new file and where it goes.

    Raises:
        OSError: when that fails.
    """
    with contextlib.ExitStack() as stack:
        for _, target in moves[:-1]:
            stack.enter_context(_put_back_on_failure(target))
        for source, target in moves:
            os.replace(source, target)


@contextlib.contextmanager
def _put_back_on_failure(target: str) -> Iterator[None]:
    """Keeps the file at `target` aside, and puts it back when the block fails."""
    folder, name = os.path.split(target)
    aside = os.path.join(folder, f".{name}.{secrets.token_hex(6)}.old")
    existed = os.path.exists(target)
    try:
        if existed:
            os.rename(target, aside)
        yield
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            if existed:
                os.replace(aside, target)
            else:
                os.unlink(target)
        raise
    with contextlib.suppress(FileNotFoundError):
        os.unlink(aside)
