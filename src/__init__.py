"""Mask R-CNN in MindSpore."""

from .environment import set_library_variables

set_library_variables()
