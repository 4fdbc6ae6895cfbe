"""The forms of labels besides COCO JSON and txt, by the names that the key `dataset` has for them."""

from __future__ import annotations

from typing import Dict

from ..forms.items import Form
from ..forms.readers import label_studio, labelme, via, voc, yolo

FORMS: Dict[str, Form] = {module.FORM.name: module.FORM for module in (labelme, yolo, voc, label_studio, via)}
