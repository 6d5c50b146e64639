"""ONNX as TensorRT takes it. Every form gives exactly what the operator would."""

from __future__ import annotations

from fxexport.lowering.builder.dialect import Dialect
from fxexport.targets.tensorrt.dialect.attention import WHOLE as WHOLE_ATTENTION
from fxexport.targets.tensorrt.dialect.bits import FORMS as BIT_FORMS
from fxexport.targets.tensorrt.dialect.boxes import FORMS as BOX_FORMS
from fxexport.targets.tensorrt.dialect.boxes import WHOLE as WHOLE_BOXES
from fxexport.targets.tensorrt.dialect.conv import FORMS as CONV_FORMS
from fxexport.targets.tensorrt.dialect.deform import FORMS as DEFORM_FORMS
from fxexport.targets.tensorrt.dialect.fold import FORMS as FOLD_FORMS
from fxexport.targets.tensorrt.dialect.index import FORMS as INDEX_FORMS
from fxexport.targets.tensorrt.dialect.narrow import widen_narrow_integers
from fxexport.targets.tensorrt.dialect.pool import FORMS as POOL_FORMS
from fxexport.targets.tensorrt.dialect.random import FORMS as RANDOM_FORMS
from fxexport.targets.tensorrt.dialect.rank import FORMS as RANK_FORMS
from fxexport.targets.tensorrt.dialect.regions import FORMS as REGION_FORMS
from fxexport.targets.tensorrt.dialect.scatter import FORMS as SCATTER_FORMS
from fxexport.targets.tensorrt.dialect.sort import FORMS as SORT_FORMS

__all__ = ["DIALECT"]

DIALECT = Dialect(
    exact=False,  # those forms are for ONNX Runtime's kernels, and it has no int64 MatMul
    forms={
        **RANK_FORMS,
        **INDEX_FORMS,
        **SCATTER_FORMS,
        **POOL_FORMS,
        **BOX_FORMS,
        **REGION_FORMS,
        **DEFORM_FORMS,
        **BIT_FORMS,
        **CONV_FORMS,
        **FOLD_FORMS,
        **SORT_FORMS,
        **RANDOM_FORMS,
    },
    whole={**WHOLE_ATTENTION, **WHOLE_BOXES},
    finish=widen_narrow_integers,
)
