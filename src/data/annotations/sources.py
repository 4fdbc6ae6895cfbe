"""Reading annotations in any format."""

from __future__ import annotations

from typing import Optional

from ..findings import Findings
from .annotation_file import AnnotationSettings
from .coco_reader import read_coco
from .records import DataSource
from .txt_reader import read_txt


def read_annotations(settings: AnnotationSettings, findings: Optional[Findings] = None) -> DataSource:
    """Read a split's annotations: COCO JSON, or txt for the format "other".

    findings: Findings to fill. Without it, the reader logs what it finds (see the readers).
    """
    reader = read_coco if settings.format == "coco" else read_txt
    return reader(settings, findings)
