"""A page inside of a notebook's cell."""

from __future__ import annotations

import html

__all__ = ["in_notebook"]

_HEIGHT = 480


def in_notebook(page: str) -> str:
    """A page in a frame of its own, so that its style and its links leave the notebook alone.

    Args:
        page: the whole page. It runs nothing, and in the frame nothing can run.
    """
    # Links within the page are those of the notebook's address without this.
    page = page.replace("<head>", '<head>\n<base href="about:srcdoc">', 1)
    return (
        f'<iframe srcdoc="{html.escape(page, quote=True)}" sandbox '
        f'style="width: 100%; height: {_HEIGHT}px; resize: vertical; border: 0"></iframe>'
    )
