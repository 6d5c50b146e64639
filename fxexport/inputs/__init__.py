"""From the user's call to a flat list of file inputs."""

from fxexport.inputs.dynamic_outputs import sizes_that_stay, split_outputs
from fxexport.inputs.exported_program import check_program_sizes, take_apart_program
from fxexport.inputs.options import parse_dynamic_option, parse_input_option
from fxexport.inputs.prepare import PreparedInputs, prepare_inputs
from fxexport.inputs.specs import TensorSpec
from fxexport.inputs.stored import StoredInputs, read_inputs
from fxexport.inputs.wrapped import unwrapped
from fxexport.profiles.dims import Dim

__all__ = [
    "Dim",
    "PreparedInputs",
    "StoredInputs",
    "TensorSpec",
    "check_program_sizes",
    "parse_dynamic_option",
    "parse_input_option",
    "prepare_inputs",
    "read_inputs",
    "sizes_that_stay",
    "split_outputs",
    "take_apart_program",
    "unwrapped",
]
