"""Every use of private PyTorch API, in one package (tried on torch 2.11, 2.13 and 2.15).

A new PyTorch version that moves one of these breaks this package and its test
(``tests/_torch_compat/``), and nothing else. By subject: `modes`, `fakes`, `operators`,
`programs`, `pytree`, `size_env`, `size_expressions`, `askers`, `attention`, `switches`,
`torchscript`.
"""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedOperatorException,
)
from torch._subclasses.functional_tensor import FunctionalTensor, FunctionalTensorMode
from torch.fx.experimental.symbolic_shapes import (
    GuardOnDataDependentSymNode,
    statically_known_true,
)
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten
from torch.utils._sympy.functions import Max, Min, Mod

from fxexport._torch_compat.askers import asked_for_broadcasting, asked_for_layout
from fxexport._torch_compat.attention import (
    attention_is_fast,
    encoder_is_fast,
    encoder_layer_is_fast,
)
from fxexport._torch_compat.fakes import (
    another_fake,
    empty_beside,
    fake_beside,
    fake_like,
    fake_mode,
    fake_of_real,
    follow_sizes,
    fresh_size,
    inner_of,
    leaves,
    map_tensors,
    own_or_meta,
    real_list,
    real_result,
    real_truth,
    remember_item,
    replace_inner,
)
from fxexport._torch_compat.modes import (
    ProgramMode,
    ProxySlotMode,
    UserMode,
    below_autograd,
    no_dispatch_modes,
    no_recording,
    only_mode,
    python_kernels,
    without_function_modes,
)
from fxexport._torch_compat.operators import (
    functional_variant,
    has_fake_kernel,
    has_own_decomposition,
    is_batched,
    is_composite,
    larger_table,
    out_arguments,
    overload_named,
    takes_dtype,
    tensors_among,
    views_in,
    without_check,
    written_arguments,
    written_by_python,
)
from fxexport._torch_compat.programs import (
    is_control_flow_function,
    is_generated,
    is_torch_builtin,
    program_module,
    stack_of_generated,
)
from fxexport._torch_compat.pytree import is_pytree_class, pytree_like, pytree_parts
from fxexport._torch_compat.size_env import (
    GuardPolicy,
    Prover,
    ShapeState,
    SizeEnv,
    SizeFact,
    stack_of_assert,
    stack_of_fact,
)
from fxexport._torch_compat.size_expressions import (
    SymNode,
    at_sizes,
    bounds_within,
    finite,
    is_boolean,
    make_sym_node,
    python_text,
    raw_expression,
    size_with,
    value_range,
)
from fxexport._torch_compat.switches import (
    counts_from_zero,
    mha_fastpath_disabled,
    quiet_kernels,
    with_new_sizes,
)

__all__ = [
    "ASSERTS",
    "CHUNK_CAT",
    "GROUPED_MM",
    "LINALG_CHECK",
    "METADATA_OPS",
    "NO_FAKE_RESULT",
    "OLD_CHOLESKY",
    "OVERRIDE_TESTS",
    "SHAPE_AS_TENSOR",
    "FakeTensor",
    "FakeTensorMode",
    "FunctionalTensor",
    "FunctionalTensorMode",
    "GuardOnDataDependentSymNode",
    "GuardPolicy",
    "Max",
    "Min",
    "Mod",
    "ProgramMode",
    "Prover",
    "ProxySlotMode",
    "ShapeState",
    "SizeEnv",
    "SizeFact",
    "SymNode",
    "TreeSpec",
    "UserMode",
    "another_fake",
    "asked_for_broadcasting",
    "asked_for_layout",
    "at_sizes",
    "attention_is_fast",
    "below_autograd",
    "bounds_within",
    "counts_from_zero",
    "empty_beside",
    "encoder_is_fast",
    "encoder_layer_is_fast",
    "fake_beside",
    "fake_like",
    "fake_mode",
    "fake_of_real",
    "finite",
    "follow_sizes",
    "fresh_size",
    "functional_variant",
    "has_fake_kernel",
    "has_own_decomposition",
    "inner_of",
    "is_batched",
    "is_boolean",
    "is_composite",
    "is_control_flow_function",
    "is_generated",
    "is_pytree_class",
    "is_torch_builtin",
    "larger_table",
    "leaves",
    "make_sym_node",
    "map_tensors",
    "mha_fastpath_disabled",
    "no_dispatch_modes",
    "no_recording",
    "only_mode",
    "out_arguments",
    "overload_named",
    "own_or_meta",
    "program_module",
    "python_kernels",
    "python_text",
    "pytree_like",
    "pytree_parts",
    "quiet_kernels",
    "raw_expression",
    "real_list",
    "real_result",
    "real_truth",
    "remember_item",
    "replace_inner",
    "size_with",
    "stack_of_assert",
    "stack_of_fact",
    "stack_of_generated",
    "statically_known_true",
    "takes_dtype",
    "tensors_among",
    "tree_flatten",
    "tree_unflatten",
    "value_range",
    "views_in",
    "with_new_sizes",
    "without_check",
    "without_function_modes",
    "written_arguments",
    "written_by_python",
]  # fmt: skip

# What fake tensors raise for an operator of which PyTorch says nothing without values.
NO_FAKE_RESULT = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedOperatorException,
)

# Functions that raise unless a condition holds, and what they raise.
ASSERTS: dict[object, type[Exception]] = {
    torch._assert: AssertionError,
    torch._check: RuntimeError,
    torch._check_index: IndexError,
    torch._check_value: ValueError,
    torch._check_type: TypeError,
    torch._check_not_implemented: NotImplementedError,
}

# Functions that ask whether an argument or a mode overrides PyTorch's functions.
OVERRIDE_TESTS = (
    torch._C._has_torch_function,
    torch._C._has_torch_function_unary,
    torch._C._has_torch_function_variadic,
)
# Its public name is a Python function around it.
GROUPED_MM = torch._grouped_mm
CHUNK_CAT = torch._chunk_cat
# detectron2 and torchvision call it while they trace; it would read the memory of a fake tensor.
SHAPE_AS_TENSOR = torch._shape_as_tensor
# PyTorch 2.14 has it no longer. Its kernel raises where no dispatch mode sees it.
OLD_CHOLESKY = overload_named("aten::cholesky.default")
LINALG_CHECK = torch.ops.aten._linalg_check_errors.default
METADATA_OPS = (*tuple(FunctionalTensor.metadata_fns), torch.ops.prim.device.default)
