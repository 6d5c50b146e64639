"""Objects that hold tensors: how they are taken apart, and put together again."""

from fxexport.containers.forms import (
    ContainerForm,
    declared_form,
    form_of,
    joined_path,
    register_container,
)
from fxexport.containers.objects import fresh, within

__all__ = [
    "ContainerForm",
    "declared_form",
    "form_of",
    "fresh",
    "joined_path",
    "register_container",
    "within",
]
