"""What users register, and can take back."""

from __future__ import annotations

from types import TracebackType
from typing import Any

__all__ = ["Registration"]


class Registration:
    """What a user has registered; `remove` it, or use it as a context manager."""

    def __init__(self, table: dict[Any, Any], key: object, registered: object) -> None:
        """Enters something in one of the tables that only registrations change."""
        self._table, self._key = table, key
        self._before = table.get(key)
        self._registered = registered
        table[key] = registered

    def remove(self) -> None:
        """Brings back what was there before."""
        if self._table.get(self._key) is not self._registered:
            return
        if self._before is None:
            del self._table[self._key]
        else:
            self._table[self._key] = self._before

    def __enter__(self) -> Registration:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()
