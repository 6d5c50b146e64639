"""Optimization profiles: reading, writing, checking and keeping them. Nothing here needs PyTorch.

This package knows nothing of graphs: an input is a name, a dtype and a shape.
"""

from fxexport.profiles.checking import FileInput, resolve, sizes_at
from fxexport.profiles.deriving import derived_profile, why_no_profile
from fxexport.profiles.dims import Dim, parse_dim
from fxexport.profiles.forms import as_profiles, parse_profiles
from fxexport.profiles.printing import FORMS, as_text, compact_json, ort_options
from fxexport.profiles.profile import POINTS, Bounds, Point, Profile
from fxexport.profiles.relations import Relation
from fxexport.profiles.stored import StoredProfiles, profiles_file_name

__all__ = [
    "FORMS",
    "POINTS",
    "Bounds",
    "Dim",
    "FileInput",
    "Point",
    "Profile",
    "Relation",
    "StoredProfiles",
    "as_profiles",
    "as_text",
    "compact_json",
    "derived_profile",
    "ort_options",
    "parse_dim",
    "parse_profiles",
    "profiles_file_name",
    "resolve",
    "sizes_at",
    "why_no_profile",
]
