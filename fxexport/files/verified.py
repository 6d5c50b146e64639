"""A file has its name once it is known to agree with PyTorch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from fxexport.files.atomic import file_group
from fxexport.files.companions import companions_of, stale_companions
from fxexport.files.model import data_file_name

__all__ = ["move_verified", "removed_on_failure", "unverified_name"]


def unverified_name(path: str) -> str:
    """Where the file stands until it is known to agree, and stays if it does not."""
    stem, ending = os.path.splitext(path)
    return f"{stem}.unverified{ending}"


def move_verified(source: str, path: str, save: Callable[[str], None]) -> None:
    """Gives a verified file its name; one with a data file is written anew, as it names it.

    Args:
        source: where the file stands, with its companions.
        path: where it goes, with them.
        save: writes it anew.

    Raises:
        OutputError: when it cannot be written there. The files at `path` are untouched then.
    """
    if os.path.exists(_data_file(source)):
        save(path)
        _remove_model(source)
        return
    kinds = dict.fromkeys(companions_of(source))
    with file_group(path) as group:
        for kind in kinds:
            group.move(kind.path_for(source), kind.path_for(path))
        group.move(source, path)
        for stale in stale_companions(path, kinds):
            group.remove(stale)


@contextlib.contextmanager
def removed_on_failure(path: str) -> Iterator[None]:
    """Nothing half-verified is left behind an exception or Ctrl-C."""
    try:
        yield
    except BaseException:
        _remove_model(path)
        raise


def _data_file(path: str) -> str:
    return os.path.join(os.path.dirname(path), data_file_name(path))


def _remove_model(path: str) -> None:
    """Removes a file that was just written, and all that stands beside it."""
    companions = [kind.path_for(path) for kind in companions_of(path)]
    for name in (path, _data_file(path), *companions):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
