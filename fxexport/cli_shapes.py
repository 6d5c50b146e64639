"""Options for profiles in other tools' words, as commands on files take them."""

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
