"""ONNX as TensorRT takes it. Every form gives exactly what the operator would."""

from __future__ import annotations

from fxexport.lowering.dialects import Dialect
from fxexport.lowering.dialects.tensorrt_attention import WHOLE as ATTENTION
from fxexport.lowering.dialects.tensorrt_bits import FORMS as BIT_FORMS
from fxexport.lowering.dialects.tensorrt_boxes import FORMS as BOX_FORMS
from fxexport.lowering.dialects.tensorrt_conv import FORMS as CONV_FORMS
from fxexport.lowering.dialects.tensorrt_deform import FORMS as DEFORM_FORMS
from fxexport.lowering.dialects.tensorrt_fold import FORMS as FOLD_FORMS
from fxexport.lowering.dialects.tensorrt_index import FORMS as INDEX_FORMS
from fxexport.lowering.dialects.tensorrt_narrow import widen_narrow_integers
from fxexport.lowering.dialects.tensorrt_pool import FORMS as POOL_FORMS
from fxexport.lowering.dialects.tensorrt_random import FORMS as RANDOM_FORMS
from fxexport.lowering.dialects.tensorrt_rank import FORMS as RANK_FORMS
from fxexport.lowering.dialects.tensorrt_regions import FORMS as REGION_FORMS
from fxexport.lowering.dialects.tensorrt_scatter import FORMS as SCATTER_FORMS
from fxexport.lowering.dialects.tensorrt_sort import FORMS as SORT_FORMS

__all__ = ["DIALECT"]

DIALECT = Dialect(
    "tensorrt",
    {
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
    whole=ATTENTION,
    finish=widen_narrow_integers,
)
