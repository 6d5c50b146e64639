"""A file has its name once it is known to agree with PyTorch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

from fxexport.errors import OutputError
from fxexport.files import replace_together
from fxexport.profile_files import stale_profiles_removed
from fxexport.profiles import Profile, profiles_file_name
from fxexport.writing import data_file_name

__all__ = ["move_verified", "removed_on_failure", "unverified_name"]


def unverified_name(path: str) -> str:
    """Where the file stands until it is known to agree, and stays if it does not."""
    stem, ending = os.path.splitext(path)
    return f"{stem}.unverified{ending}"


def move_verified(
    source: str, path: str, save: Callable[[str], None], profiles: Sequence[Profile]
) -> None:
    """Gives a verified file its name; one with a data file is written anew, as it names it.

    Args:
        source: where the file stands.
        path: where it goes, with what stands beside it.
        save: writes it anew.
        profiles: those that stand beside it.

    Raises:
        OutputError: when it cannot be written there.
    """
    data, beside = (os.path.join(os.path.dirname(source), name) for name in _companions(source))
    if os.path.exists(data):
        save(path)
        for name in (source, data, *([beside] if profiles else [])):
            os.unlink(name)
        return
    moves = [(source, path)]
    if profiles:
        place = os.path.join(os.path.dirname(path), profiles_file_name(path))
        moves.insert(0, (beside, place))
    try:
        with stale_profiles_removed(path, profiles):
            replace_together(moves)
    except OSError as error:
        raise OutputError(f"cannot write {path!r}: {error.strerror or error}") from error


def _companions(path: str) -> tuple[str, str]:
    """Names of the files that may stand beside a model: weights and profiles."""
    return data_file_name(path), profiles_file_name(path)


@contextlib.contextmanager
def removed_on_failure(path: str) -> Iterator[None]:
    """Nothing half-verified is left behind an exception or Ctrl-C."""
    try:
        yield
    except BaseException:
        for name in (os.path.basename(path), *_companions(path)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(os.path.dirname(path), name))
        raise
