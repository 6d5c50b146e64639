"""Names of nodes and values, no two the same in one file."""

from __future__ import annotations

__all__ = ["Names"]


class Names:
    """Names, each given once over the whole file."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def __call__(self, wanted: str) -> str:
        """The wanted name, with a number behind it when it is taken."""
        name = wanted
        while name in self._taken:
            count = self._next.get(wanted, 0) + 1
            self._next[wanted] = count
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name
