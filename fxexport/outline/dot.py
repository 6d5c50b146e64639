"""An outline as a Graphviz document: a box an arm, an arrow from step to step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from fxexport.outline.model import Check, Construct, Operators, Outline, Step
from fxexport.outline.text import loop_text, place_text, row_text
from fxexport.outline.times import share_text

__all__ = ["outline_as_dot"]


def outline_as_dot(outline: Outline) -> str:
    """The document; ``dot -Tsvg`` draws it."""
    writer = _Writer()
    body = list(writer.steps(outline.steps, "  "))
    return "\n".join(
        [
            "digraph outline {",
            f"  label={_quoted(outline.path)};",
            "  compound=true;",
            '  node [shape=box, fontname="sans-serif", fontsize=10];',
            '  graph [fontname="sans-serif", fontsize=11];',
            *body,
            "}",
            "",
        ]
    )


class _Writer:
    """Numbers the boxes of one document."""

    def __init__(self) -> None:
        self._numbers = count()

    def steps(self, steps: Sequence[Step], indent: str) -> Iterator[str]:
        """The boxes of some steps, and the arrows between them."""
        before = ""
        for step in steps:
            name = f"n{next(self._numbers)}"
            yield f"{indent}{name} [label={_quoted(_label(step))}{_style(step)}];"
            if before:
                yield f"{indent}{before} -> {name};"
            before = name
            if isinstance(step, Construct):
                yield from self._arms(step, name, indent)

    def _arms(self, construct: Construct, name: str, indent: str) -> Iterator[str]:
        for arm in construct.arms:
            number = next(self._numbers)
            first = f"n{next(self._numbers)}"
            yield f"{indent}subgraph cluster_{number} {{"
            yield f"{indent}  label={_quoted(arm.name)};"
            yield f"{indent}  {first} [label={_quoted(arm.name)}, shape=plaintext];"
            yield from self.steps(arm.steps, indent + "  ")
            yield f"{indent}}}"
            yield f"{indent}{name} -> {first} [style=dashed, lhead=cluster_{number}];"


def _label(step: Step) -> str:
    if isinstance(step, Operators):
        return row_text(step.types)
    if isinstance(step, Check):
        return f"checks {step.text}"
    lines = [step.kind]
    if step.place is not None:
        lines.append(f"{place_text(step.place)} {step.place.code}".rstrip())
    elif step.name:
        lines.append(step.name)
    if step.loop is not None:
        lines.append(loop_text(step.loop))
    if step.share is not None:
        lines.append(share_text(step.share))
    return "\n".join(lines)


def _style(step: Step) -> str:
    if isinstance(step, Construct):
        return ", shape=diamond" if step.kind == "If" else ", shape=hexagon"
    return ", style=dashed" if isinstance(step, Check) else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
