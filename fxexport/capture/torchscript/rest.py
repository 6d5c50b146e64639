"""Operators that have no effect in a file, and those that only PyTorch's optimiser makes."""

from __future__ import annotations

from fxexport.capture.torchscript.call import Call, HandlerTable

__all__ = ["TABLE"]

TABLE = HandlerTable()


@TABLE.add("prim::Print", "aten::_print")
def _print(call: Call) -> None:
    call.session.note("note", "print() runs at export only; the file prints nothing")


@TABLE.add("aten::warn")
def _warn(call: Call) -> None:
    text = f"a warning of the model, which the file does not give: {call.args[0]}"
    call.session.note("note", text)


TABLE.simple("aten::is_grad_enabled aten::is_autocast_enabled", lambda ops: False)
TABLE.simple("aten::is_autocast_cpu_enabled", lambda ops: False)
TABLE.simple("aten::_get_tracing_state aten::has_torch_function", lambda ops, *args: False)
TABLE.simple("aten::is_scripting", lambda ops: True)
TABLE.simple("aten::set_grad_enabled", lambda ops, enabled: None)
TABLE.simple("aten::_nnpack_available aten::is_vulkan_available", lambda ops: False)
TABLE.simple("aten::_use_cudnn_rnn_flatten_weight", lambda ops: False)
TABLE.simple("aten::_get_cpu_capability", lambda ops: "DEFAULT")
TABLE.simple(
    "profiler::_record_function_enter profiler::_record_function_enter_new "
    "profiler::_record_function_exit "
    "aten::sym_constrain_range aten::sym_constrain_range_for_size prim::AddStatValue "
    "prim::TimePoint",
    lambda ops, *args: None,
)
TABLE.simple(
    "profiler::_call_end_callbacks_on_jit_fut. "
    "profiler::_call_end_callbacks_on_jit_fut._RecordFunction",
    lambda ops, handle, future: future,
)
TABLE.simple("cuda::device_count", lambda ops: 0)
TABLE.refused("onnx::Reshape. onnx::Shape.", "this is a graph for ONNX already")


@TABLE.add("aten::_assert_scalar")
def _assert_scalar(call: Call) -> object:
    return call.ops.assert_stmt(call.args[0], lambda: (call.args[1],))


TABLE.refused(
    "aten::Generator aten::seed aten::initial_seed aten::manual_seed",
    "the runtime keeps the state of its random numbers itself",
    "leave the generator out",
)
TABLE.refused("aten::save", "an exported file cannot write files")
# float16 on a GPU, bfloat16 on the CPU; only an autocast object that does nothing asks for it.
TABLE.simple("aten::get_autocast_dtype", lambda ops, device: 5 if device == "cuda" else 15)
TABLE.refused(
    "cuda::current_stream cuda::default_stream cuda::set_stream cuda::synchronize "
    "cuda::_current_device cuda::_exchange_device cuda::_maybe_exchange_device "
    "cuda::_set_device cuda::device_index cuda::stream cuda::wait_event cuda::Event "
    "aten::_cufft_clear_plan_cache aten::_cufft_get_plan_cache_max_size "
    "aten::_cufft_get_plan_cache_size aten::_cufft_set_plan_cache_max_size",
    "files have no devices",
    "leave the choice of devices to the runtime",
)
TABLE.refused(
    "prim::AutogradAdd prim::AutogradAllNonZero prim::AutogradAllZero prim::AutogradAnyNonZero "
    "prim::AutogradZero prim::BailOut prim::BailoutTemplate prim::BroadcastMKLDNNTensors "
    "prim::BroadcastSizes prim::ChunkSizes prim::ConstantMKLDNNTensor prim::DifferentiableGraph "
    "prim::FallbackGraph prim::FusionGroup prim::Guard prim::MKLDNNClamp prim::MKLDNNClamp_ "
    "prim::MKLDNNHardSigmoid prim::MKLDNNHardSigmoid_ prim::MKLDNNHardSwish "
    "prim::MKLDNNHardSwish_ prim::MKLDNNHardTanh prim::MKLDNNHardTanh_ prim::MKLDNNLayerNorm "
    "prim::MKLDNNLayerNorm_ prim::MKLDNNScalarMul prim::MKLDNNScalarMul_ prim::MMBatchSide "
    "prim::MMTreeReduce prim::ReductionSizes prim::RequiresGradCheck prim::StaticRuntimeCopyOuts "
    "prim::StaticSubgraph prim::TensorExprDynamicGroup prim::TensorExprDynamicGuard "
    "prim::TensorExprGroup prim::TypeCheck prim::IfThenElse prim::mkldnn_convolution "
    "prim::oneDNNFusionGroup prim::oneDNNFusionGuard prim::profile prim::profile_ivalue",
    "only PyTorch's optimiser makes this operator",
    "save the module before it is optimised",
)
