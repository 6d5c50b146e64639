"""What all pages are made with: templates, style, highlighted code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fxexport.version import VERSION

if TYPE_CHECKING:
    import jinja2

__all__ = ["highlighted_lines", "template"]

_HERE = Path(__file__).parent


def template(folder: Path, name: str) -> jinja2.Template:
    """A template of a folder, which may import those beside this file.

    It knows `style`, the style of all pages, and `version`.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        style=(_HERE / "page.css").read_text(encoding="utf-8"), version=VERSION
    )
    return environment.get_template(name)


def highlighted_lines(code: str) -> list[str]:
    """Python as HTML, a text a line; none ends or begins inside of an element of another one."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    # Without a leading newline that the lexer would strip, numbers stay those of the file.
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    formatter = HtmlFormatter(nowrap=True, classprefix="c-")
    html: str = highlight(code.expandtabs(4), lexer, formatter)
    return html.split("\n")
