"""What the codes mean, read from `codes.md`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fxexport.codes.ids import Code

__all__ = ["Explanation", "explained", "page"]

_SECTION = re.compile(r"^## (FX\d{3}) ([a-z0-9-]+)\n\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Explanation:
    """What there is to say of one code.

    Attributes:
        code: the code.
        name: its name, for example ``value-needed``.
        text: Markdown: what it means, an example, the way out.
    """

    code: Code
    name: str
    text: str

    @property
    def summary(self) -> str:
        """The first paragraph on one line."""
        return " ".join(self.text.partition("\n\n")[0].split())


def page() -> str:
    """The whole page, as it stands in docs/codes.md."""
    return (Path(__file__).parent / "codes.md").read_text(encoding="utf-8")


def explained() -> dict[Code, Explanation]:
    """The explanation of every code."""
    return {
        Code(number): Explanation(Code(number), name, text.strip())
        for number, name, text in _SECTION.findall(page())
    }
