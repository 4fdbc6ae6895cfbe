"""All faults: importing this enters those of every file into `faults.FAULTS`."""

from tests.fuzz import (  # noqa: F401
    file_faults,
    list_faults,
    name_faults,
    object_faults,
    picture_faults,
    segmentation_faults,
)
from tests.fuzz.faults import FAULTS, draw_faulty_set

__all__ = ["FAULTS", "draw_faulty_set"]
