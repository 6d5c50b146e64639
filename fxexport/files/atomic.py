"""Files that appear whole and together, or not at all; one text for what cannot be written."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence

from fxexport.errors import OutputError

__all__ = ["FileGroup", "check_writable", "file_group", "new_file", "writing"]


def check_writable(shown: str, target: str | None = None) -> None:
    """Refuses early what could never be replaced by a file.

    Args:
        shown: the path as the user knows it.
        target: the file that it leads to, if that is another one (through a link).

    Raises:
        OutputError: there is no such folder, nobody may write there, or the path is a folder or a
            device.
    """
    target = os.path.abspath(shown) if target is None else target
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
    if not os.access(folder, os.W_OK):
        raise OutputError(
            f"cannot write {shown!r}: no permission to write in {folder!r}",
            hint="name a file in another folder",
        )


@contextlib.contextmanager
def writing(shown: str) -> Iterator[None]:
    """Tells the user what went wrong with the file system while the block wrote files.

    Raises:
        OutputError: instead of an OSError of the block.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {shown!r}: {error.strerror or error}",
            hint="nothing was changed there; name a file in another folder, or free some space",
        ) from error


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


class FileGroup:
    """The files of one `file_group`."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        # each new file and where it goes, and the files that go away
        self.moves: list[tuple[str, str]] = []
        self.removed: list[str] = []

    def new(self, target: str) -> str:
        """The path of an empty file that replaces `target` at the end of the group.

        Raises:
            OutputError: no file can be there.
        """
        check_writable(target)
        self.moves.append((self._stack.enter_context(new_file(target)), target))
        return self.moves[-1][0]

    def move(self, source: str, target: str) -> None:
        """Has an existing file replace `target` at the end of the group.

        Raises:
            OutputError: no file can be there.
        """
        check_writable(target)
        self.moves.append((source, target))

    def remove(self, target: str) -> None:
        """Has a file removed at the end of the group."""
        self.removed.append(target)


@contextlib.contextmanager
def file_group(shown: str) -> Iterator[FileGroup]:
    """Files that appear together when the block ends; after an exception nothing has changed.

    >>> with file_group("model.onnx") as group:
    ...     Path(group.new("model.onnx")).write_bytes(model)
    ...     Path(group.new("model.profiles.json")).write_text(profiles)

    Args:
        shown: the path to name when something cannot be written.

    Raises:
        OutputError: something cannot be written.
    """
    with writing(shown), contextlib.ExitStack() as stack:
        group = FileGroup(stack)
        yield group
        _replace_together(group.moves, group.removed)


def _replace_together(moves: Sequence[tuple[str, str]], removed: Sequence[str] = ()) -> None:
    """Moves new files to their targets and removes others: all of it, or nothing changes.

    Args:
        moves: each new file and where it goes.
        removed: files that are there no longer afterwards.

    Raises:
        OSError: when that fails.
    """
    with contextlib.ExitStack() as stack:
        for target in [*removed, *(target for _, target in moves[:-1])]:
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
