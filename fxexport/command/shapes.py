"""Options for profiles in the syntax of other tools, for the commands that take a file."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["PolygraphyShapes", "TrtexecShapes"]

TrtexecShapes = Annotated[
    list[str] | None,
    typer.Option(
        "--minShapes",
        metavar="NAME:SIZES,...",
        help="A profile as trtexec takes it, with --optShapes and --maxShapes.",
    ),
]
PolygraphyShapes = Annotated[
    list[str] | None,
    typer.Option(
        "--trt-min-shapes",
        metavar="NAME:[SIZES] ...",
        help="A profile as Polygraphy takes it, with --trt-opt-shapes and --trt-max-shapes.",
    ),
]
