"""The forms of labels besides COCO JSON and txt, by the names that the key `dataset` has for them."""

from __future__ import annotations

from typing import Dict

from ..forms.items import Form
from ..forms.readers import cityscapes, cvat, label_studio, labelme, masks, supervisely, via, voc, yolo

_READERS = (labelme, yolo, voc, label_studio, via, cvat, cityscapes, masks, supervisely)
FORMS: Dict[str, Form] = {module.FORM.name: module.FORM for module in _READERS}
