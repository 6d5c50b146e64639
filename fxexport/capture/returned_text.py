"""Text that a model returns, written into the graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from fxexport.capture.session.session import Session
from fxexport.capture.values.choice import Choice
from fxexport.capture.values.symbolic_text import OpenText, is_open_text
from fxexport.codes.ids import Code
from fxexport.errors import UnsupportedError
from fxexport.graph.texts import TextVal, text_at, text_of
from fxexport.source.location import SourceLocation

__all__ = ["written_text"]


def written_text(session: Session, value: Any, name: str) -> fx.Node:
    """The node of text, or of a choice between texts; the root frame is open.

    Args:
        session: the capture.
        value: the text.
        name: the output, for messages.

    Raises:
        UnsupportedError: it is made of numbers that ONNX writes in another way.
    """
    location = getattr(value, "fx_location", None)
    if not isinstance(value, Choice):
        parts = _parts(value, name, location)
        return _node(session, text_of, [session.node_of(part) for part in parts], location)
    texts: list[Any] = []
    for k, one in enumerate(value.values):
        parts = _parts(one, name, location)
        if all(isinstance(part, str) for part in parts):
            texts.append("".join(map(str, parts)))
            continue
        nodes = [session.node_of(_chosen(session, value, k, part)) for part in parts]
        texts.append(_node(session, text_of, nodes, location))
    index: Any = session.each(value, lambda one: _place(value, one))
    return _node(session, text_at, [session.node_of(index), *texts], location)


def _place(choice: Choice, one: object) -> int:
    return next(k for k, value in enumerate(choice.values) if value is one)


def _chosen(session: Session, choice: Choice, place: int, part: Any) -> Any:
    """A number in one of several texts; it may be known where that is the one alone."""
    if isinstance(part, str):
        return part
    other: Any = False if isinstance(part, torch.SymBool) else 0
    return session.each(choice, lambda one: part if _place(choice, one) == place else other)


def _parts(text: Any, name: str, location: SourceLocation | None) -> list[Any]:
    if isinstance(text, OpenText) and text.parts:
        return list(text.parts)
    if is_open_text(text):
        raise UnsupportedError(
            f"{name} is text that is made of something that is known only when the model runs, "
            "and that ONNX does not write as Python does",
            code=Code.TEXT,
            location=location,
            hint="return the number itself, and make text of it outside of the model; text of "
            "ints and bools alone can be returned",
        )
    return [str(text)]


def _node(
    session: Session, function: Any, args: list[Any], location: SourceLocation | None
) -> fx.Node:
    node = session.recorder.emit(function, *args, val=TextVal())
    if location is not None:
        node.meta["source"] = (location,)
    return node
